"""Consuming with callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Self

from . import serialization
from .channel import channel_of
from .errors import ContentDisallowed, MisuseError, PoisonError
from .inbox import Subscription
from .queue import Queue

if TYPE_CHECKING:
    from types import TracebackType

    from .channel import Channel, HasChannel
    from .received import ReceivedMessage

logger = logging.getLogger(__name__)

Callback = Callable[[Any, "ReceivedMessage"], object]
OnMessage = Callable[["ReceivedMessage"], object]
OnDecodeError = Callable[["ReceivedMessage", Exception], object]


class Consumer:
    """Calls back for each message of its queues, while the connection drains events.

    ``callbacks`` get the decoded body and the message, ``on_message`` gets the message alone, instead.
    ``accept``: serializer names or content types, by default what is enabled. ``prefetch_count``: how
    many unsettled messages it holds at most, 0 for no bound. ``no_ack``: messages are settled before
    the callback, and lost with it; by default that of each queue. ``on_decode_error`` gets messages
    that cannot be read; without it they are rejected to the dead letters of their queue and logged.
    """

    ContentDisallowed = ContentDisallowed

    def __init__(
        self,
        channel: Channel | HasChannel,
        queues: Queue | Iterable[Queue] | None = None,
        no_ack: bool | None = None,
        auto_declare: bool = True,
        callbacks: Iterable[Callback] | None = None,
        on_decode_error: OnDecodeError | None = None,
        on_message: OnMessage | None = None,
        accept: Collection[str] | None = None,
        prefetch_count: int = 0,
    ) -> None:
        self.channel = channel_of(channel)
        self.no_ack = no_ack
        self.auto_declare = auto_declare
        self.callbacks: list[Callback] = list(callbacks or ())
        self.on_decode_error = on_decode_error
        self.on_message = on_message
        self.accept = None if accept is None else serialization.content_types(accept)
        self._prefetch = prefetch_count
        self._queues: dict[str, Queue] = {}
        #: Queues that are consumed from now, with the subscription of each.
        self._active: dict[str, Subscription] = {}
        self._consuming = False
        # One for settled-before and one for held messages: prefetch counts the queues of one together.
        self._subscriptions = {no_ack: self._subscription(no_ack) for no_ack in (False, True)}
        for queue in [queues] if isinstance(queues, Queue) else queues or ():
            self.add_queue(queue)

    @property
    def queues(self) -> list[Queue]:
        """Its queues, bound to its channel."""
        return list(self._queues.values())

    @property
    def connection(self) -> HasChannel:
        """The connection of its channel."""
        return self.channel.connection

    def consume(self, no_ack: bool | None = None) -> None:
        """Begin to receive. The queues were declared when they were added, unless ``auto_declare`` is off."""
        if no_ack is not None:
            self.no_ack = no_ack
        self._consuming = True
        for queue in self._queues.values():
            self._start(queue)

    def add_queue(self, queue: Queue) -> Queue:
        """Consume from one more queue, at once if the others are being consumed from."""
        bound = queue.bind(self.channel)
        if self.auto_declare:
            bound.declare()
        self._queues[bound.name] = bound
        if self._consuming:
            self._start(bound)
        return bound

    def consuming_from(self, queue: Queue | str) -> bool:
        """Whether messages of this queue are being received."""
        return (queue.name if isinstance(queue, Queue) else queue) in self._active

    def cancel(self) -> None:
        """Receive no more. Unsettled messages stay here until the channel or connection is closed."""
        self._consuming = False
        for name in list(self._active):
            self._stop(name)

    close = cancel

    def cancel_by_queue(self, queue: Queue | str) -> None:
        """Receive no more from one queue."""
        name = queue.name if isinstance(queue, Queue) else queue
        self._queues.pop(name, None)
        self._stop(name)

    def flow(self, active: bool) -> None:
        """Pause (False) or go on (True) receiving."""
        if active:
            self.consume()
        else:
            self.cancel()

    def qos(self, prefetch_size: int = 0, prefetch_count: int = 0, apply_global: bool = False) -> None:
        """Bound how many unsettled messages are held. Sizes are not supported."""
        if prefetch_size or apply_global:
            raise MisuseError("Consumer.qos() takes prefetch_count only, for this consumer alone")
        self._prefetch = prefetch_count
        for subscription in self._subscriptions.values():
            subscription.prefetch = prefetch_count
        self.channel.session.inbox.set_credit()

    def declare(self) -> None:
        """Declare its queues with exchanges and bindings."""
        for queue in self._queues.values():
            queue.declare()

    def purge(self) -> int:
        """Drop the messages of its queues that nobody has in hand. Returns how many."""
        return sum(queue.purge() for queue in self._queues.values())

    def recover(self) -> None:
        """Give back all unsettled messages, to be delivered again."""
        for subscription in self._subscriptions.values():
            self.channel.session.inbox.give_back(subscription)

    def register_callback(self, callback: Callback) -> None:
        """Call ``callback(body, message)``, too."""
        self.callbacks.append(callback)

    def receive(self, body: Any, message: ReceivedMessage) -> None:
        """Pass a decoded message to the callbacks. Raises MisuseError if there are none."""
        if not self.callbacks:
            raise MisuseError("this consumer has neither callbacks nor on_message")
        for callback in self.callbacks:
            callback(body, message)

    def revive(self, channel: Channel | HasChannel) -> None:
        """Move to another channel, consuming there if it does here."""
        consuming = self._consuming
        self.cancel()
        self.channel = channel_of(channel)
        for subscription in self._subscriptions.values():
            subscription.channel = self.channel
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            self.add_queue(queue)
        if consuming:
            self.consume()

    def __enter__(self) -> Self:
        self.consume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _subscription(self, no_ack: bool) -> Subscription:
        return Subscription(
            self._deliver, no_ack=no_ack, accept=self.accept, prefetch=self._prefetch, channel=self.channel
        )

    def _start(self, queue: Queue) -> None:
        if queue.name not in self._active:
            subscription = self._subscriptions[queue.no_ack if self.no_ack is None else self.no_ack]
            self.channel.subscribe(queue.name, subscription)
            self._active[queue.name] = subscription

    def _stop(self, name: str) -> None:
        subscription = self._active.pop(name, None)
        if subscription is not None:
            self.channel.unsubscribe(name, subscription)

    def _deliver(self, message: ReceivedMessage) -> None:
        if self.on_message is not None:
            self.on_message(message)
            return
        try:
            body = message.payload
        except PoisonError as exc:
            if self.on_decode_error is not None:
                self.on_decode_error(message, exc)
                return
            logger.error("a message of queue %r cannot be read: %s", message.queue, exc)
            if not message.acknowledged:
                message.reject_log_error(logger, reason=f"cannot be read: {exc}")
            return
        self.receive(body, message)

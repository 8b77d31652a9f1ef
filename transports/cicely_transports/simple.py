"""A queue as simple as ``queue.Queue``: put and get."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Self

from . import serialization
from .channel import channel_of
from .exchange import Exchange
from .inbox import LONGEST_WAIT, Subscription
from .producer import Producer
from .queue import Queue

if TYPE_CHECKING:
    from types import TracebackType

    from .channel import Channel, HasChannel
    from .inbox import Inbox
    from .received import ReceivedMessage


class SimpleQueue:
    """Messages out of one queue, in order, each to be acknowledged by its getter.

    ``name`` is a name or a Queue. A queue made by name has a direct exchange of the same name.
    Putting may be done from any thread, getting from one.
    """

    #: Raised by get() when there is nothing.
    Empty = queue.Empty

    #: Whether messages are settled before get() returns them.
    no_ack = False
    #: For queues and exchanges made by name.
    queue_opts: Mapping[str, Any] = {}
    exchange_opts: Mapping[str, Any] = {"type": "direct"}

    def __init__(
        self,
        channel: Channel | HasChannel,
        name: str | Queue,
        no_ack: bool | None = None,
        queue_opts: Mapping[str, Any] | None = None,
        queue_args: Mapping[str, Any] | None = None,
        exchange_opts: Mapping[str, Any] | None = None,
        serializer: str | None = None,
        compression: str | None = None,
        accept: Collection[str] | None = None,
    ) -> None:
        self.channel = channel_of(channel)
        if no_ack is not None:
            self.no_ack = no_ack
        if isinstance(name, Queue):
            described = name
        else:
            exchange = Exchange(name, **{**self.exchange_opts, **(exchange_opts or {})})
            options = {**self.queue_opts, **(queue_opts or {})}
            described = Queue(name, exchange, name, queue_arguments=queue_args, **options)
        self.queue = described.bind(self.channel)
        self.queue.declare()
        self.producer = Producer(
            self.channel,
            self.queue.exchange,
            # The default exchange routes by the queue's name, whatever key the queue is described with.
            self.queue.routing_key if self.queue.exchange.name else self.queue.name,
            serializer=serializer,
            compression=compression,
        )
        self._got: deque[ReceivedMessage] = deque()
        self._subscription = Subscription(
            self._got.append,
            no_ack=self.no_ack,
            accept=None if accept is None else serialization.content_types(accept),
            channel=self.channel,
        )
        self._inbox: Inbox | None = None

    def get(self, block: bool = True, timeout: float | None = None) -> ReceivedMessage:
        """The next message. Raises Empty after ``timeout`` seconds, or at once without ``block``.

        With a timeout of None it waits as long as it takes.
        """
        if not block:
            return self.get_nowait()
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            message = self._next(max(0.0, min(left, LONGEST_WAIT)))
            if message is not None:
                return message
            if deadline is not None and time.monotonic() >= deadline:
                raise self.Empty

    def get_nowait(self) -> ReceivedMessage:
        """The next message if there is one now. Raises Empty."""
        message = self._next(0.0)
        if message is None:
            raise self.Empty
        return message

    def put(
        self,
        message: Any,
        serializer: str | None = None,
        headers: Mapping[str, Any] | None = None,
        compression: str | None = None,
        routing_key: str | None = None,
        **options: Any,
    ) -> None:
        """Publish ``message``; ``options`` are those of :meth:`Producer.publish`."""
        self.producer.publish(
            message,
            routing_key=routing_key,
            serializer=serializer,
            headers=headers,
            compression=compression,
            **options,
        )

    def clear(self) -> int:
        """Drop the messages that nobody has in hand. Returns how many."""
        return self.queue.purge()

    def qsize(self) -> int:
        """How many messages can be had now."""
        return self.channel.transport.sizes([self.queue.name])[self.queue.name].ready

    def close(self) -> None:
        """Give back what was got and not settled. Repeating it is harmless."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            inbox.close()

    def __len__(self) -> int:
        return self.qsize()

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self, wait: float) -> ReceivedMessage | None:
        if self._inbox is None:
            self._inbox = self.channel.session.new_inbox()
            self._inbox.add(self.queue.name, self._subscription)
        self._inbox.drain(wait)
        return self._got.popleft() if self._got else None


class SimpleBuffer(SimpleQueue):
    """For messages that may be lost: transient, and settled before they are handed out."""

    no_ack = True
    queue_opts = {"durable": False}
    exchange_opts = {"type": "direct", "durable": False, "delivery_mode": "transient"}

"""One receiver shared by the consumers of a connection, and who gets which delivery."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from .claims import Claims
from .received import ReceivedMessage
from .spi import Delivery, Settlement, Verdict

if TYPE_CHECKING:
    from .spi import Receiver, Tag, Transport

#: What a consumer without a prefetch count holds before the credit is raised: it has no bound, but a
#: broker that pushes must not send everything at once.
FIRST_CREDIT = 64

#: Seconds of one wait, so that a timeout of None can be interrupted.
LONGEST_WAIT = 5.0


@dataclass(slots=True, eq=False)
class Subscription:
    """Who wants messages. ``prefetch``: how many unsettled ones at most, 0 for no bound."""

    deliver: Callable[[ReceivedMessage], None]
    no_ack: bool = False
    accept: Collection[str] | None = None
    prefetch: int = 0
    channel: object = None
    held: dict[Tag, ReceivedMessage] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether it must wait until something is settled."""
        return 0 < self.prefetch <= len(self.held)

    def end(self, tag: Tag, state: str) -> None:
        """A claim has ended."""
        message = self.held.pop(tag, None)
        if message is not None:
            message.mark_settled(state)


class Inbox:
    """Receives for subscriptions by queue. For one thread; messages may be settled from others."""

    def __init__(self, transport: Transport, *, lease: float) -> None:
        self._transport = transport
        self._lease = lease
        self._by_queue: defaultdict[str, deque[Subscription]] = defaultdict(deque)
        self._paused: set[str] = set()
        self._receiver: Receiver | None = None
        self._claims: Claims | None = None
        self._credit = FIRST_CREDIT

    def add(self, queue: str, subscription: Subscription) -> None:
        """Receive from ``queue`` for the subscription. Repeating it is harmless."""
        subscriptions = self._by_queue[queue]
        if subscription in subscriptions:
            return
        subscriptions.append(subscription)
        if self._receiver is None:
            self._receiver = self._transport.receiver([queue], credit=self._credit, lease=self._lease)
            self._claims = Claims(self._receiver, self._lease)
        else:
            self._receiver.add_queue(queue)
        self.set_credit()

    def remove(self, queue: str, subscription: Subscription) -> None:
        """No more messages of ``queue`` for the subscription; those it holds stay with it."""
        subscriptions = self._by_queue.get(queue)
        if subscriptions is None or subscription not in subscriptions:
            return
        subscriptions.remove(subscription)
        if not subscriptions:
            del self._by_queue[queue]
            self._paused.discard(queue)
            if self._receiver is not None:
                self._receiver.cancel_queue(queue)
        self.set_credit()

    def set_credit(self) -> None:
        """Ask for as many deliveries as all subscriptions together may hold."""
        subscriptions = self._subscriptions()
        if self._receiver is None or not subscriptions:
            return
        if all(subscription.prefetch for subscription in subscriptions):
            credit = sum(subscription.prefetch for subscription in subscriptions)
        else:
            credit = max(FIRST_CREDIT, 2 * sum(len(subscription.held) for subscription in subscriptions))
        if credit != self._credit:
            self._credit = credit
            self._receiver.set_credit(credit)

    def drain(self, timeout: float) -> bool:
        """Hand out one delivery. False if there was none for ``timeout`` seconds."""
        receiver = self._receiver
        if receiver is None:
            return False
        if self._claims is not None and len(self._claims) >= self._credit:
            self.set_credit()
        self._pause_and_resume(receiver)
        deliveries = receiver.receive(1, timeout)
        for delivery in deliveries:
            self._hand_out(delivery)
        return bool(deliveries)

    def give_back(self, subscription: Subscription) -> None:
        """Make what the subscription holds available to others."""
        if self._claims is not None:
            self._claims.give_back(list(subscription.held))

    def close(self) -> None:
        """Give back what is held and stop receiving."""
        if self._claims is not None:
            self._claims.close()
        if self._receiver is not None:
            self._receiver.close()
        self._by_queue.clear()
        self._receiver = self._claims = None

    def _hand_out(self, delivery: Delivery) -> None:
        claims, subscriptions = self._claims, self._by_queue.get(delivery.queue)
        if claims is None:
            return
        if not subscriptions:
            # Sent by the broker before it knew of the cancel: nobody has tried it.
            claims.settle(Settlement(delivery.tag, Verdict.RETURN, counted=False))
            return
        subscription = next((each for each in subscriptions if not each.full), subscriptions[0])
        subscriptions.rotate(-1 - subscriptions.index(subscription))
        message = ReceivedMessage(delivery, claims, accept=subscription.accept, channel=subscription.channel)
        if subscription.no_ack:
            message.ack()
        else:
            subscription.held[delivery.tag] = message
            claims.hold(delivery, partial(subscription.end, delivery.tag))
        subscription.deliver(message)

    def _pause_and_resume(self, receiver: Receiver) -> None:
        """Receive nothing from queues all of whose consumers are full. One consumer: the credit does it."""
        if len(self._subscriptions()) < 2 and not self._paused:
            return
        for queue, subscriptions in self._by_queue.items():
            full = all(subscription.full for subscription in subscriptions)
            if full and queue not in self._paused:
                self._paused.add(queue)
                receiver.cancel_queue(queue)
            elif not full and queue in self._paused:
                self._paused.discard(queue)
                receiver.add_queue(queue)

    def _subscriptions(self) -> set[Subscription]:
        return {each for subscriptions in self._by_queue.values() for each in subscriptions}

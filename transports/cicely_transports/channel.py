"""A channel: consumers and messages that end together, on the connection's session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .inbox import Subscription
    from .session import Session
    from .spi import Send, Transport
    from .topology import Topology


class HasChannel(Protocol):
    """What a connection is to those who need a channel."""

    @property
    def default_channel(self) -> Channel:
        """The channel for those who ask for none."""


def channel_of(source: Channel | HasChannel) -> Channel:
    """The channel itself, or the default one of a connection. Raises MisuseError for anything else."""
    if isinstance(source, Channel):
        return source
    channel = getattr(source, "default_channel", None)
    if not isinstance(channel, Channel):
        raise MisuseError(f"{source!r} is neither a channel nor a connection")
    return channel


class Channel:
    """Cheap: it has no counterpart on the broker. ``connection`` is whoever made it."""

    def __init__(self, session: Session, connection: HasChannel) -> None:
        self.session = session
        self.connection = connection
        self._subscriptions: dict[Subscription, set[str]] = {}

    @property
    def default_channel(self) -> Channel:
        """Itself: a channel may stand wherever a connection may."""
        return self

    @property
    def transport(self) -> Transport:
        """The transport of the SPI below."""
        return self.session.transport

    def publish(self, sends: Sequence[Send]) -> None:
        """Publish from the calling thread; returning means stored."""
        self.session.publish(sends)

    def declare(self, topology: Topology, *, once: bool = False) -> None:
        """Declare; with ``once`` only what was not declared on this connection before."""
        self.session.declare(topology, once=once)

    def subscribe(self, queue: str, subscription: Subscription) -> None:
        """Receive from ``queue`` whenever the connection drains events."""
        self.session.inbox.add(queue, subscription)
        self._subscriptions.setdefault(subscription, set()).add(queue)

    def unsubscribe(self, queue: str, subscription: Subscription) -> None:
        """Receive no more from ``queue``; unsettled messages stay with the subscription."""
        queues = self._subscriptions.get(subscription)
        if queues is not None and queue in queues:
            queues.discard(queue)
            self.session.inbox.remove(queue, subscription)

    def close(self) -> None:
        """End its subscriptions; their unsettled messages go back to their queues."""
        for subscription, queues in self._subscriptions.items():
            for queue in list(queues):
                self.session.inbox.remove(queue, subscription)
            self.session.inbox.give_back(subscription)
        self._subscriptions.clear()

"""What one connection has on its transport: senders, an inbox, and what it has declared."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .errors import ClosedError, RetryableError
from .inbox import Inbox
from .topology import Topology

if TYPE_CHECKING:
    from .spi import Send, Sender, Transport

#: Seconds that a delivery is ours unless renewed: what a crash delays its messages by.
DEFAULT_LEASE = 30.0


class Session:
    """Opened on first use. ``publish`` and ``declare`` may be called from any thread."""

    def __init__(self, open_transport: Callable[[], Transport], *, lease: float = DEFAULT_LEASE) -> None:
        self._open = open_transport
        self._lease = lease
        self._transport: Transport | None = None
        self._lock = threading.Lock()
        self._senders = threading.local()
        self._declared: set[str] = set()
        self._inbox: Inbox | None = None
        self._inboxes: weakref.WeakSet[Inbox] = weakref.WeakSet()
        self._closed = False

    @property
    def transport(self) -> Transport:
        """The transport, made now if it was not yet. Raises ClosedError."""
        with self._lock:
            if self._closed:
                raise ClosedError("this connection was closed before")
            if self._transport is None:
                self._transport = self._open()
            return self._transport

    @property
    def is_open(self) -> bool:
        """Whether the transport was made and is not closed."""
        return self._transport is not None

    @property
    def inbox(self) -> Inbox:
        """The inbox that all consumers of the connection share."""
        if self._inbox is None:
            self._inbox = self.new_inbox()
        return self._inbox

    def new_inbox(self) -> Inbox:
        """Another inbox, for one user and one thread. It is closed with the session."""
        inbox = Inbox(self.transport, lease=self._lease)
        self._inboxes.add(inbox)
        return inbox

    def publish(self, sends: Sequence[Send]) -> None:
        """Publish with the sender of the calling thread. Raises what Sender.publish raises."""
        sender: Sender | None = getattr(self._senders, "sender", None)
        if sender is None:
            sender = self._senders.sender = self.transport.sender()
        try:
            sender.publish(sends)
        except RetryableError:
            # The broker may have lost what is not durable: declare it again before the next attempt.
            self._declared.clear()
            raise

    def declare(self, topology: Topology, *, once: bool = False) -> None:
        """Declare; with ``once`` only what this session has not declared before."""
        if once:
            topology = Topology(
                [spec for spec in topology.exchanges if repr(spec) not in self._declared],
                [spec for spec in topology.queues if repr(spec) not in self._declared],
                [spec for spec in topology.bindings if repr(spec) not in self._declared],
            )
        specs = (*topology.exchanges, *topology.queues, *topology.bindings)
        if specs:
            self.transport.declare(topology)
            self._declared.update(map(repr, specs))

    def forget_declared(self) -> None:
        """Something was deleted: declare everything again when it is asked for."""
        self._declared.clear()

    def close(self) -> None:
        """Give back what is held and close the transport. Repeating it is harmless."""
        with self._lock:
            transport, self._transport, self._closed = self._transport, None, True
        for inbox in list(self._inboxes):
            inbox.close()
        self._inbox = None
        if transport is not None:
            transport.close()

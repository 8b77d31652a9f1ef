"""The rig: one broker under test, with short words for what every test does."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Self

from cicely_transports.errors import TransportError
from cicely_transports.message import Message, Properties
from cicely_transports.spi import (
    Capabilities,
    Delivery,
    QueueSize,
    Receiver,
    Send,
    Settlement,
    Tag,
    Transport,
    Verdict,
)
from cicely_transports.topology import BindingSpec, ExchangeSpec, ExchangeType, QueueSpec, Topology

OpenTransport = Callable[[], Transport]

#: Longer than any test: claims of tests that are not about leases.
LONG_LEASE = 60.0


class Rig:
    """Opens transports on the broker under test, names queues of its own, waits with deadlines.

    ``patience``: seconds after which something that must come counts as lost. ``quiet``: seconds for
    which a receive must stay empty to count as empty. Leaving the context deletes what it declared
    and closes what it opened.
    """

    def __init__(self, open_transport: OpenTransport, *, patience: float, quiet: float) -> None:
        self.patience = patience
        self.quiet = quiet
        self._open = open_transport
        self._opened: list[Transport] = []
        self._stamp = uuid.uuid4().hex[:8]
        self._numbers = itertools.count(1)
        self._queues: list[str] = []
        self._exchanges: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(TransportError):
            self._open_and_delete()
        for transport in self._opened:
            with suppress(TransportError):
                transport.close()

    def _open_and_delete(self) -> None:
        cleaner = self.open()
        cleaner.delete(queues=self._queues, exchanges=self._exchanges)

    @property
    def transport(self) -> Transport:
        """The first transport object; :meth:`open` makes others."""
        return self._opened[0] if self._opened else self.open()

    @property
    def capabilities(self) -> Capabilities:
        """What the transport under test promises."""
        return self.transport.capabilities

    def open(self) -> Transport:
        """One more transport object on the same broker, closed at the end."""
        transport = self._open()
        self._opened.append(transport)
        return transport

    def name(self, kind: str) -> str:
        """A name that no other test uses."""
        return f"kit-{self._stamp}-{kind}{next(self._numbers)}"

    def own(self, *, queues: Sequence[str] = (), exchanges: Sequence[str] = ()) -> None:
        """Remember names that a test made itself, to delete them at the end."""
        self._queues.extend(queues)
        self._exchanges.extend(exchanges)

    def queue(self, *, name: str | None = None, **options: Any) -> str:
        """A declared queue; ``options`` are fields of QueueSpec."""
        name = name or self.name("queue")
        self.own(queues=[name])
        self.transport.declare(Topology(queues=[QueueSpec(name, **options)]))
        return name

    def exchange(self, kind: ExchangeType) -> str:
        """A declared exchange."""
        name = self.name(kind)
        self.own(exchanges=[name])
        self.transport.declare(Topology(exchanges=[ExchangeSpec(name, kind)]))
        return name

    def bind(self, exchange: str, queue: str, key: str = "", **arguments: Any) -> BindingSpec:
        """A declared binding."""
        binding = BindingSpec(exchange, queue, key, arguments)
        self.transport.declare(Topology(bindings=[binding]))
        return binding

    def send(
        self,
        queue: str,
        *bodies: bytes,
        priority: int = 0,
        not_before: float | None = None,
        expires_at: float | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Publish bodies to a queue in one batch."""
        properties = Properties(priority=priority)
        sends = [
            Send(Message(body, properties=properties), queue, not_before=not_before, expires_at=expires_at)
            for body in bodies
        ]
        self.publish(sends, transport=transport)

    def publish(self, sends: Sequence[Send], *, transport: Transport | None = None) -> None:
        """Publish one batch by a sender of its own."""
        sender = (transport or self.transport).sender()
        sender.publish(sends)
        sender.close()

    def receiver(
        self,
        *queues: str,
        lease: float = LONG_LEASE,
        credit: int = 10_000,
        transport: Transport | None = None,
    ) -> Receiver:
        """A receiver with a lease that outlasts the test."""
        return (transport or self.transport).receiver(queues, credit=credit, lease=lease)

    def take(
        self, receiver: Receiver, count: int, *, limit: int | None = None, poll: float | None = None
    ) -> list[Delivery]:
        """Exactly ``count`` deliveries, in the order in which they come; fails when they do not come.

        At most ``limit`` a receive. With ``poll`` it asks anew that often (seconds) instead of waiting.
        """
        taken: list[Delivery] = []
        deadline = time.monotonic() + self.patience
        while len(taken) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(
                    f"only {len(taken)} of {count} messages came within {self.patience:g} s: "
                    f"{[delivery.message.body[:40] for delivery in taken]}"
                )
            taken += receiver.receive(min(limit or count, count - len(taken)), min(left, poll or left))
        assert len(taken) == count, f"receive gave {len(taken)} messages where {count} were the limit"
        return taken

    def take_one(self, receiver: Receiver) -> Delivery:
        """The next delivery."""
        return self.take(receiver, 1)[0]

    def nothing(self, receiver: Receiver, wait: float | None = None) -> None:
        """Fail if ``receiver`` gets anything within ``wait`` seconds (None: the quiet time)."""
        got = receiver.receive(100, self.quiet if wait is None else wait)
        assert not got, f"nothing was to come, but {[delivery.message.body[:40] for delivery in got]} did"

    def drain(self, *queues: str, transport: Transport | None = None) -> list[bytes]:
        """Settle and return what is available now, until the queues stay quiet."""
        receiver = self.receiver(*queues, transport=transport)
        bodies: list[bytes] = []
        while got := receiver.receive(500, self.quiet):
            bodies += [delivery.message.body for delivery in got]
            assert receiver.settle([done(delivery) for delivery in got]) == []
        receiver.close()
        return bodies

    def size(self, queue: str, *, transport: Transport | None = None) -> QueueSize:
        """The size of one queue."""
        return (transport or self.transport).sizes([queue])[queue]

    def eventually(self, check: Callable[[], bool], what: str) -> None:
        """Poll until ``check`` holds; fail, saying ``what`` was to happen, when patience is over."""
        pause = threading.Event()
        deadline = time.monotonic() + self.patience
        while not check():
            assert time.monotonic() < deadline, f"not within {self.patience:g} s: {what}"
            pause.wait(0.01)


def done(delivery: Delivery) -> Settlement:
    """The settlement that ends a delivery well."""
    return Settlement(delivery.tag, Verdict.DONE)


def give_back(delivery: Delivery, *, not_before: float | None = None, counted: bool = True) -> Settlement:
    """The settlement that returns a delivery."""
    return Settlement(delivery.tag, Verdict.RETURN, not_before=not_before, counted=counted)


def bury(delivery: Delivery, reason: str | None = "tried enough") -> Settlement:
    """The settlement that dead-letters a delivery."""
    return Settlement(delivery.tag, Verdict.DEAD, reason=reason)


def bodies(deliveries: Iterable[Delivery]) -> list[bytes]:
    """The bodies in order."""
    return [delivery.message.body for delivery in deliveries]


def tags(deliveries: Iterable[Delivery]) -> list[Tag]:
    """The tags in order."""
    return [delivery.tag for delivery in deliveries]

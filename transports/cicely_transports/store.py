"""The store SPI: eight verbs and a hint, for brokers that are really a table, a hash or a folder.

:class:`~cicely_transports.store_transport.StoreTransport` turns any store into a full transport:
exchanges, fan-out, leases, delays, dead letters. One timestamp does most of it: a stored message is
available when ``visible_at <= now``, so a publish delay, a lease, its renewal, a retry and the
recovery after a crash are all writes of that one field.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from .message import Message
from .spi import Capabilities, DeadLetter, Delivery, QueueSize, Settlement, Tag
from .topology import BindingSpec, ExchangeSpec


@dataclass(frozen=True, slots=True)
class Row:
    """One message for one queue, already routed."""

    queue: str
    message: Message
    visible_at: float
    expires_at: float | None = None
    exchange: str = ""
    routing_key: str = ""


@dataclass(frozen=True, slots=True)
class BoundQueue:
    """A binding as the store keeps it. It lapses at ``lapses_at`` unless bound again (None: never)."""

    binding: BindingSpec
    lapses_at: float | None = None


@dataclass(frozen=True, slots=True)
class Bindings:
    """What a publisher needs for routing. ``version`` changes whenever the content does."""

    version: int
    exchanges: Sequence[ExchangeSpec] = field(default_factory=tuple)
    bound: Sequence[BoundQueue] = field(default_factory=tuple)


class Store(ABC):
    """Durable rows with one visibility timestamp each. Safe to call from several threads.

    ``now`` is passed in everywhere, so that a test can own the clock. A tag returned by
    :meth:`claim` must identify the claim (row and claim token), so that the verbs below refuse it
    once another claim on the same row exists.
    """

    #: What the transport built on this store promises.
    capabilities: Capabilities

    @abstractmethod
    def insert(self, rows: Sequence[Row]) -> None:
        """Store all rows or none. Raises StorageFull, OperationalError."""

    @abstractmethod
    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        """Take up to ``limit`` rows with ``visible_at <= now``: hide them until ``until``, count the claim.

        In each queue the highest priority first, then the earliest ``visible_at``, then insertion;
        queues in the order given. Rows past ``expires_at`` are dropped instead. At most ``suspects``
        rows (None: no bound) that were claimed before.
        """

    @abstractmethod
    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        """End claims in one step (see Receiver.settle). Returns the tags whose claim no longer holds."""

    @abstractmethod
    def renew(self, tags: Sequence[Tag], *, until: float) -> list[Tag]:
        """Move ``visible_at`` of claims to ``until``. Returns the tags whose claim no longer holds."""

    @abstractmethod
    def bind(self, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> None:
        """Add or renew exchanges and bindings, and so the queues they name. Raises TopologyConflict."""

    @abstractmethod
    def unbind(
        self,
        *,
        bindings: Sequence[BindingSpec] = (),
        queues: Sequence[str] = (),
        exchanges: Sequence[str] = (),
    ) -> None:
        """Remove bindings; remove queues with their rows and dead letters; remove exchanges."""

    @abstractmethod
    def bindings(self) -> Bindings:
        """Exchanges and bindings of all processes. Called for every publish batch: must be cheap
        (compare a version) when nothing changed.
        """

    @abstractmethod
    def sizes(self, *, now: float) -> dict[str, QueueSize]:
        """Every known queue with its size."""

    @abstractmethod
    def purge(self, queue: str, *, now: float) -> int:
        """Drop the rows of ``queue`` that are not claimed. Returns how many."""

    @abstractmethod
    def dead(self, queue: str, *, limit: int | None, ids: Sequence[str] | None) -> list[DeadLetter]:
        """Dead letters, oldest first."""

    @abstractmethod
    def exhume(self, queue: str, ids: Sequence[str] | None, *, revive: bool, now: float) -> int:
        """Move dead letters (None: all) back into the queue, or drop them. Returns how many."""

    @abstractmethod
    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """The hint: return when something may have been inserted, at the latest after ``timeout``.

        Returning early or for nothing is allowed; not returning in time is not. What was inserted
        since this thread's last wait counts, or a row that came between claim and wait would be
        missed. A store that can tell also returns when a delay or a lease ends: for one that cannot,
        receivers look again every second.
        """

    @abstractmethod
    def wake(self) -> None:
        """Make every :meth:`wait` of this store object return at once."""

    @abstractmethod
    def close(self) -> None:
        """Release what the store holds."""

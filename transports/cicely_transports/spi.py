"""The transport SPI: what a broker driver implements and everything above it uses.

Shape of the contract
    * Sequences in, lists out: every verb takes and gives many, and costs one round trip for the batch.
    * Times are UTC epoch seconds (float); durations are seconds. Tags are opaque and hashable.
    * A tag names one *claim* on a message, not the message: when the lease of a claim has run out and
      somebody else has claimed the message, the old tag is refused everywhere (fencing).
    * Every call that waits for a network is bounded, by its argument or by the transport's timeouts.
    * A :class:`Sender` or :class:`Receiver` belongs to one thread, except that ``settle``, ``extend``,
      ``wakeup`` and ``close`` may be called from a second thread while the first sits in ``receive``.
    * Nothing here survives a fork: use in a child raises :class:`~cicely_transports.errors.ForkMisuse`.

``docs/transport-author.md`` is the guide, ``cicely_transports.testing`` the conformance kit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Self

from .message import Message

if TYPE_CHECKING:
    from .topology import BindingSpec, Topology
    from .url import BrokerURL

Tag = Hashable


@dataclass(frozen=True, slots=True)
class Send:
    """One message to publish. With ``exchange=""`` the routing key is the queue's name.

    ``not_before``: the broker holds it back until then. ``expires_at``: the broker may drop it from
    then on. ``mandatory``: no matching queue is :class:`~cicely_transports.errors.Unroutable`, not silence.
    """

    message: Message
    routing_key: str
    exchange: str = ""
    not_before: float | None = None
    expires_at: float | None = None
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message lent to a consumer. ``attempt`` is 1 for the first claim and counted by the transport;
    ``leased_until`` is None where the connection itself is the lease (AMQP).
    """

    tag: Tag
    queue: str
    message: Message
    attempt: int
    leased_until: float | None
    exchange: str = ""
    routing_key: str = ""


class Verdict(Enum):
    """What becomes of a delivery."""

    DONE = "done"
    RETURN = "return"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one claim.

    RETURN makes the message available again, next in line, or at ``not_before``. With
    ``counted=False`` the claim is taken off the delivery count: nothing was tried.
    DEAD moves it to the dead letters of its queue together with ``reason``.
    """

    tag: Tag
    verdict: Verdict
    not_before: float | None = None
    counted: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class QueueSize:
    """How many messages a queue holds, by what keeps them: nothing, a claim, a delay, or death."""

    ready: int = 0
    leased: int = 0
    delayed: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up. ``id`` is unique within its queue."""

    id: str
    queue: str
    message: Message
    attempt: int
    reason: str
    died_at: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Promises. The worker reads them to choose its ways, the conformance kit to choose its tests.

    ``lease``: "timed" deliveries carry a deadline that ``extend`` moves, "connection" ones are held
    until settled or disconnected. ``max_delay``, ``max_body``, ``max_batch``: seconds, bytes, messages;
    None is no limit. ``implicit_queues``: publishing to the default exchange makes the queue.
    ``bounds_suspects``: ``receive`` honours its ``suspects`` argument exactly. ``shared_topology``:
    bindings made in one process route for publishers of every process. ``atomic_return``: a RETURN
    with a delay is one step. ``queue_options``: fields of QueueSpec that are honoured.
    """

    durable: bool = False
    cross_process: bool = False
    priorities: bool = True
    exchange_types: frozenset[str] = frozenset({"direct", "topic", "fanout", "headers"})
    max_delay: float | None = None
    max_body: int | None = None
    max_batch: int | None = None
    lease: Literal["timed", "connection"] = "timed"
    shared_topology: bool = True
    implicit_queues: bool = True
    atomic_return: bool = True
    bounds_suspects: bool = True
    queue_options: frozenset[str] = field(default=frozenset({"expires", "message_ttl", "max_priority"}))


class Sender(ABC):
    """Publishes from one thread."""

    @abstractmethod
    def publish(self, sends: Sequence[Send]) -> None:
        """Store the messages. Returning means that each is durable (as far as the transport is).

        Raises PartialPublish with those that are not known to be stored, Unroutable before anything
        of the batch is stored where the transport can tell, PublishTimeout within the transport's
        ``publish_timeout``, StorageFull, NotSupported (delay or body over the capabilities).
        """

    @abstractmethod
    def close(self) -> None:
        """Release what the sender holds. Repeating it is harmless."""


class Receiver(ABC):
    """Claims messages of some queues and settles them."""

    @abstractmethod
    def receive(self, limit: int, wait: float, *, suspects: int | None = None) -> list[Delivery]:
        """Claim up to ``limit`` messages; if there are none, wait up to ``wait`` seconds for the first.

        Priority first, then age, queues in rotation. At most ``suspects`` of them (None: any number)
        have been delivered before: a worker asks for as many as it can start at once, so that a message
        which kills its worker does not spend the delivery counts of the innocent ones beside it.
        Returns an empty list on timeout or :meth:`wakeup`. A claim that cannot be handed out is
        undone or runs out by itself: an abandoned wait never loses a message.
        """

    @abstractmethod
    def settle(self, items: Sequence[Settlement]) -> list[Tag]:
        """End claims. Returns the tags that were refused because their claim no longer holds.

        Settling a tag twice, or an unknown one, refuses it. Durable on return.
        """

    @abstractmethod
    def extend(self, tags: Sequence[Tag], lease: float) -> list[Tag]:
        """Hold claims for ``lease`` seconds from now. Returns the tags whose claim is lost."""

    @abstractmethod
    def add_queue(self, queue: str) -> None:
        """Also receive from ``queue``."""

    @abstractmethod
    def cancel_queue(self, queue: str) -> None:
        """Receive no more from ``queue``; its unsettled deliveries stay claimed."""

    @abstractmethod
    def set_credit(self, credit: int) -> None:
        """How many unsettled deliveries this receiver wants to hold at most (0 pauses it)."""

    @abstractmethod
    def wakeup(self) -> None:
        """Make a :meth:`receive` that waits in another thread return at once."""

    @abstractmethod
    def close(self) -> None:
        """Stop receiving. Claims that were not settled come back when their lease runs out."""


class Transport(ABC):
    """One broker. Cheap to make: connects on first use, and again after a failure."""

    #: Names of the query-string options that :meth:`from_url` understands, with a line of explanation.
    options: Mapping[str, str] = {}

    @classmethod
    @abstractmethod
    def from_url(cls, url: BrokerURL, options: Mapping[str, Any]) -> Self:
        """Make a transport; ``options`` are those of the URL's query joined with the caller's.

        Raises InvalidURL, naming the near option, for one that is not in :attr:`options`.
        """

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this transport promises."""

    @abstractmethod
    def declare(self, topology: Topology) -> None:
        """Make exchanges, queues and bindings that are missing. Raises TopologyConflict, NotSupported."""

    @abstractmethod
    def unbind(self, bindings: Sequence[BindingSpec]) -> None:
        """Remove bindings; those that do not exist are fine."""

    @abstractmethod
    def delete(self, *, queues: Sequence[str] = (), exchanges: Sequence[str] = ()) -> None:
        """Remove queues with everything in them, dead letters too, and exchanges, with their bindings."""

    @abstractmethod
    def sender(self) -> Sender:
        """A new sender for the calling thread."""

    @abstractmethod
    def receiver(self, queues: Sequence[str], *, credit: int, lease: float) -> Receiver:
        """A new receiver whose claims last ``lease`` seconds unless extended."""

    @abstractmethod
    def queues(self) -> list[str]:
        """Names of the queues that the broker knows, sorted."""

    @abstractmethod
    def sizes(self, queues: Sequence[str]) -> dict[str, QueueSize]:
        """Sizes by name; a queue that does not exist has size zero."""

    @abstractmethod
    def purge(self, queue: str) -> int:
        """Drop what is ready or delayed; claimed messages and dead letters stay. Returns how many."""

    @abstractmethod
    def dead_letters(
        self, queue: str, *, limit: int = 100, ids: Sequence[str] | None = None
    ) -> list[DeadLetter]:
        """The oldest dead letters of ``queue``, or those with the given ids."""

    @abstractmethod
    def requeue_dead(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Make dead letters (None: all) ready again, with a delivery count of zero. Returns how many."""

    @abstractmethod
    def purge_dead(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Drop dead letters (None: all). Returns how many."""

    @abstractmethod
    def close(self) -> None:
        """Release everything, senders and receivers too. Repeating it is harmless."""

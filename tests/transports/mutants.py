"""Deliberately broken stores and transports for the conformance kit to catch; see test_kit_mutants.py.

Each is whole but for one lie. Its name does not begin with ``test_``, so that a plain run of
pytest does not collect the failures.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from cicely_transports.errors import ForkMisuse
from cicely_transports.memory import MemoryStore
from cicely_transports.message import Message
from cicely_transports.spi import DeadLetter, Delivery, QueueSize, Settlement, Tag, Verdict
from cicely_transports.store import Bindings, BoundQueue, Row, Store
from cicely_transports.store_transport import StoreTransport
from cicely_transports.testing import OpenTransport, Rig, TransportConformance
from cicely_transports.testing.rig import done
from cicely_transports.testing.themes.base import Theme
from cicely_transports.testing.themes.batches import BatchTheme
from cicely_transports.testing.themes.burials import BurialTheme
from cicely_transports.testing.themes.counting import CountingTheme
from cicely_transports.testing.themes.crowd import CrowdTheme
from cicely_transports.testing.themes.delays import DelayTheme
from cicely_transports.testing.themes.delivery import DeliveryTheme
from cicely_transports.testing.themes.leases import LeaseTheme
from cicely_transports.testing.themes.misuse import MisuseTheme
from cicely_transports.testing.themes.ordering import OrderingTheme
from cicely_transports.testing.themes.routing import RoutingTheme
from cicely_transports.testing.themes.settling import SettlingTheme
from cicely_transports.testing.themes.upkeep import UpkeepTheme
from cicely_transports.testing.themes.waiting import WaitingTheme
from cicely_transports.topology import BindingSpec, ExchangeSpec


@dataclass
class Shared:
    """What the transports of one test have in common."""

    inner: MemoryStore = field(default_factory=MemoryStore)
    owners: dict[tuple[str, bytes], Tag] = field(default_factory=dict)
    claims: dict[Tag, tuple[str, bytes]] = field(default_factory=dict)
    revived: set[bytes] = field(default_factory=set)
    delivered: int = 0


class Honest(Store):
    """Passes every verb on to a memory store."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.inner = shared.inner
        self.capabilities = shared.inner.capabilities

    def insert(self, rows: Sequence[Row]) -> None:
        self.inner.insert(rows)

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        return self.inner.claim(queues, limit, now=now, until=until, suspects=suspects)

    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        return self.inner.settle(items, now=now)

    def renew(self, tags: Sequence[Tag], *, until: float) -> list[Tag]:
        return self.inner.renew(tags, until=until)

    def bind(self, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> None:
        self.inner.bind(exchanges, bound)

    def unbind(
        self,
        *,
        bindings: Sequence[BindingSpec] = (),
        queues: Sequence[str] = (),
        exchanges: Sequence[str] = (),
    ) -> None:
        self.inner.unbind(bindings=bindings, queues=queues, exchanges=exchanges)

    def bindings(self) -> Bindings:
        return self.inner.bindings()

    def sizes(self, *, now: float) -> dict[str, QueueSize]:
        return self.inner.sizes(now=now)

    def purge(self, queue: str, *, now: float) -> int:
        return self.inner.purge(queue, now=now)

    def dead(self, queue: str, *, limit: int | None, ids: Sequence[str] | None) -> list[DeadLetter]:
        return self.inner.dead(queue, limit=limit, ids=ids)

    def exhume(self, queue: str, ids: Sequence[str] | None, *, revive: bool, now: float) -> int:
        return self.inner.exhume(queue, ids, revive=revive, now=now)

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        self.inner.wait(queues, timeout)

    def wake(self) -> None:
        self.inner.wake()

    def close(self) -> None:
        """The memory store is shared: it ends with the test."""


class LosesReturned(Honest):
    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        lost = [
            replace(item, verdict=Verdict.DONE) if item.verdict is Verdict.RETURN else item for item in items
        ]
        return self.inner.settle(lost, now=now)


class ReturnsToTheBack(Honest):
    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        return self.inner.settle(
            [replace(item, not_before=item.not_before or now + 0.01) for item in items], now=now
        )


class AcceptsTwice(Honest):
    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        self.inner.settle(items, now=now)
        return []


class ForgetsToCount(Honest):
    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed = self.inner.claim(queues, limit, now=now, until=until, suspects=suspects)
        return [replace(delivery, attempt=1) for delivery in claimed]


class IgnoresSuspects(Honest):
    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        return self.inner.claim(queues, limit, now=now, until=until, suspects=None)


class CountsUncounted(Honest):
    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        return self.inner.settle([replace(item, counted=True) for item in items], now=now)


class IgnoresFencing(Honest):
    """A late settlement ends the claim of the message's present owner."""

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed = self.inner.claim(queues, limit, now=now, until=until, suspects=suspects)
        for delivery in claimed:
            self.shared.claims[delivery.tag] = (delivery.queue, delivery.message.body)
            self.shared.owners[self.shared.claims[delivery.tag]] = delivery.tag
        return claimed

    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        stolen = [replace(item, tag=self.shared.owners[self.shared.claims[item.tag]]) for item in items]
        return self.inner.settle(stolen, now=now)


class IgnoresRenewal(Honest):
    def renew(self, tags: Sequence[Tag], *, until: float) -> list[Tag]:
        return []


class NeverLapses(Honest):
    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed = self.inner.claim(queues, limit, now=now, until=until + 3600, suspects=suspects)
        return [replace(delivery, leased_until=until) for delivery in claimed]


class DeliversEarly(Honest):
    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        return self.inner.claim(queues, limit, now=now + 0.2, until=until, suspects=suspects)


class ServesLowPriorityFirst(Honest):
    def turned(self, message: Message) -> Message:
        properties = replace(message.properties, priority=9 - message.properties.priority)
        return replace(message, properties=properties)

    def insert(self, rows: Sequence[Row]) -> None:
        self.inner.insert([replace(row, message=self.turned(row.message)) for row in rows])

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed = self.inner.claim(queues, limit, now=now, until=until, suspects=suspects)
        return [replace(delivery, message=self.turned(delivery.message)) for delivery in claimed]


class DropsLastOfBatch(Honest):
    def insert(self, rows: Sequence[Row]) -> None:
        self.inner.insert(rows[: max(1, len(rows) - 1)])


class ManglesBodies(Honest):
    def insert(self, rows: Sequence[Row]) -> None:
        decoded = [row.message.body.decode(errors="replace").encode() for row in rows]
        pairs = zip(rows, decoded, strict=True)
        self.inner.insert([replace(row, message=replace(row.message, body=body)) for row, body in pairs])


class DoublesRouted(Honest):
    def insert(self, rows: Sequence[Row]) -> None:
        self.inner.insert([*rows, *(row for row in rows if row.exchange)])


class NeverUnbinds(Honest):
    def unbind(
        self,
        *,
        bindings: Sequence[BindingSpec] = (),
        queues: Sequence[str] = (),
        exchanges: Sequence[str] = (),
    ) -> None:
        self.inner.unbind(queues=queues, exchanges=exchanges)


class RemembersOldBindings(Honest):
    seen: Bindings | None = None

    def bindings(self) -> Bindings:
        self.seen = self.seen or self.inner.bindings()
        return self.seen


class PurgesClaimed(Honest):
    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed = self.inner.claim(queues, limit, now=now, until=until, suspects=suspects)
        self.shared.claims |= {d.tag: (d.queue, d.message.body) for d in claimed}
        return claimed

    def purge(self, queue: str, *, now: float) -> int:
        purged = [tag for tag, (place, _) in self.shared.claims.items() if place == queue]
        self.inner.settle([Settlement(tag, Verdict.DONE) for tag in purged], now=now)
        return self.inner.purge(queue, now=now)


class CountsLeasedAsReady(Honest):
    def sizes(self, *, now: float) -> dict[str, QueueSize]:
        sizes = self.inner.sizes(now=now)
        return {
            queue: replace(size, ready=size.ready + size.leased, leased=0) for queue, size in sizes.items()
        }


class KeepsTheCountOfTheDead(Honest):
    """A requeued message goes on where it stopped."""

    def exhume(self, queue: str, ids: Sequence[str] | None, *, revive: bool, now: float) -> int:
        if revive:
            self.shared.revived |= {
                letter.message.body for letter in self.inner.dead(queue, limit=None, ids=ids)
            }
        return self.inner.exhume(queue, ids, revive=revive, now=now)

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed = self.inner.claim(queues, limit, now=now, until=until, suspects=suspects)
        return [replace(d, attempt=d.attempt + (d.message.body in self.shared.revived)) for d in claimed]


class ForgetsTheReason(Honest):
    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        return self.inner.settle([replace(item, reason=None) for item in items], now=now)


class SleepsThroughWakeups(Honest):
    def wait(self, queues: Sequence[str], timeout: float) -> None:
        threading.Event().wait(timeout)


class DeliversSomeTwice(Honest):
    """Two consumers that ask at the same moment sometimes get the same message."""

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed = self.inner.claim(queues, limit, now=now, until=until, suspects=suspects)
        self.shared.delivered += len(claimed)
        if claimed and len(claimed) < limit and self.shared.delivered > 100:
            self.shared.delivered = 0
            claimed.append(replace(claimed[0], tag=object()))
        return claimed


class NeverCloses(StoreTransport):
    def close(self) -> None:
        """Forgotten."""


class SuffersForks(StoreTransport):
    """Pretends to work in a forked child, where its connections are the parent's."""

    def sizes(self, queues: Sequence[str]) -> dict[str, QueueSize]:
        try:
            return super().sizes(queues)
        except ForkMisuse:
            return {}


class MutantRun(Theme):
    """Runs themes against a broken store or transport, with little patience."""

    store: type[Honest] = Honest
    transport: type[StoreTransport] = StoreTransport
    patience = 2.0
    crowd_patience = 4.0

    @pytest.fixture
    def open_transport(self) -> OpenTransport:
        shared = Shared()
        return lambda: self.transport(self.store(shared))

    def test_is_alive(self, rig: Rig) -> None:
        """Broken in one way only: the simplest thing works."""
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        delivery = rig.take_one(receiver)
        assert delivery.message.body == b"one"
        assert receiver.settle([done(delivery)]) == []


@dataclass(frozen=True)
class Mutant:
    """A broken class, the theme that must catch it, and the test in it that says why."""

    broken: type[Honest | StoreTransport]
    theme: type[Theme]
    telltale: str

    @property
    def name(self) -> str:
        return f"Test{self.broken.__name__}"


MUTANTS = (
    Mutant(LosesReturned, SettlingTheme, "test_returned_is_next_in_line"),
    Mutant(ReturnsToTheBack, SettlingTheme, "test_returned_is_next_in_line"),
    Mutant(AcceptsTwice, SettlingTheme, "test_second_settlement_is_refused"),
    Mutant(ForgetsToCount, CountingTheme, "test_returns_are_counted"),
    Mutant(IgnoresSuspects, CountingTheme, "test_suspects_are_bounded"),
    Mutant(CountsUncounted, CountingTheme, "test_uncounted_return_is_taken_off"),
    Mutant(IgnoresFencing, LeaseTheme, "test_late_settlement_is_refused"),
    Mutant(IgnoresRenewal, LeaseTheme, "test_renewed_claim_is_kept"),
    Mutant(NeverLapses, LeaseTheme, "test_abandoned_claim_comes_back"),
    Mutant(DeliversEarly, DelayTheme, "test_delayed_is_neither_early_nor_late"),
    Mutant(ServesLowPriorityFirst, OrderingTheme, "test_priorities_in_one_receive"),
    Mutant(DropsLastOfBatch, BatchTheme, "test_more_than_one_batch_goes_in_and_comes_out"),
    Mutant(ManglesBodies, DeliveryTheme, "test_body"),
    Mutant(DoublesRouted, RoutingTheme, "test_routes"),
    Mutant(NeverUnbinds, RoutingTheme, "test_unbound_queue_gets_no_more"),
    Mutant(RemembersOldBindings, RoutingTheme, "test_topology_of_one_object_routes_for_another"),
    Mutant(PurgesClaimed, UpkeepTheme, "test_purge_keeps_what_is_claimed_or_dead"),
    Mutant(CountsLeasedAsReady, UpkeepTheme, "test_sizes_follow_a_message"),
    Mutant(KeepsTheCountOfTheDead, BurialTheme, "test_requeued_starts_from_zero"),
    Mutant(ForgetsTheReason, BurialTheme, "test_letter_keeps_everything"),
    Mutant(SleepsThroughWakeups, WaitingTheme, "test_wakeup_ends_the_wait"),
    Mutant(DeliversSomeTwice, CrowdTheme, "test_threads_lose_and_double_nothing"),
    Mutant(NeverCloses, MisuseTheme, "test_closed_transport"),
    Mutant(SuffersForks, MisuseTheme, "test_use_in_a_forked_child_is_refused"),
)

for mutant in MUTANTS:
    role = "store" if issubclass(mutant.broken, Honest) else "transport"
    globals()[mutant.name] = type(mutant.name, (MutantRun, mutant.theme), {role: mutant.broken})


class TestHonest(MutantRun, TransportConformance):
    """The wrapper itself is no mutant."""

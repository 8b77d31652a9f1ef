"""Receiving from a store: credit, rotation, waiting without spinning, threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from stores import Clock, bodies, done, publish, send, until

from cicely_transports.errors import ClosedError, MisuseError
from cicely_transports.memory import MemoryStore
from cicely_transports.spi import Delivery, Settlement, Verdict
from cicely_transports.store_receiver import StoreReceiver
from cicely_transports.store_transport import StoreTransport


class CountingStore(MemoryStore):
    """Counts claims, and tells when somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = 0
        self.waiting = threading.Event()

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        self.claims += 1
        return super().claim(queues, limit, now=now, until=until, suspects=suspects)

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        self.waiting.set()
        super().wait(queues, timeout)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def transport(store: CountingStore) -> StoreTransport:
    return StoreTransport(store)


def test_queues_take_turns(transport: StoreTransport) -> None:
    publish(transport, *[send(queue.encode(), queue) for queue in "abc" for _ in range(10)])
    receiver = transport.receiver("abc", credit=100, lease=30)
    taken = [bodies(receiver.receive(2, 0)) for _ in range(4)]
    assert taken == [
        [b"a"] * 2,
        [b"b"] * 2,
        [b"c"] * 2,
        [b"a"] * 2,
    ]


def test_batch_over_several_queues_starts_behind_the_last(transport: StoreTransport) -> None:
    publish(transport, *[send(queue.encode(), queue) for queue in "aabbcc"])
    receiver = transport.receiver("abc", credit=100, lease=30)
    assert bodies(receiver.receive(3, 0)) == [b"a", b"a", b"b"]
    assert bodies(receiver.receive(3, 0)) == [b"c", b"c", b"b"]


def test_queue_named_twice_counts_once(transport: StoreTransport) -> None:
    publish(transport, send(b"1", "a"))
    receiver = transport.receiver(["a", "a"], credit=10, lease=30)
    assert bodies(receiver.receive(10, 0)) == [b"1"]


def test_waiting_for_suspects_that_are_not_wanted_does_not_spin(
    transport: StoreTransport, store: CountingStore
) -> None:
    publish(transport, send(b"suspect"))
    receiver = transport.receiver(["q"], credit=10, lease=30)
    (held,) = receiver.receive(1, 0)
    receiver.settle([Settlement(held.tag, Verdict.RETURN)])
    before = store.claims
    assert receiver.receive(1, 0.5, suspects=0) == []
    assert store.claims - before < 10
    assert bodies(receiver.receive(1, 0)) == [b"suspect"]


def test_full_credit_waits_without_claiming(transport: StoreTransport, store: CountingStore) -> None:
    publish(transport, send(b"1"), send(b"2"))
    receiver = transport.receiver(["q"], credit=1, lease=30)
    (held,) = receiver.receive(5, 0)
    before = store.claims
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(receiver.receive, 5, 20)
        until(receiver._receiving.locked, "the second receive")
        assert receiver.settle([done(held)]) == []
        assert bodies(future.result(10)) == [b"2"]
    assert store.claims == before + 1


def test_lapsed_delivery_takes_no_credit() -> None:
    clock = Clock()
    transport = StoreTransport(MemoryStore(clock=clock), clock=clock)
    publish(transport, send(b"1"))
    receiver = transport.receiver(["q"], credit=1, lease=10)
    (held,) = receiver.receive(1, 0)
    clock.advance(9)
    assert receiver.extend([held.tag], 10) == []
    clock.advance(9)
    assert receiver.receive(1, 0) == []
    clock.advance(1)
    (again,) = receiver.receive(1, 0)
    assert (again.attempt, again.leased_until) == (2, clock.now + 10)


def test_lost_claims_take_no_credit() -> None:
    clock = Clock()
    transport = StoreTransport(MemoryStore(clock=clock), clock=clock)
    publish(transport, send(b"1"), send(b"2"))
    receiver = transport.receiver(["q"], credit=1, lease=10)
    (held,) = receiver.receive(1, 0)
    clock.advance(10)
    other = transport.receiver(["q"], credit=2, lease=10)
    assert len(other.receive(2, 0)) == 2
    assert receiver.extend([held.tag], 10) == [held.tag]
    clock.advance(10)
    assert len(receiver.receive(1, 0)) == 1


@pytest.mark.parametrize("how", ["wakeup", "close"])
def test_interrupted_wait(transport: StoreTransport, store: CountingStore, how: str) -> None:
    receiver = transport.receiver(["q"], credit=1, lease=30)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(receiver.receive, 1, 20)
        assert store.waiting.wait(10)
        getattr(receiver, how)()
        started = time.monotonic()
        assert future.result(10) == []
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize("credit", [0, 1])
def test_wakeup_before_the_wait_is_not_lost(transport: StoreTransport, credit: int) -> None:
    receiver = transport.receiver(["q"], credit=credit, lease=30)
    receiver.wakeup()
    started = time.monotonic()
    assert receiver.receive(1, 20) == []
    assert time.monotonic() - started < 5
    assert receiver.receive(1, 0.05) == []


def test_wakeup_of_a_closed_receiver_is_harmless(transport: StoreTransport) -> None:
    receiver = transport.receiver(["q"], credit=1, lease=30)
    receiver.close()
    receiver.wakeup()
    with pytest.raises(ClosedError):
        receiver.settle([])


def test_two_threads_cannot_receive_at_once(transport: StoreTransport, store: CountingStore) -> None:
    receiver = transport.receiver(["q"], credit=1, lease=30)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(receiver.receive, 1, 20)
        assert store.waiting.wait(10)
        with pytest.raises(MisuseError, match="another thread receives here already"):
            receiver.receive(1, 0)
        receiver.wakeup()
        assert future.result(10) == []
    assert receiver.receive(1, 0) == []


def test_queue_is_added_to_a_receive_that_waits(transport: StoreTransport, store: CountingStore) -> None:
    publish(transport, send(b"1", "added"))
    receiver = transport.receiver(["q"], credit=1, lease=30)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(receiver.receive, 1, 20)
        assert store.waiting.wait(10)
        receiver.add_queue("added")
        assert bodies(future.result(10)) == [b"1"]


def test_receiver_without_queues_waits(transport: StoreTransport) -> None:
    receiver = transport.receiver([], credit=1, lease=30)
    started = time.monotonic()
    assert receiver.receive(1, 0.1) == []
    assert time.monotonic() - started >= 0.1


def test_delay_ends_a_wait_in_time(transport: StoreTransport) -> None:
    receiver: StoreReceiver = transport.receiver(["q"], credit=1, lease=30)
    assert receiver.receive(1, 0.01) == []
    due = time.time() + 0.3
    publish(transport, send(b"1", not_before=due))
    assert bodies(receiver.receive(1, 20)) == [b"1"]
    assert due <= time.time() < due + 0.2

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from jobs import job, outcome
from processes import until

from cicely.exceptions import ImproperlyConfigured
from cicely.outcome import Outcome
from cicely_transports.spi import Delivery
from cicely_worker.pools.registry import pool_class, pool_names
from cicely_worker.pools.solo import SoloPool
from cicely_worker.pools.spi import ExecutorLost, Finished, Report, SlotReady
from cicely_worker.pools.threads import ThreadPool


class Gate:
    """A run function whose jobs wait until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.began: list[str] = []

    def __call__(self, delivery: Delivery) -> Outcome:
        self.began.append(str(delivery.tag))
        if delivery.message.headers["task"] == "boom":
            raise SystemExit(3)
        assert self.go.wait(10)
        return outcome(str(delivery.tag))


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def make_pool(gate: Gate) -> Iterator[Callable[[int], ThreadPool]]:
    made: list[ThreadPool] = []

    def make(concurrency: int) -> ThreadPool:
        made.append(ThreadPool(lambda: gate, concurrency))
        made[-1].start()
        ready = collect(made[-1], concurrency)
        assert sorted(one.slot for one in ready if isinstance(one, SlotReady)) == list(range(concurrency))
        return made[-1]

    yield make
    gate.go.set()
    for pool in made:
        pool.stop(kill=True)
        assert pool.join(10)


def collect(pool: ThreadPool, count: int) -> list[Report]:
    reports: list[Report] = []
    deadline = time.monotonic() + 10
    while len(reports) < count and time.monotonic() < deadline:
        select.select(pool.filenos(), [], [], 1.0)
        reports += pool.poll()
    assert len(reports) == count
    return reports


def test_runs_jobs_of_a_slot_in_order(make_pool: Callable[[int], ThreadPool], gate: Gate) -> None:
    pool = make_pool(1)
    gate.go.set()
    assert pool.dispatch(0, [job(1), job(2), job(3)]) == 3
    reports = [one for one in collect(pool, 3) if isinstance(one, Finished)]
    assert [(one.slot, one.number, one.outcome.task_id) for one in reports] == [
        (0, 1, "tag-1"),
        (0, 2, "tag-2"),
        (0, 3, "tag-3"),
    ]


def test_slots_run_beside_each_other(make_pool: Callable[[int], ThreadPool], gate: Gate) -> None:
    pool = make_pool(3)
    for slot in range(3):
        pool.dispatch(slot, [job(slot)])
    until(lambda: len(gate.began) == 3, "three running jobs")
    gate.go.set()
    assert {one.slot for one in collect(pool, 3)} == {0, 1, 2}


def test_tells_what_runs_and_since_when(make_pool: Callable[[int], ThreadPool], gate: Gate) -> None:
    pool = make_pool(1)
    assert pool.running(0) is None
    before = time.monotonic()
    pool.dispatch(0, [job(7)])
    running = until(lambda: pool.running(0), "the job to run")
    assert running[0] == 7
    assert before <= running[1] <= time.monotonic()
    gate.go.set()
    collect(pool, 1)
    until(lambda: pool.running(0) is None, "the job to end")


def test_takes_back_what_has_not_begun(make_pool: Callable[[int], ThreadPool], gate: Gate) -> None:
    pool = make_pool(1)
    pool.dispatch(0, [job(1), job(2), job(3)])
    until(lambda: gate.began, "the first job to run")
    assert pool.take_back(0) == [2, 3]
    assert pool.take_back(0) == []
    gate.go.set()
    collect(pool, 1)
    assert gate.began == ["tag-1"]


def test_what_escapes_a_task_is_a_lost_executor_and_its_slot_lives_on(
    make_pool: Callable[[int], ThreadPool], gate: Gate
) -> None:
    pool = make_pool(1)
    gate.go.set()
    pool.dispatch(0, [job(1, task="boom")])
    lost, ready = collect(pool, 2)
    assert isinstance(lost, ExecutorLost)
    assert (lost.running, lost.reason) == (1, "SystemExit(3)")
    assert isinstance(ready, SlotReady)
    pool.dispatch(0, [job(2)])
    (done,) = collect(pool, 1)
    assert isinstance(done, Finished)


def test_warm_stop_finishes_what_was_given(make_pool: Callable[[int], ThreadPool], gate: Gate) -> None:
    pool = make_pool(1)
    pool.dispatch(0, [job(1), job(2)])
    pool.stop(kill=False)
    assert not pool.join(0.01)
    gate.go.set()
    assert len(collect(pool, 2)) == 2


def test_pools_are_found_by_name() -> None:
    assert {"prefork", "threads", "solo"} <= set(pool_names())
    assert pool_class("threads") is ThreadPool
    assert pool_class("solo") is SoloPool
    assert pool_class("processes").isolated
    with pytest.raises(ImproperlyConfigured, match="prefork, solo, threads; did you mean 'threads'"):
        pool_class("thread")

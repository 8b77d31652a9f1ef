"""How a consumer ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from processes import until
from stub_pool import StubPool

from cicely import signals
from cicely_worker.pools.spi import Report


def test_idle_warm_stop(bench: Any, execute: Callable[[Any], Any]) -> None:
    pool = StubPool(execute, 2)
    ready = threading.Event()
    told: list[dict[str, Any]] = []

    def on_ready(**_: Any) -> None:
        ready.set()

    def on_stop(**named: Any) -> None:
        told.append(named)

    signals.worker_ready.connect(on_ready)
    signals.worker_shutting_down.connect(on_stop)
    try:
        host = bench.host(pool)
        assert ready.wait(10)
        assert host.stop() == 0
    finally:
        signals.worker_ready.disconnect(on_ready)
        signals.worker_shutting_down.disconnect(on_stop)
    assert pool.stops == [False]
    assert [(one["sender"], one["how"], one["exitcode"]) for one in told] == [("celery@test", "warm", 0)]


def test_warm_stop_waits_for_what_runs_and_returns_the_rest(
    bench: Any, execute: Callable[[Any], Any]
) -> None:
    pool = StubPool(lambda _: None, 1)
    host = bench.host(pool)
    first = bench.add.delay(1, 2)
    (held,) = until(pool.holds, "the job")
    second = bench.add.delay(3, 4)
    host.consumer.stop()
    bench.wait_size(ready=1, leased=1)
    assert host.thread.is_alive()
    pool.finish(0, execute(held.delivery))
    host.thread.join(20)
    assert host.code == 0
    assert first.get(timeout=5) == 3
    assert not second.ready()
    bench.wait_size(ready=1)


def test_what_was_not_begun_goes_back_at_once_and_uncounted(
    bench: Any, execute: Callable[[Any], Any]
) -> None:
    pool = StubPool(execute, 1)
    host = bench.host(pool)
    [result.get(timeout=30) for result in [bench.add.delay(n, 0) for n in range(60)]]
    pool.run = lambda _: None
    bench.app.send_many([bench.add.s(n, 1) for n in range(100)])
    until(lambda: len(pool.holds()) > 1, "a batch")
    host.consumer.stop()
    bench.wait_size(ready=99, leased=1)
    receiver = bench.transport.receiver(["celery"], credit=200, lease=30.0)
    assert {delivery.attempt for delivery in receiver.receive(200, 1.0)} == {1}
    receiver.close()
    held, *_ = pool.holds()
    pool.finish(0, execute(held.delivery))
    host.thread.join(20)
    assert host.code == 0


def test_cold_stop_kills_and_returns_uncounted(bench: Any) -> None:
    pool = StubPool(lambda _: None, 1)
    host = bench.host(pool)
    bench.add.delay(1, 2)
    until(pool.holds, "the job")
    assert host.stop("cold") == 0
    assert pool.stops[0] is True
    receiver = bench.transport.receiver(["celery"], credit=1, lease=30.0)
    (again,) = receiver.receive(1, 5.0)
    assert again.attempt == 1
    receiver.close()


def test_second_request_escalates(bench: Any) -> None:
    pool = StubPool(lambda _: None, 1)
    host = bench.host(pool, grace=60.0)
    bench.add.delay(1, 2)
    until(pool.holds, "the job")
    host.consumer.stop("warm")
    bench.wait_size(leased=1)
    assert host.stop("cold") == 0
    bench.wait_size(ready=1)


def test_end_of_grace_is_a_cold_stop(bench: Any, caplog: Any) -> None:
    pool = StubPool(lambda _: None, 1)
    host = bench.host(pool, grace=0.2)
    bench.add.delay(1, 2)
    until(pool.holds, "the job")
    assert host.stop() == 0
    assert "grace" in caplog.text
    bench.wait_size(ready=1)


def test_executors_that_cannot_be_killed_keep_nothing(bench: Any) -> None:
    pool = StubPool(lambda _: None, 1, isolated=False)
    host = bench.host(pool)
    bench.add.delay(1, 2)
    until(pool.holds, "the job")
    assert host.stop("cold") == 0
    bench.wait_size(ready=1)


class Breaks(StubPool):
    broken = False

    def poll(self) -> list[Report]:
        if self.broken:
            raise ZeroDivisionError("a bug")
        return super().poll()


def test_a_loop_that_breaks_takes_its_intake_along(bench: Any) -> None:
    pool = Breaks(lambda _: None, 1)
    host = bench.host(pool)
    before = set(threading.enumerate())
    pool.broken = True
    pool.wakeup.set()
    host.thread.join(20)
    assert isinstance(host.error, ZeroDivisionError)
    assert [thread.name for thread in before if thread.is_alive() and "intake" in thread.name] == []


def test_executor_that_dies_during_a_warm_stop(bench: Any) -> None:
    pool = StubPool(lambda _: None, 1)
    host = bench.host(pool)
    bench.add.delay(1, 2)
    until(pool.holds, "the job")
    host.consumer.stop()
    pool.crash(0, replaced=False)
    host.thread.join(20)
    assert host.code == 0
    bench.wait_size(ready=1)

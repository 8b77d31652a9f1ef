"""Messages through a real consumer: run, refused, crashed, lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from jobs import BODY, JSON
from processes import until
from stub_pool import StubPool

from cicely import signals
from cicely.exceptions import NotRegistered, TaskRevokedError, WorkerLostError
from cicely_transports.message import Message
from cicely_transports.spi import Send
from cicely_worker.pools.spi import Job


def publish(bench: Any, **headers: Any) -> None:
    known = {"task": "add", "id": "the-id"} | headers
    bench.transport.sender().publish([Send(Message(BODY, known, JSON), "celery")])


def test_results_come_and_messages_go(bench: Any, execute: Callable[[Any], Any]) -> None:
    bench.host(StubPool(execute, 2))
    results = [bench.add.delay(n, 1) for n in range(200)]
    assert [result.get(timeout=30) for result in results] == list(range(1, 201))
    bench.wait_size()


def test_quick_tasks_come_to_travel_in_batches(bench: Any, execute: Callable[[Any], Any]) -> None:
    pool = StubPool(execute)
    bench.app.send_many([bench.add.s(n, 1) for n in range(2000)])
    bench.host(pool)
    bench.wait_size()
    assert max(map(len, pool.given)) == 64
    assert len(pool.given[0]) == 1


def test_logs_and_signals_of_a_task(bench: Any, execute: Callable[[Any], Any], caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    received: list[Any] = []

    def on_received(request: Any, **_: Any) -> None:
        received.append(request)

    signals.task_received.connect(on_received)
    try:
        bench.host(StubPool(execute))
        result = bench.add.delay(1, 2)
        assert result.get(timeout=30) == 3
        with pytest.raises(TypeError):
            bench.add.apply_async((1, "x")).get(timeout=30)
        bench.wait_size()
    finally:
        signals.task_received.disconnect(on_received)
    records = {
        (r.name, r.levelname, r.msg.split(" %(")[0], r.msg) for r in caplog.records if hasattr(r, "data")
    }
    assert {(name, level) for name, level, *_ in records} == {
        ("cicely.worker.strategy", "INFO"),
        ("cicely.app.trace", "INFO"),
        ("cicely.app.trace", "ERROR"),
    }
    first = next(r for r in caplog.records if r.name == "cicely.worker.strategy")
    assert first.getMessage() == f"Task add[{result.id}] received"
    assert (first.data["id"], first.data["name"], first.data["args"]) == (result.id, "add", "(1, 2)")
    done = next(r for r in caplog.records if r.name == "cicely.app.trace")
    assert f"Task add[{result.id}] succeeded in " in done.getMessage()
    assert received[0].id == result.id
    assert received[0].argsrepr == "(1, 2)"


def test_unknown_task_is_dead_with_its_reason(bench: Any, execute: Callable[[Any], Any], caplog: Any) -> None:
    unknown: list[Any] = []

    def on_unknown(name: str, exc: Exception, **_: Any) -> None:
        unknown.append((name, type(exc)))

    signals.task_unknown.connect(on_unknown)
    try:
        publish(bench, task="ad")
        bench.host(StubPool(execute))
        bench.wait_size(dead=1)
    finally:
        signals.task_unknown.disconnect(on_unknown)
    (letter,) = bench.transport.dead_letters("celery")
    assert "did you mean 'add'" in letter.reason
    assert unknown == [("ad", NotRegistered)]
    assert type(bench.app.AsyncResult("the-id").result) is NotRegistered
    assert letter.reason in caplog.text


def test_expired_task_is_revoked(bench: Any, execute: Callable[[Any], Any]) -> None:
    publish(bench, expires="2020-01-01T00:00:00Z")
    pool = StubPool(execute)
    bench.host(pool)
    result = bench.app.AsyncResult("the-id")
    with pytest.raises(TaskRevokedError):
        result.get(timeout=30)
    bench.wait_size()
    assert pool.given == []


def test_eta_of_another_producer_waits_in_the_broker(bench: Any, execute: Callable[[Any], Any]) -> None:
    publish(bench, eta="2999-01-01T00:00:00Z")
    pool = StubPool(execute)
    bench.host(pool)
    bench.wait_size(delayed=1)
    assert pool.given == []


class TestCrash:
    def test_running_job_is_counted_and_given_up_in_the_end(self, bench: Any) -> None:
        pool = StubPool(lambda _: None, 1)
        bench.host(pool, max_deliveries=3)
        result = bench.add.delay(1, 2)
        for attempt in (1, 2, 3):
            (held,) = until(pool.holds, f"delivery {attempt}")
            assert held.delivery.attempt == attempt
            pool.crash(0)
        with pytest.raises(WorkerLostError, match="SIGKILL"):
            result.get(timeout=30)
        bench.wait_size(dead=1)
        (letter,) = bench.transport.dead_letters("celery")
        assert letter.attempt == 3
        assert "SIGKILL" in letter.reason

    def test_unread_jobs_are_run_elsewhere_and_not_counted(
        self, bench: Any, execute: Callable[[Any], Any]
    ) -> None:
        blocked: list[Job] = []
        pool = StubPool(execute, 1)
        host = bench.host(pool)
        [result.get(timeout=30) for result in [bench.add.delay(n, 0) for n in range(40)]]
        pool.run = lambda _: None
        results = bench.app.send_many([bench.add.s(n, 1) for n in range(20)])
        blocked = until(lambda: held if len(held := pool.holds()) > 2 else None, "a batch")
        pool.run = execute
        pool.crash(0)
        assert [result.get(timeout=30) for result in results] == list(range(1, 21))
        again = [job for jobs in pool.given for job in jobs if job.delivery.attempt > 1]
        assert [job.delivery.message for job in again] == [blocked[0].delivery.message]
        assert host.stop() == 0

    def test_a_task_that_does_not_want_it_fails_at_once(self, bench: Any) -> None:
        bench.add.reject_on_worker_lost = False
        pool = StubPool(lambda _: None, 1)
        bench.host(pool)
        result = bench.add.delay(1, 2)
        until(pool.holds, "the job")
        pool.crash(0)
        with pytest.raises(WorkerLostError):
            result.get(timeout=30)
        bench.wait_size()


class TestEarlyAcknowledgement:
    def test_is_settled_before_it_runs(self, bench: Any, execute: Callable[[Any], Any]) -> None:
        bench.add.acks_late = False
        pool = StubPool(lambda _: None, 1)
        bench.host(pool)
        result = bench.add.delay(1, 2)
        (held,) = until(pool.holds, "the job")
        bench.wait_size()
        pool.finish(0, execute(held.delivery))
        assert result.get(timeout=30) == 3

    def test_is_not_given_back_at_a_warm_stop(self, bench: Any, execute: Callable[[Any], Any]) -> None:
        bench.add.acks_late = False
        pool = StubPool(execute, 1)
        host = bench.host(pool)
        [result.get(timeout=30) for result in [bench.add.delay(n, 0) for n in range(40)]]
        pool.run = lambda _: None
        results = bench.app.send_many([bench.add.s(n, 1) for n in range(3)])
        held = until(lambda: found if len(found := pool.holds()) > 1 else None, "some jobs")
        taken = bench.size().ready
        host.consumer.stop()
        until(lambda: len(pool.holds()) == 1, "the rest to be taken back")
        pool.run = execute
        pool.finish(0, execute(held[0].delivery))
        host.thread.join(20)
        assert host.code == 0
        done = [result for result in results if result.ready()]
        assert len(done) == 3 - taken
        bench.wait_size(ready=taken)


def test_leases_are_renewed_while_a_task_runs(bench: Any, execute: Callable[[Any], Any]) -> None:
    pool = StubPool(lambda _: None, 1)
    bench.host(pool, lease=0.6)
    result = bench.add.delay(1, 2)
    (held,) = until(pool.holds, "the job")
    thief = bench.transport.receiver(["celery"], credit=1, lease=1.0)
    assert thief.receive(1, 2.0) == []
    pool.finish(0, execute(held.delivery))
    assert result.get(timeout=30) == 3
    assert thief.receive(1, 0.0) == []
    thief.close()


def test_a_long_task_gives_back_what_waits_behind_it(bench: Any, execute: Callable[[Any], Any]) -> None:
    pool = StubPool(execute, 1)
    bench.host(pool)
    [result.get(timeout=30) for result in [bench.add.delay(n, 0) for n in range(60)]]
    pool.run = lambda _: None
    bench.app.send_many([bench.add.s(n, 1) for n in range(50)])
    until(lambda: len(pool.holds()) > 1, "a batch")
    bench.wait_size(ready=49, leased=1)
    assert len(pool.holds()) == 1

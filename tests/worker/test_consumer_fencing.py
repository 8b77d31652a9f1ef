"""A claim that passes to somebody else while its task runs here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from processes import until
from stub_pool import StubPool

from cicely_transports.spi import Delivery, Receiver, Settlement, Verdict
from cicely_transports.store_transport import StoreTransport

LEASE = 0.9


@pytest.fixture
def thief(bench: Any) -> Iterator[Receiver]:
    """A worker whose clock is so far ahead that every lease of the others has ended."""
    transport = StoreTransport(bench.transport.store, clock=lambda: time.time() + 100.0)
    receiver = transport.receiver(["celery"], credit=1, lease=1000.0)
    yield receiver
    receiver.close()


def steal(bench: Any, thief: Receiver, pool: StubPool) -> Delivery:
    until(pool.holds, "the job to run")
    (stolen,) = thief.receive(1, 5.0)
    assert stolen.attempt == 2
    return stolen


def test_result_of_a_lost_claim_is_dropped(
    bench: Any, thief: Receiver, execute: Callable[[Any], Any], caplog: Any
) -> None:
    pool = StubPool(lambda _: None, 1)
    bench.host(pool, lease=LEASE)
    result = bench.add.delay(1, 2)
    stolen = steal(bench, thief, pool)
    until(lambda: "1 messages are lost" in caplog.text, "the loss to be found out")
    pool.finish(0, execute(stolen))
    until(lambda: "late ack refused" in caplog.text, "the late ack")
    assert not result.ready()
    assert thief.settle([Settlement(stolen.tag, Verdict.DONE)]) == []


def test_a_message_that_comes_back_is_not_run_beside_its_first_run(
    bench: Any, thief: Receiver, execute: Callable[[Any], Any], caplog: Any
) -> None:
    pool = StubPool(lambda _: None, 2)
    bench.host(pool, lease=LEASE)
    result = bench.add.delay(1, 2)
    stolen = steal(bench, thief, pool)
    until(lambda: "1 messages are lost" in caplog.text, "the loss to be found out")
    assert thief.settle([Settlement(stolen.tag, Verdict.RETURN)]) == []
    until(lambda: "not run twice" in caplog.text, "the message to come again")
    assert len(pool.given) == 1
    pool.finish(0, execute(stolen))
    assert result.get(timeout=30) == 3
    bench.wait_size()
    assert "late ack refused" not in caplog.text


def test_a_claim_lost_before_its_loss_is_known_is_refused_by_the_broker(
    bench: Any, thief: Receiver, execute: Callable[[Any], Any], caplog: Any
) -> None:
    pool = StubPool(lambda _: None, 1)
    bench.host(pool, lease=60.0)
    bench.add.delay(1, 2)
    stolen = steal(bench, thief, pool)
    pool.finish(0, execute(stolen))
    until(lambda: "late ack refused" in caplog.text, "the late ack")
    assert thief.settle([Settlement(stolen.tag, Verdict.DONE)]) == []

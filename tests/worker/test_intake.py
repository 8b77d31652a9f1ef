"""The intake against a real broker in memory, and against one that fails as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from jobs import BODY, JSON
from processes import until

from cicely_transports.errors import CorruptStore, OperationalError
from cicely_transports.memory import MemoryStore
from cicely_transports.message import Message
from cicely_transports.spi import Delivery, Receiver, Send, Settlement, Tag, Verdict
from cicely_transports.store_transport import StoreTransport
from cicely_worker.intake import Intake, RetryDisabled


class Broker:
    """A transport in memory whose receivers can be made to fail."""

    def __init__(self) -> None:
        self.transport = StoreTransport(MemoryStore())
        self.sender = self.transport.sender()
        self.receivers: list[Flaky] = []
        self.connect_error: Exception | None = None
        self.receive_errors: list[Exception] = []

    def connect(self) -> Receiver:
        if self.connect_error is not None:
            raise self.connect_error
        receiver = self.transport.receiver(["q"], credit=1000, lease=30.0)
        self.receivers.append(Flaky(receiver, self.receive_errors))
        return self.receivers[-1]

    def publish(self, count: int) -> None:
        self.sender.publish([Send(Message(BODY, {"id": str(n)}, JSON), "q") for n in range(count)])


class Flaky(Receiver):
    """Passes everything on, but raises the next error first, if there is one."""

    def __init__(self, inner: Receiver, errors: list[Exception]) -> None:
        self.inner = inner
        self.errors = errors
        self.asked: list[tuple[int, int | None]] = []
        self.closed = False

    def receive(self, limit: int, wait: float, *, suspects: int | None = None) -> list[Delivery]:
        self.asked.append((limit, suspects))
        if self.errors:
            raise self.errors.pop(0)
        return self.inner.receive(limit, wait, suspects=suspects)

    def settle(self, items: Sequence[Settlement]) -> list[Tag]:
        return self.inner.settle(items)

    def extend(self, tags: Sequence[Tag], lease: float) -> list[Tag]:
        return self.inner.extend(tags, lease)

    def add_queue(self, queue: str) -> None:
        self.inner.add_queue(queue)

    def cancel_queue(self, queue: str) -> None:
        self.inner.cancel_queue(queue)

    def set_credit(self, credit: int) -> None:
        self.inner.set_credit(credit)

    def wakeup(self) -> None:
        self.inner.wakeup()

    def close(self) -> None:
        self.closed = True
        self.inner.close()


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()
    yield made
    made.transport.close()


@pytest.fixture
def make_intake(broker: Broker) -> Iterator[Callable[..., Intake]]:
    made: list[Intake] = []

    def make(**options: Any) -> Intake:
        wake = options.pop("wake", lambda: None)
        made.append(Intake(broker.connect, wake, broker="memory://", **options))
        made[-1].start()
        return made[-1]

    yield make
    for intake in made:
        intake.stop()
        until(partial(has_ended, intake), "the intake to end")


def has_ended(intake: Intake) -> bool:
    intake.take()
    return not intake.alive


def collect(intake: Intake, count: int) -> list[Delivery]:
    taken: list[Delivery] = []

    def arrived() -> bool:
        taken.extend(intake.take())
        return len(taken) >= count

    until(arrived, f"{count} deliveries")
    return taken


def test_takes_what_was_granted_and_no_more(broker: Broker, make_intake: Callable[..., Intake]) -> None:
    broker.publish(10)
    intake = make_intake()
    assert intake.connected.wait(5)
    assert intake.take() == []
    intake.grant(4, 0)
    assert len(collect(intake, 4)) == 4
    intake.grant(3, 0)
    assert len(collect(intake, 3)) == 3
    assert broker.transport.sizes(["q"])["q"].ready == 3


def test_what_arrived_and_was_not_taken_counts_against_the_grant(
    broker: Broker, make_intake: Callable[..., Intake]
) -> None:
    arrived = threading.Event()
    broker.publish(10)
    intake = make_intake(wake=arrived.set)
    assert intake.connected.wait(5)
    arrived.clear()
    intake.grant(4, 0)
    assert arrived.wait(5)
    intake.grant(4, 0)
    intake.grant(6, 0)
    assert len(collect(intake, 6)) == 6


def test_wakes_the_loop_for_what_comes_later(broker: Broker, make_intake: Callable[..., Intake]) -> None:
    woken = threading.Event()
    intake = make_intake(wake=woken.set)
    assert intake.connected.wait(5)
    intake.grant(1, 0)
    woken.clear()
    broker.publish(1)
    assert woken.wait(5)
    assert len(collect(intake, 1)) == 1


def test_a_suspect_waits_until_it_can_start(broker: Broker, make_intake: Callable[..., Intake]) -> None:
    broker.publish(1)
    first = broker.transport.receiver(["q"], credit=1, lease=30.0)
    (one,) = first.receive(1, 5.0)
    first.settle([Settlement(one.tag, Verdict.RETURN)])
    first.close()
    intake = make_intake(wait=30.0)
    intake.grant(1, 0)
    until(lambda: broker.receivers and broker.receivers[0].asked == [(1, 0)], "the first question")
    assert intake.take() == []
    intake.grant(1, 1)  # without a wake-up the first question would go on for half a minute
    (again,) = collect(intake, 1)
    assert again.attempt == 2


def test_stop_returns_at_once_from_a_long_wait(broker: Broker, make_intake: Callable[..., Intake]) -> None:
    intake = make_intake(wait=30.0)
    intake.grant(1, 1)
    until(lambda: broker.receivers and broker.receivers[0].asked, "the question")
    began = time.monotonic()
    intake.stop()
    until(lambda: not intake.alive, "the end of the thread")
    assert time.monotonic() - began < 5
    assert intake.receiver is not None  # still there to settle with


class TestFailures:
    def test_a_receiver_that_worked_gets_another_chance(
        self, broker: Broker, make_intake: Callable[..., Intake], caplog: Any
    ) -> None:
        broker.publish(2)
        intake = make_intake()
        intake.grant(1, 0)
        collect(intake, 1)
        broker.receive_errors.append(OperationalError("database is locked"))
        intake.grant(1, 0)
        collect(intake, 1)
        assert len(broker.receivers) == 1
        assert "database is locked" in caplog.text
        assert "Connected to memory:// again" in caplog.text

    def test_one_that_fetched_nothing_is_rebuilt(
        self, broker: Broker, make_intake: Callable[..., Intake]
    ) -> None:
        broker.publish(1)
        broker.receive_errors.append(OperationalError("half open"))
        intake = make_intake()
        intake.grant(1, 0)
        collect(intake, 1)
        assert len(broker.receivers) == 2
        assert broker.receivers[0].closed

    def test_one_that_fails_twice_is_rebuilt(
        self, broker: Broker, make_intake: Callable[..., Intake]
    ) -> None:
        broker.publish(2)
        intake = make_intake()
        intake.grant(1, 0)
        collect(intake, 1)
        broker.receive_errors += [OperationalError("reset"), OperationalError("reset")]
        intake.grant(1, 0)
        collect(intake, 1)
        assert len(broker.receivers) == 2

    def test_connecting_is_tried_for_ever(
        self, broker: Broker, make_intake: Callable[..., Intake], caplog: Any
    ) -> None:
        broker.connect_error = OperationalError("connection refused")
        intake = make_intake()
        until(lambda: caplog.text.count("connection refused") >= 2, "the second try")
        assert "try 2, next in 0.5 s" in caplog.text
        assert intake.alive
        broker.connect_error = None
        assert intake.connected.wait(10)

    def test_without_patience_the_first_failure_ends_it(
        self, broker: Broker, make_intake: Callable[..., Intake]
    ) -> None:
        broker.connect_error = OperationalError("connection refused")
        woken = threading.Event()
        intake = make_intake(retry_on_startup=False, wake=woken.set)
        assert woken.wait(5)
        assert isinstance(intake.failure, RetryDisabled)
        assert "broker_connection_retry_on_startup=False" in str(intake.failure)

    def test_impatience_is_about_the_start_only(
        self, broker: Broker, make_intake: Callable[..., Intake]
    ) -> None:
        broker.publish(1)
        intake = make_intake(retry_on_startup=False)
        assert intake.connected.wait(5)
        broker.receive_errors.append(OperationalError("reset"))
        intake.grant(1, 0)
        collect(intake, 1)
        assert intake.failure is None

    def test_without_retry_the_first_loss_ends_it(
        self, broker: Broker, make_intake: Callable[..., Intake]
    ) -> None:
        intake = make_intake(retry=False)
        assert intake.connected.wait(5)
        broker.receive_errors.append(OperationalError("reset"))
        intake.grant(1, 0)
        until(lambda: intake.failure is not None, "the failure")
        assert "broker_connection_retry=False" in str(intake.failure)

    @pytest.mark.parametrize("error", [CorruptStore("proj.db is no database"), ZeroDivisionError("a bug")])
    def test_what_can_never_succeed_is_told_to_the_loop(
        self, broker: Broker, make_intake: Callable[..., Intake], error: Exception
    ) -> None:
        broker.receive_errors.append(error)
        woken = threading.Event()
        intake = make_intake(wake=woken.set)
        intake.grant(1, 0)
        until(lambda: intake.failure is not None, "the failure")
        assert intake.failure is error
        assert woken.is_set()

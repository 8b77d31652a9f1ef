"""Messages in the hands of a slow consumer stay there; those of a dead one come back."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cicely_transports import Connection, Queue
from cicely_transports.claims import Claims
from cicely_transports.errors import LeaseLost, OperationalError
from cicely_transports.received import ReceivedMessage
from cicely_transports.spi import Tag

QUEUE = Queue("q")
LEASE = 1.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def lender(broker_url: str) -> Connection:
    return Connection(broker_url, lease=LEASE)


def received(connection: Connection, count: int = 1) -> list[ReceivedMessage]:
    got: list[ReceivedMessage] = []
    consumer = connection.Consumer(QUEUE, on_message=got.append)
    for number in range(count):
        connection.Producer(serializer="json").publish(number, routing_key="q")
    with consumer:
        for _ in range(count):
            connection.drain_events(timeout=5)
    return got


def test_a_slow_callback_keeps_its_message(lender: Connection, connection: Connection) -> None:
    """Another consumer asks for the message during more than two leases, and does not get it."""
    with lender:
        (message,) = received(lender)
        other = connection.SimpleQueue(QUEUE)
        with pytest.raises(other.Empty):
            other.get(timeout=2.5 * LEASE)
        message.ack()
    size = connection.transport.sizes(["q"])["q"]
    assert (size.ready, size.leased, size.dead) == (0, 0, 0)


def test_only_while_it_is_held(lender: Connection) -> None:
    with lender:
        one, two = received(lender, 2)
        one.ack()
        two.ack()
        wait_until(lambda: not [each for each in threading.enumerate() if each.name == "cicely-leases"])
        (three,) = received(lender)
        assert [each for each in threading.enumerate() if each.name == "cicely-leases"]
        three.ack()


def test_a_lost_lease_is_noticed(
    lender: Connection,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While renewals fail the lease runs out and another consumer takes over; then the ack is refused."""
    failing = threading.Event()
    failing.set()
    extend = _receiver_class(lender).extend

    def flaky(self: Any, tags: Sequence[Tag], lease: float) -> list[Tag]:
        if failing.is_set() and lease == LEASE:
            raise OperationalError("away")
        lost: list[Tag] = extend(self, tags, lease)
        return lost

    monkeypatch.setattr(_receiver_class(lender), "extend", flaky)
    with lender:
        (message,) = received(lender)
        taken = connection.SimpleQueue(QUEUE).get(timeout=20)
        assert taken.attempt == 2
        failing.clear()
        wait_until(lambda: message.acknowledged)
        with pytest.raises(LeaseLost):
            message.ack()
        taken.ack()
    texts = [record.getMessage() for record in caplog.records]
    assert any("could not be renewed: away" in text for text in texts)
    assert any("taken over by other consumers" in text for text in texts)


def test_a_late_ack_is_refused(
    lender: Connection, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Claims, "renew", lambda self: False)
    with lender:
        (message,) = received(lender)
        taken = connection.SimpleQueue(QUEUE).get(timeout=20)
        with pytest.raises(LeaseLost):
            message.ack()
        assert message.acknowledged
        taken.ack()


def test_a_forgotten_connection_does_not_keep_its_messages(broker_url: str, connection: Connection) -> None:
    def forget() -> None:
        received(Connection(broker_url, lease=LEASE))

    connection.connect()  # so that the broker in memory outlives the other connection
    forget()
    gc.collect()
    message = connection.SimpleQueue(QUEUE).get(timeout=20)
    assert message.attempt == 2
    message.ack()


def _receiver_class(connection: Connection) -> Any:
    receiver = connection.transport.receiver(["q"], credit=1, lease=1)
    receiver.close()
    return type(receiver)

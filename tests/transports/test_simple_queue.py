"""SimpleQueue and SimpleBuffer."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import pytest

from cicely_transports import Connection, Exchange, Queue, SimpleQueue
from cicely_transports.errors import ContentDisallowed, NotSupported


def test_put_and_get_in_order(connection: Connection) -> None:
    with connection.SimpleQueue("q", serializer="json") as simple:
        for number in range(3):
            simple.put({"n": number}, headers={"h": number})
        assert (simple.qsize(), len(simple), bool(simple)) == (3, 3, True)
        for number in range(3):
            message = simple.get(timeout=5)
            assert (message.payload, message.headers) == ({"n": number}, {"h": number})
            message.ack()
        assert simple.qsize() == 0
        assert bool(simple)


def test_empty(connection: Connection) -> None:
    simple = connection.SimpleQueue("q")
    assert simple.Empty is queue.Empty
    with pytest.raises(simple.Empty):
        simple.get_nowait()
    with pytest.raises(simple.Empty):
        simple.get(block=False)
    started = time.monotonic()
    with pytest.raises(simple.Empty):
        simple.get(timeout=0.05)
    assert time.monotonic() - started >= 0.05


def test_get_waits_as_long_as_it_takes(memory: Connection) -> None:
    simple = memory.SimpleQueue("q")
    started = threading.Event()
    got: list[Any] = []

    def get() -> None:
        started.set()
        got.append(simple.get().payload)

    thread = threading.Thread(target=get)
    thread.start()
    started.wait(30)
    simple.put("x")
    thread.join(30)
    assert got == ["x"]


def test_clear(connection: Connection) -> None:
    simple = connection.SimpleQueue("q")
    simple.put("x")
    simple.put("y")
    assert simple.clear() == 2
    assert simple.qsize() == 0


def test_close_gives_back(connection: Connection) -> None:
    simple = connection.SimpleQueue("q")
    simple.put("x")
    simple.get(timeout=5)
    assert simple.qsize() == 0
    simple.close()
    simple.close()
    assert simple.qsize() == 1
    assert simple.get(timeout=5).attempt == 2


def test_no_ack(connection: Connection) -> None:
    simple = connection.SimpleQueue("q", no_ack=True)
    simple.put("x")
    assert simple.get(timeout=5).acknowledged
    simple.close()
    assert simple.qsize() == 0


def test_of_a_described_queue(connection: Connection) -> None:
    exchange = Exchange("e", "topic")
    simple = connection.SimpleQueue(Queue("q", exchange, "a"))
    connection.Producer(exchange=exchange).publish("other key", routing_key="b")
    connection.Producer(exchange=exchange).publish("its key", routing_key="a")
    simple.put("put")
    assert [simple.get(timeout=5).payload for _ in range(2)] == ["its key", "put"]


def test_options(memory: Connection) -> None:
    simple = SimpleQueue(
        memory,
        "q",
        queue_opts={"durable": False},
        queue_args={"x-max-priority": 5},
        exchange_opts={"type": "topic"},
        compression="gzip",
        accept=["json"],
    )
    assert simple.queue.as_dict()["durable"] is False
    assert simple.queue.spec().max_priority == 5
    assert simple.queue.exchange.type == "topic"
    simple.put("low", priority=1)
    simple.put("high", priority=4)
    message = simple.get(timeout=5)
    assert (message.body, message.headers["compression"]) == (b"high", "application/x-gzip")
    with pytest.raises(ContentDisallowed, match="text/plain"):
        message.decode()
    with pytest.raises(NotSupported, match="max_length"):
        memory.SimpleQueue("r", queue_opts={"max_length": 1})


def test_buffer_holds_nothing(connection: Connection) -> None:
    buffer = connection.SimpleBuffer("b")
    buffer.put("x")
    message = buffer.get(timeout=5)
    assert message.acknowledged
    assert message.properties["delivery_mode"] == 1
    assert not buffer.queue.durable

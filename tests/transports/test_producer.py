"""Publishing: serializers, properties, declarations, delays, retries."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cicely_transports import Connection, Exchange, Producer, Queue
from cicely_transports.errors import (
    EncodeError,
    MisuseError,
    OperationalError,
    PartialPublish,
    UnknownOption,
    Unroutable,
)
from cicely_transports.received import ReceivedMessage
from cicely_transports.spi import Send
from cicely_transports.topology import Topology


def next_message(connection: Connection, queue: Queue) -> ReceivedMessage:
    message = connection.SimpleQueue(queue, accept=["json", "pickle", "text/plain"]).get(timeout=5)
    message.ack()
    return message


QUEUE = Queue("q")


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize(
    ("serializer", "body"), [("json", {"a": [1, 2]}), ("pickle", {"a": (1, 2)}), (None, "text")]
)
def test_body_arrives(
    connection: Connection, serializer: str | None, body: Any, compression: str | None
) -> None:
    connection.Producer(serializer=serializer, compression=compression).publish(
        body, routing_key="q", declare=[QUEUE]
    )
    message = next_message(connection, QUEUE)
    assert message.payload == body
    assert ("compression" in message.headers) is (compression is not None)


def test_everything_else_arrives(connection: Connection) -> None:
    connection.Producer().publish(
        b"\xff\x00",
        routing_key="q",
        declare=[QUEUE],
        headers={"h": [1]},
        priority=5,
        delivery_mode="transient",
        content_type="application/x-mine",
        correlation_id="c",
        reply_to="r",
        message_id="m",
        type="t",
        timestamp=datetime(2026, 1, 2, tzinfo=UTC),
        expiration=60,
        app_id="a",
        extra={"Mine": 1},
    )
    message = next_message(connection, QUEUE)
    assert message.body == b"\xff\x00"
    assert message.headers == {"h": [1]}
    assert (message.content_type, message.content_encoding) == ("application/x-mine", "binary")
    assert message.properties == {
        "priority": 5,
        "delivery_mode": 1,
        "correlation_id": "c",
        "reply_to": "r",
        "message_id": "m",
        "type": "t",
        "timestamp": datetime(2026, 1, 2, tzinfo=UTC).timestamp(),
        "expiration": "60000",
        "app_id": "a",
        "Mine": 1,
    }


def test_text_with_a_content_type_is_encoded(memory: Connection) -> None:
    memory.Producer().publish(
        "é", routing_key="q", declare=[QUEUE], content_type="text/plain", content_encoding="latin-1"
    )
    message = next_message(memory, QUEUE)
    assert (message.body, message.payload) == (b"\xe9", "é")


def test_defaults_of_the_producer(memory: Connection) -> None:
    exchange = Exchange("e", delivery_mode=1)
    queue = Queue("q", exchange, "k")
    queue(memory).declare()
    Producer(memory, exchange, "k", "json").publish([1])
    message = next_message(memory, queue)
    assert message.delivery_info == {"exchange": "e", "routing_key": "k", "priority": 0, "redelivered": False}
    assert message.properties["delivery_mode"] == 1


def test_declares_once_on_a_connection(memory: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    declared: list[Topology] = []
    declare = memory.transport.declare

    def counted(topology: Topology) -> None:
        declared.append(topology)
        declare(topology)

    monkeypatch.setattr(memory.transport, "declare", counted)
    producer = memory.Producer(exchange=Exchange("e"))
    for _ in range(3):
        producer.publish(b"", routing_key="k", declare=[QUEUE])
    assert len(declared) == 2
    QUEUE(memory).delete()
    producer.publish(b"", routing_key="k", declare=[QUEUE])
    assert memory.transport.queues() == ["q"]


def test_a_failure_makes_it_declare_again(memory: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = memory.Producer()
    fail = [OperationalError("restarted")]
    sent: list[Any] = []

    class Flaky:
        def publish(self, sends: Sequence[Send]) -> None:
            if fail:
                memory.transport.delete(queues=["q"])
                raise fail.pop()
            assert memory.transport.queues() == ["q"]
            sent.extend(sends)

    monkeypatch.setattr(memory.transport, "sender", Flaky)
    producer.publish(b"x", routing_key="q", declare=[QUEUE], retry=True)
    assert [send.routing_key for send in sent] == ["q"]


def test_retry_publishes_what_is_missing(memory: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[Send]] = []
    seen: list[float] = []

    class Flaky:
        def publish(self, sends: Sequence[Send]) -> None:
            calls.append(sends)
            if len(calls) < 3:
                raise PartialPublish(sends, "lost")

    monkeypatch.setattr(memory.transport, "sender", Flaky)
    policy = {"max_retries": 2, "interval_step": 0.001, "errback": lambda exc, wait: seen.append(wait)}
    memory.Producer().publish(b"x", routing_key="q", retry=True, retry_policy=policy)
    assert [len(sends) for sends in calls] == [1, 1, 1]
    assert seen == [0.0, 0.001]


def test_no_retry_unless_asked_for(memory: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def publish(self, sends: Sequence[Send]) -> None:
            raise OperationalError("down")

    monkeypatch.setattr(memory.transport, "sender", Down)
    with pytest.raises(OperationalError, match="down"):
        memory.Producer().publish(b"x", routing_key="q")
    with pytest.raises(UnknownOption, match="did you mean 'max_retries'"):
        memory.Producer().publish(b"x", routing_key="q", retry=True, retry_policy={"max_retry": 1})


def test_delay_and_eta(connection: Connection) -> None:
    producer = connection.Producer()
    now = time.time()
    producer.publish("late", routing_key="q", declare=[QUEUE], delay=0.2)
    producer.publish("later", routing_key="q", eta=datetime.fromtimestamp(now, UTC) + timedelta(hours=1))
    producer.publish("past", routing_key="q", eta=now - 60)
    queue = connection.SimpleQueue(QUEUE)
    assert queue.get(timeout=5).payload == "past"
    assert queue.get(timeout=5).payload == "late"
    assert time.time() >= now + 0.2
    assert connection.transport.sizes(["q"])["q"].delayed == 1
    with pytest.raises(MisuseError, match="not both"):
        producer.publish("", routing_key="q", delay=1, eta=1)
    with pytest.raises(MisuseError, match="no time zone"):
        producer.publish("", routing_key="q", eta=datetime(2026, 1, 2))  # noqa: DTZ001  # that is the mistake


def test_expired_messages_are_not_delivered(connection: Connection) -> None:
    producer = connection.Producer()
    producer.publish("gone", routing_key="q", declare=[QUEUE], expiration=0.0)
    producer.publish("here", routing_key="q", expiration=60)
    assert connection.SimpleQueue(QUEUE).get(timeout=5).payload == "here"


def test_unroutable(connection: Connection) -> None:
    exchange = Exchange("e")
    producer = connection.Producer(exchange=exchange)
    producer.publish(b"dropped", routing_key="nobody")
    with pytest.raises(Unroutable):
        producer.publish(b"x", routing_key="nobody", mandatory=True)
    returned: list[Any] = []
    noticing = connection.Producer(exchange=exchange, on_return=lambda *args: returned.append(args))
    noticing.publish(b"x", routing_key="nobody", mandatory=True)
    ((exc, name, key, message),) = returned
    assert isinstance(exc, Unroutable)
    assert (name, key, message.body) == ("e", "nobody", b"x")


def test_misuse(memory: Connection) -> None:
    producer = memory.Producer()
    with pytest.raises(MisuseError, match="queue's name as routing_key"):
        producer.publish(b"x")
    with pytest.raises(UnknownOption, match="did you mean 'routing_key'"):
        producer.publish(b"x", routingkey="q")
    with pytest.raises(UnknownOption, match=r"extra=\{...\}"):
        producer.publish(b"x", routing_key="q", Zzz=1)
    with pytest.raises(MisuseError, match="neither a channel nor a connection"):
        memory.Producer(Exchange("e"))  # type: ignore[arg-type]  # that is the mistake
    with pytest.raises(EncodeError, match="the data is an object"):
        producer.publish(object(), routing_key="q")
    with pytest.raises(MisuseError, match="did you mean 'json'"):
        producer.publish([1], routing_key="q", serializer="jsn")


def test_many_threads_share_a_producer(connection: Connection) -> None:
    QUEUE(connection).declare()
    producer = connection.Producer(serializer="json")

    def publish(start: int) -> None:
        for number in range(start, start + 20):
            producer.publish(number, routing_key="q", retry=True)

    threads = [threading.Thread(target=publish, args=(start,)) for start in range(0, 80, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    queue = connection.SimpleQueue(QUEUE, no_ack=True)
    assert sorted(queue.get(timeout=5).payload for _ in range(80)) == list(range(80))

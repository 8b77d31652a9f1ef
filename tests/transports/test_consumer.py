"""Consumers: callbacks, acceptance, prefetch, cancelling, bad messages."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from cicely_transports import Connection, Consumer, Exchange, Queue
from cicely_transports.errors import ContentDisallowed, DecodeError, MisuseError
from cicely_transports.received import MessageStateError, ReceivedMessage

QUEUE = Queue("q")


def publish(connection: Connection, *bodies: Any, queue: str = "q", serializer: str | None = "json") -> None:
    for body in bodies:
        connection.Producer(serializer=serializer).publish(body, routing_key=queue, declare=[Queue(queue)])


def drain(connection: Connection, times: int) -> None:
    for _ in range(times):
        connection.drain_events(timeout=5)


def nothing_comes(connection: Connection) -> bool:
    try:
        connection.drain_events(timeout=0.01)
    except TimeoutError:
        return True
    return False


def test_callbacks_get_body_and_message(connection: Connection) -> None:
    got: list[tuple[Any, ReceivedMessage]] = []
    seen: list[Any] = []
    consumer = connection.Consumer(QUEUE, callbacks=[lambda body, message: got.append((body, message))])
    consumer.register_callback(lambda body, message: seen.append(body))
    publish(connection, {"n": 1}, {"n": 2})
    with consumer:
        drain(connection, 2)
    assert [body for body, _ in got] == seen == [{"n": 1}, {"n": 2}]
    message = got[0][1]
    assert message.delivery_info["routing_key"] == "q"
    message.ack()
    assert message.acknowledged
    assert connection.transport.sizes(["q"])["q"].leased == 1


def test_on_message_gets_the_message_undecoded(connection: Connection) -> None:
    got: list[ReceivedMessage] = []
    publish(connection, {"n": 1}, serializer="pickle")
    with connection.Consumer(QUEUE, on_message=got.append):
        drain(connection, 1)
    with pytest.raises(ContentDisallowed, match="pickle"):
        got[0].decode()
    got[0].accept = ["pickle"]
    assert got[0].payload is got[0].payload
    assert got[0].payload == {"n": 1}


def test_accept(connection: Connection) -> None:
    got: list[Any] = []
    with connection.Consumer(QUEUE, callbacks=[lambda body, _: got.append(body)], accept=["json", "pickle"]):
        publish(connection, [1])
        publish(connection, [2], serializer="pickle")
        drain(connection, 2)
    assert got == [[1], [2]]
    with pytest.raises(MisuseError, match="did you mean 'pickle'"):
        connection.Consumer(QUEUE, accept=["pikle"])


def test_what_cannot_be_read_is_a_dead_letter(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[Any] = []
    publish(connection, [1], serializer="pickle")
    connection.Producer().publish(b"{", routing_key="q", content_type="application/json")
    publish(connection, [3])
    with (
        connection.Consumer(QUEUE, callbacks=[lambda body, _: got.append(body)]),
        caplog.at_level(logging.ERROR),
    ):
        drain(connection, 3)
    assert got == [[3]]
    assert len(caplog.records) == 2
    reasons = [dead.reason for dead in connection.transport.dead_letters("q")]
    assert "application/x-python-serialize (pickle) is refused" in reasons[0]
    assert "the body is not application/json" in reasons[1]


def test_on_decode_error_decides(memory: Connection) -> None:
    seen: list[Exception] = []

    def decide(message: ReceivedMessage, exc: Exception) -> None:
        seen.append(exc)
        message.ack()

    memory.Producer().publish(b"{", routing_key="q", declare=[QUEUE], content_type="application/json")
    with memory.Consumer(QUEUE, callbacks=[lambda *_: None], on_decode_error=decide):
        drain(memory, 1)
    assert isinstance(seen[0], DecodeError)
    assert memory.transport.dead_letters("q") == []


def test_errors_of_a_callback_reach_the_caller(memory: Connection) -> None:
    def fail(_body: Any, _message: ReceivedMessage) -> None:
        raise ZeroDivisionError

    publish(memory, [1])
    with memory.Consumer(QUEUE, callbacks=[fail]) as consumer:
        with pytest.raises(ZeroDivisionError):
            drain(memory, 1)
        assert memory.transport.sizes(["q"])["q"].leased == 1
        consumer.recover()
        assert memory.transport.sizes(["q"])["q"].ready == 1
    with memory.Consumer(QUEUE), pytest.raises(MisuseError, match="neither callbacks nor on_message"):
        drain(memory, 1)


def test_settling(connection: Connection) -> None:
    got: list[ReceivedMessage] = []
    publish(connection, "a", "b", "c", "d")
    with connection.Consumer(QUEUE, on_message=got.append):
        drain(connection, 4)
        got[0].ack()
        got[1].reject()
        got[2].requeue()
        got[3].reject(requeue=True)
        for message in got:
            with pytest.raises(MessageStateError, match="before"):
                message.ack()
        drain(connection, 2)
    assert sorted(message.payload for message in got[4:]) == ["c", "d"]
    assert {message.attempt for message in got[4:]} == {2}
    assert all(message.delivery_info["redelivered"] for message in got[4:])


def test_log_error_variants(memory: Connection, caplog: pytest.LogCaptureFixture) -> None:
    got: list[ReceivedMessage] = []
    publish(memory, "a", "b")
    with memory.Consumer(QUEUE, on_message=got.append):
        drain(memory, 2)
    log = logging.getLogger("test")
    got[0].ack_log_error(log)
    got[1].reject_log_error(log)
    assert not caplog.records
    got[0].ack_log_error(log)
    got[1].reject_log_error(log)
    assert [record.levelname for record in caplog.records] == ["CRITICAL"] * 2


def test_no_ack_of_consumer_or_queue(connection: Connection) -> None:
    publish(connection, "a", "b")
    with connection.Consumer(QUEUE, no_ack=True, on_message=lambda _: None):
        drain(connection, 1)
    with connection.Consumer(Queue("q", no_ack=True), on_message=lambda _: None):
        drain(connection, 1)
    size = connection.transport.sizes(["q"])["q"]
    assert (size.ready, size.leased) == (0, 0)


def test_prefetch_of_a_single_consumer(connection: Connection) -> None:
    got: list[ReceivedMessage] = []
    publish(connection, *range(4))
    with connection.Consumer(QUEUE, on_message=got.append, prefetch_count=2) as consumer:
        drain(connection, 2)
        assert nothing_comes(connection)
        got[0].ack()
        drain(connection, 1)
        assert nothing_comes(connection)
        consumer.qos(prefetch_count=3)
        drain(connection, 1)
        with pytest.raises(MisuseError, match="prefetch_count only"):
            consumer.qos(prefetch_size=1)
    assert [message.payload for message in got] == [0, 1, 2, 3]


def test_prefetch_of_one_does_not_hold_back_another(connection: Connection) -> None:
    narrow: list[ReceivedMessage] = []
    wide: list[ReceivedMessage] = []
    publish(connection, *range(3), queue="a")
    publish(connection, *range(3), queue="b")
    with (
        connection.Consumer(Queue("a"), on_message=narrow.append, prefetch_count=1),
        connection.Consumer(Queue("b"), on_message=wide.append),
    ):
        drain(connection, 4)
        assert nothing_comes(connection)
        assert (len(narrow), len(wide)) == (1, 3)
        narrow[0].ack()
        drain(connection, 1)
        assert [message.payload for message in narrow] == [0, 1]


def test_without_prefetch_there_is_no_bound(memory: Connection) -> None:
    got: list[ReceivedMessage] = []
    publish(memory, *range(300))
    with memory.Consumer(QUEUE, on_message=got.append):
        drain(memory, 300)
    assert [message.payload for message in got] == list(range(300))


def test_two_consumers_of_one_queue_take_turns(memory: Connection) -> None:
    one: list[ReceivedMessage] = []
    two: list[ReceivedMessage] = []
    publish(memory, *range(4))
    with memory.Consumer(QUEUE, on_message=one.append), memory.Consumer(QUEUE, on_message=two.append):
        drain(memory, 4)
    assert (len(one), len(two)) == (2, 2)


def test_several_queues_and_cancelling_one(connection: Connection) -> None:
    got: list[ReceivedMessage] = []
    with connection.Consumer([Queue("a"), Queue("b")], on_message=got.append, no_ack=True) as consumer:
        assert [queue.name for queue in consumer.queues] == ["a", "b"]
        publish(connection, 1, queue="a")
        publish(connection, 2, queue="b")
        drain(connection, 2)
        assert consumer.consuming_from("a")
        consumer.cancel_by_queue("a")
        assert not consumer.consuming_from("a")
        publish(connection, 3, queue="a")
        assert nothing_comes(connection)
        consumer.add_queue(Queue("c"))
        publish(connection, 4, queue="c")
        drain(connection, 1)
    publish(connection, 5, queue="b")
    assert nothing_comes(connection)
    assert sorted(message.payload for message in got) == [1, 2, 4]


def test_flow_pauses_and_goes_on(memory: Connection) -> None:
    got: list[ReceivedMessage] = []
    with memory.Consumer(QUEUE, on_message=got.append) as consumer:
        consumer.flow(False)
        publish(memory, 1)
        assert nothing_comes(memory)
        consumer.flow(True)
        drain(memory, 1)
    assert len(got) == 1


def test_declares_its_queues(connection: Connection) -> None:
    exchange = Exchange("logs", "fanout")
    consumer = connection.Consumer([Queue("a", exchange), Queue("b", exchange)], no_ack=True)
    got: list[Any] = []
    consumer.register_callback(lambda body, message: got.append((message.queue, body)))
    with consumer:
        connection.Producer(exchange=exchange, serializer="json").publish({"level": "info"})
        drain(connection, 2)
    assert sorted(got) == [("a", {"level": "info"}), ("b", {"level": "info"})]
    assert consumer.purge() == 0


def test_without_auto_declare(memory: Connection) -> None:
    Consumer(memory, QUEUE, auto_declare=False)
    assert memory.transport.queues() == []


def test_revive_on_another_channel(memory: Connection) -> None:
    got: list[ReceivedMessage] = []
    with memory.Consumer(QUEUE, on_message=got.append) as consumer:
        other = memory.channel()
        consumer.revive(other)
        publish(memory, 1)
        drain(memory, 1)
    assert got[0].channel is other


def test_compressed_and_corrupt(memory: Connection) -> None:
    got: list[ReceivedMessage] = []
    memory.Producer().publish(
        b"garbage", routing_key="q", declare=[QUEUE], headers={"compression": "application/x-gzip"}
    )
    with memory.Consumer(QUEUE, on_message=got.append):
        drain(memory, 1)
    with pytest.raises(DecodeError, match="application/x-gzip"):
        got[0].payload  # noqa: B018  # the access is the test

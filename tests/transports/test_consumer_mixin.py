"""Consumer programs: run until told to stop, through failures of the broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from cicely_transports import Channel, Connection, Consumer, ConsumerMixin, ConsumerProducerMixin, Queue
from cicely_transports.errors import OperationalError
from cicely_transports.received import ReceivedMessage

QUEUE = Queue("q")


class Program(ConsumerMixin):
    restart_interval = 0.01

    def __init__(self, connection: Connection, stop_after: int) -> None:
        self.connection = connection
        self.stop_after = stop_after
        self.got: list[Any] = []
        self.log: list[str] = []

    def get_consumers(self, Consumer: Callable[..., Consumer], channel: Channel) -> Sequence[Consumer]:
        return [Consumer(QUEUE, callbacks=[self.on_task])]

    def on_task(self, body: Any, message: ReceivedMessage) -> None:
        self.got.append(body)
        message.ack()
        self.should_stop = len(self.got) >= self.stop_after

    def on_connection_revived(self) -> None:
        self.log.append("revived")

    def on_consume_ready(
        self, connection: Any, channel: Channel, consumers: Sequence[Consumer], **kwargs: Any
    ) -> None:
        self.log.append(f"ready {len(consumers)} {kwargs}")

    def on_consume_end(self, connection: Any, channel: Channel) -> None:
        super().on_consume_end(connection, channel)
        self.log.append("end")

    @contextmanager
    def extra_context(self, connection: Any, channel: Channel) -> Iterator[None]:
        self.log.append("entered")
        yield
        self.log.append("left")


def put(connection: Connection, *bodies: Any) -> None:
    for body in bodies:
        connection.Producer(serializer="json").publish(body, routing_key="q", declare=[QUEUE])


def test_run_until_it_should_stop(connection: Connection) -> None:
    put(connection, 1, 2, 3)
    program = Program(connection, stop_after=2)
    program.run(token=5)
    assert program.got == [1, 2]
    assert program.log == ["revived", "entered", "ready 1 {'token': 5}", "end", "left"]
    assert connection.transport.sizes(["q"])["q"].ready == 1


def test_stopped_from_another_thread(memory: Connection) -> None:
    ready = threading.Event()

    class Waiting(Program):
        def on_iteration(self) -> None:
            ready.set()

    program = Waiting(memory, stop_after=1)
    thread = threading.Thread(target=program.run)
    thread.start()
    assert ready.wait(30)
    program.should_stop = True
    thread.join(30)
    assert not thread.is_alive()


def test_connects_again_after_a_failure(connection: Connection) -> None:
    class Unlucky(Program):
        failures = 2

        def on_iteration(self) -> None:
            if self.failures:
                self.failures -= 1
                raise OperationalError("broken pipe")

    put(connection, 1)
    program = Unlucky(connection, stop_after=1)
    program.run()
    assert program.got == [1]
    assert program.log.count("revived") == 3


def test_other_errors_end_it(memory: Connection) -> None:
    class Wrong(Program):
        def on_task(self, body: Any, message: ReceivedMessage) -> None:
            raise ZeroDivisionError

    put(memory, 1)
    program = Wrong(memory, stop_after=1)
    with pytest.raises(ZeroDivisionError):
        program.run()
    assert "end" in program.log
    assert memory.transport.sizes(["q"])["q"].ready == 1


def test_consume_with_limit_and_timeout(memory: Connection) -> None:
    put(memory, 1, 2, 3)
    program = Program(memory, stop_after=99)
    assert len(list(program.consume(limit=2))) == 2
    with pytest.raises(TimeoutError):
        list(program.consume(limit=None, timeout=0.05, safety_interval=0.02))
    assert program.got == [1, 2, 3]


def test_undecodable_messages_are_dead_letters(memory: Connection) -> None:
    memory.Producer().publish(b"{", routing_key="q", declare=[QUEUE], content_type="application/json")
    put(memory, 2)
    program = Program(memory, stop_after=1)
    program.run()
    assert program.got == [2]
    assert len(memory.transport.dead_letters("q")) == 1


def test_with_a_producer(memory: Connection) -> None:
    class Echo(ConsumerProducerMixin, Program):
        def on_task(self, body: Any, message: ReceivedMessage) -> None:
            self.producer.publish(body, routing_key="echo", declare=[Queue("echo")], serializer="json")
            super().on_task(body, message)

    put(memory, [1])
    Echo(memory, stop_after=1).run()
    assert memory.SimpleQueue(Queue("echo")).get(timeout=5).payload == [1]


def test_get_consumers_must_be_defined(memory: Connection) -> None:
    class Lazy(ConsumerMixin):
        connection = memory

    with pytest.raises(NotImplementedError, match="Lazy must define get_consumers"):
        Lazy().run()
    with Lazy().maybe_conn_error():
        raise OperationalError("ignored")

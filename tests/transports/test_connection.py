"""Connections: made from URLs, lazy, ended whole."""

from __future__ import annotations

import pickle
import threading
import uuid
from typing import Any

import pytest

from cicely_transports import Connection, ConnectionPool, Exchange, Queue
from cicely_transports import connection as connection_module
from cicely_transports.errors import (
    ClosedError,
    InvalidURL,
    MisuseError,
    OperationalError,
    RetryableError,
    UnknownOption,
    UnknownTransport,
)
from cicely_transports.received import ReceivedMessage
from cicely_transports.spi import Verdict


def test_nothing_is_opened_before_the_first_use() -> None:
    connection = Connection("nosuchscheme://host")
    assert not connection.connected
    with pytest.raises(UnknownTransport):
        connection.connect()


def test_context_manager(broker_url: str) -> None:
    with Connection(broker_url) as connection:
        assert connection.connect() is connection.transport is connection.connection
        opened = connection.connected
    assert opened
    assert not connection.connected
    connection.close()
    with pytest.raises(ClosedError):
        connection.connect()


def test_parts_given_beside_the_url() -> None:
    connection = Connection(
        "localhost", transport="redis", userid="me", password="secret", port=7, virtual_host="3"
    )
    assert connection.as_uri() == "redis://me:**@localhost:7/3"
    assert connection.as_uri(include_password=True) == "redis://me:secret@localhost:7/3"
    assert (connection.host, connection.userid, connection.virtual_host) == ("localhost:7", "me", "3")
    assert Connection(transport="memory").as_uri() == "memory://"
    with pytest.raises(InvalidURL, match="needs a broker URL"):
        Connection("localhost")


def test_no_display_shows_the_password() -> None:
    connection = Connection("redis://me:topsecret@h/0;redis://me:topsecret@i/0")
    shown = f"{connection!r} {connection} {connection.as_uri()} {connection.info()}"
    assert "topsecret" not in shown
    with pytest.raises(MisuseError, match="send its URL"):
        pickle.dumps(connection)


def test_info_has_the_keys_of_the_stats_reply() -> None:
    info = Connection("redis://me:x@h:6379/9", heartbeat=120.0, connect_timeout=4).info()
    assert info == {
        "hostname": "h",
        "userid": "me",
        "virtual_host": "9",
        "port": 6379,
        "insist": False,
        "ssl": False,
        "transport": "redis",
        "connect_timeout": 4,
        "transport_options": {},
        "login_method": None,
        "uri_prefix": None,
        "heartbeat": 120.0,
        "failover_strategy": "round-robin",
        "alternates": [],
    }


def test_unknown_keywords_and_options() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'transport_options'"):
        Connection("memory://", transport_option={})
    with pytest.raises(InvalidURL, match="memory transport has no option 'connect_timeout'"):
        Connection("memory://", connect_timeout=1).connect()
    with pytest.raises(InvalidURL, match="'nonsense'"):
        Connection("memory://", transport_options={"nonsense": 1}).connect()


def test_several_urls() -> None:
    expected = "redis://:**@a;redis://:**@b"
    assert Connection(["redis://:x@a", "redis://:x@b"]).as_uri() == expected
    assert Connection("redis://a", password="x", alternates=["redis://b"]).as_uri() == expected
    assert Connection("redis://a;redis://b").info()["alternates"] == ["redis://b"]
    with pytest.raises(InvalidURL, match="no failover"):
        Connection("memory://a;memory://b").connect()
    with pytest.raises(InvalidURL, match="no option 'failover'"):
        Connection("memory://a", failover_strategy="shuffle").connect()


def test_exchange_types(memory: Connection) -> None:
    assert memory.supports_exchange_type("topic")
    assert not memory.supports_exchange_type("x-delayed-message")


def test_clone_reaches_the_same_broker(connection: Connection) -> None:
    queue = connection.SimpleQueue("q")
    queue.put({"a": 1}, serializer="json")
    with connection.clone() as other:
        assert other == connection
        assert other is not connection
        assert other.SimpleQueue("q").get(timeout=5).payload == {"a": 1}
    assert connection.clone(hostname="memory://else") != connection


def test_drain_events_times_out(connection: Connection) -> None:
    with connection.Consumer(Queue("q")), pytest.raises(TimeoutError, match=r"for 0\.01 s"):
        connection.drain_events(timeout=0.01)


def test_drain_events_without_consumers_waits_no_longer_than_it_should(memory: Connection) -> None:
    with pytest.raises(TimeoutError):
        memory.drain_events(timeout=0.01)


def test_close_gives_back_what_is_not_settled(connection: Connection) -> None:
    got: list[ReceivedMessage] = []
    with connection.clone() as first:
        consumer = first.Consumer(Queue("q"), on_message=got.append)
        first.Producer().publish({"n": 1}, routing_key="q", serializer="json")
        with consumer:
            first.drain_events(timeout=5)
        assert not got[0].acknowledged
    again = connection.SimpleQueue(Queue("q")).get(timeout=5)
    assert again.payload == {"n": 1}
    assert again.delivery_info["redelivered"]
    assert again.attempt == 2
    with pytest.raises(MisuseError, match="given back before"):
        got[0].ack()


def test_close_of_a_channel_gives_back_its_messages_only(memory: Connection) -> None:
    got: list[ReceivedMessage] = []
    one, two = memory.channel(), memory.channel()
    for channel, name in ((one, "a"), (two, "b")):
        memory.Consumer(Queue(name), channel, on_message=got.append).consume()
        memory.Producer().publish(b"x", routing_key=name)
    memory.drain_events(timeout=5)
    memory.drain_events(timeout=5)
    one.close()
    assert memory.transport.sizes(["a", "b"])["a"].ready == 1
    next(message for message in got if message.queue == "b").ack()
    with pytest.raises(TimeoutError):
        memory.drain_events(timeout=0.01)


def test_leave_no_thread_behind(broker_url: str) -> None:
    before = set(threading.enumerate())
    with Connection(broker_url) as connection:
        queue = connection.SimpleQueue("q")
        queue.put("x")
        queue.get(timeout=5)
        assert any(thread.name == "cicely-leases" for thread in set(threading.enumerate()) - before)
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "cicely-leases"]


def test_connection_errors_tell_what_may_pass(memory: Connection) -> None:
    assert memory.connection_errors == (RetryableError,)
    assert memory.channel_errors == ()


def test_ensure_connection_tries_again(memory: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OperationalError("down"), OperationalError("still down")]
    sizes = memory.transport.sizes

    def flaky(queues: Any) -> Any:
        if failures:
            raise failures.pop(0)
        return sizes(queues)

    monkeypatch.setattr(memory.transport, "sizes", flaky)
    seen: list[tuple[str, float]] = []
    memory.ensure_connection(
        lambda exc, wait: seen.append((str(exc), wait)), interval_start=0.0, interval_step=0.001
    )
    assert seen == [("down", 0.0), ("still down", 0.001)]


def test_ensure_wraps_a_function(memory: Connection) -> None:
    calls: list[int] = []

    def work(value: int) -> int:
        calls.append(value)
        if len(calls) < 3:
            raise OperationalError("down")
        return value

    assert memory.ensure(None, work, interval_step=0.0)(7) == 7
    assert calls == [7, 7, 7]
    with pytest.raises(UnknownOption, match="did you mean 'max_retries'"):
        memory.ensure(None, work, max_retrys=1)


def test_rejected_messages_are_dead_letters(connection: Connection) -> None:
    queue = connection.SimpleQueue("q")
    queue.put("x")
    queue.get(timeout=5).reject(reason="no good")
    (dead,) = connection.transport.dead_letters("q")
    assert dead.reason == "no good"
    assert Verdict.DEAD.value == "dead"


def test_names_that_users_import() -> None:
    assert connection_module.ConnectionPool is ConnectionPool
    name = f"memory://{uuid.uuid4().hex}"
    with Connection(name) as connection:
        assert isinstance(connection.Pool(2), ConnectionPool)
        assert Exchange("e")(connection).is_bound

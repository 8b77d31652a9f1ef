"""Pools: bounded, patient for a bounded time, empty after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from cicely_transports import Connection, ConnectionPool, ProducerPool, Queue
from cicely_transports.errors import ClosedError, MisuseError, RetryableError
from cicely_transports.pools import LimitExceeded


@pytest.fixture
def pool(memory: Connection) -> Iterator[ConnectionPool[Connection]]:
    with memory.Pool(limit=2) as pool:
        yield pool


def test_release_brings_it_back(pool: ConnectionPool[Connection]) -> None:
    first = pool.acquire()
    first.connect()
    first.release()
    assert first.connected
    with pool.acquire() as again:
        assert again is first
    with pool.acquire() as once_more:
        assert once_more is first


def test_limit(pool: ConnectionPool[Connection]) -> None:
    taken = [pool.acquire(), pool.acquire()]
    with pytest.raises(LimitExceeded, match="all 2 of the pool are in use"):
        pool.acquire()
    with pytest.raises(pool.LimitExceeded):
        pool.acquire(block=True, timeout=0.01)
    assert issubclass(LimitExceeded, RetryableError)
    taken[0].release()
    assert pool.acquire() is taken[0]
    with pytest.raises(MisuseError, match="at least 1"):
        ConnectionPool(taken[0], 0)


def test_a_waiter_gets_what_is_released(pool: ConnectionPool[Connection]) -> None:
    first, _second = pool.acquire(), pool.acquire()
    got: list[Connection] = []
    waiting = threading.Thread(target=lambda: got.append(pool.acquire(block=True, timeout=30)))
    waiting.start()
    first.release()
    waiting.join(30)
    assert got == [first]


def test_releasing_twice_counts_once(pool: ConnectionPool[Connection]) -> None:
    first = pool.acquire()
    first.release()
    first.release()
    assert pool.acquire() is first
    assert pool.acquire() is not first


def test_replace_makes_room(pool: ConnectionPool[Connection]) -> None:
    first, _second = pool.acquire(), pool.acquire()
    first.connect()
    pool.replace(first)
    assert not first.connected
    assert pool.acquire() is not first


def test_close(memory: Connection) -> None:
    pool = memory.Pool()
    idle, busy = pool.acquire(), pool.acquire()
    for connection in (idle, busy):
        connection.connect()
    idle.release()
    pool.force_close_all()
    pool.close()
    assert not idle.connected
    busy.release()
    assert not busy.connected
    with pytest.raises(ClosedError):
        pool.acquire()


def test_acquire_channel(pool: ConnectionPool[Connection]) -> None:
    connection, channel = pool.acquire_channel()
    assert channel is connection.default_channel
    connection.release()


def test_producer_pool(memory: Connection) -> None:
    with memory.Pool(limit=1) as connections, ProducerPool(connections) as producers:
        assert producers.limit == 1
        with producers.acquire(block=True) as producer:
            producer.publish({"n": 1}, routing_key="q", declare=[Queue("q")], serializer="json")
            with pytest.raises(LimitExceeded):
                producers.acquire()
        with producers.acquire() as again:
            assert again is producer
    assert memory.SimpleQueue(Queue("q")).get(timeout=5).payload == {"n": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_starts_with_an_empty_pool(pool: ConnectionPool[Connection]) -> None:
    made = pool.acquire()
    made.connect()
    made.release()
    child = os.fork()
    if child == 0:
        fresh = pool.acquire()
        os._exit(0 if fresh is not made and fresh.connect() is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert pool.acquire() is made

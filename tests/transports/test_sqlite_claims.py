"""Rows of the SQLite broker: order, fencing, large bodies, expiry, and claims that stay fast."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import Clock, bodies, done, drain, publish, send

from cicely_transports.spi import QueueSize, Settlement, Tag, Verdict
from cicely_transports.sqlite import SQLiteTransport
from cicely_transports.sqlite.claiming import SWEEPS, SWEPT
from cicely_transports.sqlite.schema import INLINE_BODY


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transport(tmp_path: Path, clock: Clock) -> Iterator[SQLiteTransport]:
    transport = SQLiteTransport(str(tmp_path / "broker.db"), clock=clock)
    yield transport
    transport.close()


def rows(transport: SQLiteTransport, sql: str) -> list[tuple[object, ...]]:
    with transport.store._connections.reading() as connection:  # type: ignore[attr-defined]  # the tables themselves
        found: list[tuple[object, ...]] = connection.execute(sql).fetchall()
    return found


def steps(transport: SQLiteTransport, queue: str) -> int:
    """Instructions of SQLite's machine that one claim of at most four takes."""
    receiver = transport.receiver([queue], credit=4, lease=0)
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    connections = transport.store._connections  # type: ignore[attr-defined]  # to count inside
    with connections.writing() as connection:
        connection.set_progress_handler(tick, 1)
    assert len(receiver.receive(4, 0)) == 4
    with connections.writing() as connection:
        connection.set_progress_handler(None, 0)
    return count


def test_a_claim_costs_the_same_beside_a_mass_of_delayed_and_leased_rows(
    transport: SQLiteTransport, clock: Clock
) -> None:
    publish(transport, *[send(queue="small") for _ in range(4)])
    alone = steps(transport, "small")
    for priority in (9, 0):
        delayed = [send(queue="big", priority=priority, not_before=clock.now + 99) for _ in range(3000)]
        publish(transport, *delayed)
    publish(transport, *[send(queue="big", priority=9) for _ in range(3000)])
    assert len(transport.receiver(["big"], credit=3000, lease=60).receive(3000, 0)) == 3000
    publish(transport, *[send(queue="big") for _ in range(4)])
    assert steps(transport, "big") <= alone * 1.2


def test_order_over_priorities_suspects_and_times(transport: SQLiteTransport, clock: Clock) -> None:
    receiver = transport.receiver(["q"], credit=100, lease=10)
    publish(transport, send(b"returned"), send(b"lapsed", priority=5))
    lapsed, returned = receiver.receive(2, 0)
    assert receiver.settle([Settlement(returned.tag, Verdict.RETURN)]) == []
    clock.advance(5)
    publish(transport, send(b"early", priority=5), send(b"urgent", priority=12), send(b"low", priority=-3))
    clock.advance(5)
    publish(transport, send(b"late", priority=5))
    order = [b"urgent", b"early", b"lapsed", b"late", b"returned", b"low"]
    assert bodies(receiver.receive(6, 0)) == order
    assert receiver.settle([done(lapsed)]) == [lapsed.tag]


def test_large_bodies_have_a_table_of_their_own(transport: SQLiteTransport) -> None:
    small, large = b"s" * INLINE_BODY, b"l" * (INLINE_BODY + 1)
    publish(transport, send(small), send(large), send(b"x"))
    assert rows(transport, "SELECT length(data) FROM cicely_message_body") == [(INLINE_BODY + 1,)]
    receiver = transport.receiver(["q"], credit=10, lease=10)
    first, second, third = receiver.receive(3, 0)
    assert bodies([first, second, third]) == [small, large, b"x"]
    assert (
        receiver.settle([done(first), Settlement(second.tag, Verdict.DEAD, reason="why"), done(third)]) == []
    )
    (letter,) = transport.dead_letters("q")
    assert letter.message.body == large
    assert transport.requeue_dead("q") == 1
    assert drain(transport, "q") == [large]
    assert rows(transport, "SELECT * FROM cicely_message_body") == []


@pytest.mark.parametrize("how", ["purge", "delete", "expire", "purge_dead"])
def test_large_bodies_go_with_their_messages(transport: SQLiteTransport, clock: Clock, how: str) -> None:
    publish(transport, send(b"x" * 5000, expires_at=clock.now + 5))
    if how == "purge":
        assert transport.purge("q") == 1
    elif how == "delete":
        transport.delete(queues=["q"])
    elif how == "expire":
        clock.advance(5)
        assert drain(transport, "q") == []
    else:
        receiver = transport.receiver(["q"], credit=1, lease=9)
        receiver.settle([Settlement(receiver.receive(1, 0)[0].tag, Verdict.DEAD)])
        assert transport.purge_dead("q") == 1
    assert rows(transport, "SELECT * FROM cicely_message") == []
    assert rows(transport, "SELECT * FROM cicely_message_body") == []


def test_a_reused_row_id_does_not_revive_an_old_tag(transport: SQLiteTransport) -> None:
    receiver = transport.receiver(["q"], credit=10, lease=10)
    publish(transport, send(b"old"))
    (old,) = receiver.receive(1, 0)
    assert receiver.settle([done(old)]) == []
    publish(transport, send(b"new"))
    (new,) = receiver.receive(1, 0)
    assert isinstance(old.tag, tuple)
    assert isinstance(new.tag, tuple)
    assert new.tag[0] == old.tag[0], "SQLite no longer reuses ids: this test tests nothing"
    assert receiver.settle([done(old)]) == [old.tag]
    assert receiver.extend([old.tag], 10) == [old.tag]
    assert receiver.settle([done(new)]) == []


@pytest.mark.parametrize("tag", ["text", 5, (1,), (1, "x"), (1, 2, 3), None, (None, None), b"bytes"])
def test_foreign_tags_are_refused(transport: SQLiteTransport, tag: Tag) -> None:
    publish(transport, send(b"1"))
    receiver = transport.receiver(["q"], credit=10, lease=10)
    (held,) = receiver.receive(1, 0)
    for verdict in Verdict:
        assert receiver.settle([Settlement(tag, verdict)]) == [tag]
    assert receiver.extend([tag, held.tag], 10) == [tag]
    assert receiver.settle([Settlement(tag, Verdict.DONE), done(held)]) == [tag]
    assert drain(transport, "q") == []


def test_a_mass_of_expired_messages(transport: SQLiteTransport, clock: Clock) -> None:
    count = SWEPT * (SWEEPS + 1) + 100
    publish(transport, *[send(expires_at=clock.now + 5) for _ in range(count)])
    publish(transport, send(b"valid"))
    clock.advance(5)
    receiver = transport.receiver(["q"], credit=10, lease=10)
    assert receiver.receive(1, 0) == [], "one claim sweeps no more than its share"
    assert bodies(receiver.receive(1, 5)) == [b"valid"]
    assert transport.sizes(["q"]) == {"q": QueueSize(leased=1)}


def test_expired_messages_that_nobody_consumes_go_too(transport: SQLiteTransport, clock: Clock) -> None:
    publish(transport, send(queue="unread", expires_at=clock.now + 5))
    clock.advance(5)
    assert transport.receiver(["other"], credit=1, lease=10).receive(1, 0) == []
    assert rows(transport, "SELECT * FROM cicely_message") == []


def test_claimed_message_outlives_its_expiry(transport: SQLiteTransport, clock: Clock) -> None:
    publish(transport, send(b"1", expires_at=clock.now + 5))
    receiver = transport.receiver(["q"], credit=1, lease=60)
    (held,) = receiver.receive(1, 0)
    clock.advance(10)
    assert transport.sizes(["q"])["q"].leased == 1
    assert receiver.settle([Settlement(held.tag, Verdict.DEAD, reason="late")]) == []
    clock.advance(10)
    assert transport.requeue_dead("q") == 1
    assert drain(transport, "q") == [b"1"], "a requeued letter has no expiry any more"


def test_deleting_and_purging_more_than_a_chunk(
    transport: SQLiteTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cicely_transports.sqlite.clearing.CHUNK", 10)
    for _ in range(2):
        publish(transport, *[send() for _ in range(35)])
        assert transport.purge("q") == 35
    publish(transport, *[send(b"%d" % number) for number in range(25)])
    receiver = transport.receiver(["q"], credit=99, lease=60)
    assert receiver.settle([Settlement(d.tag, Verdict.DEAD) for d in receiver.receive(99, 0)]) == []
    assert transport.requeue_dead("q") == 25
    assert drain(transport, "q") == [b"%d" % number for number in range(25)]


def test_claims_use_the_index_without_sorting(transport: SQLiteTransport) -> None:
    from cicely_transports.sqlite import claiming

    transport.queues()
    for sql in (claiming._FRONT_FRESH, claiming._FRONT_SUSPECT):
        plan = str(rows(transport, f"EXPLAIN QUERY PLAN {sql.replace('?', '1')}"))
        assert "queue=? AND lane=? AND rank=? AND visible_at<?" in plan
        assert "TEMP B-TREE" not in plan


def test_version_of_sqlite_is_the_one_that_was_tested() -> None:
    assert sqlite3.sqlite_version_info >= (3, 40)

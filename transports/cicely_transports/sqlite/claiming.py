"""Taking rows: reading the front of a queue's lines, and marking what was read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from cicely_transports.envelope import Claimed

from .schema import FRESH, SUSPECT

# With the ranks spelled out, SQLite seeks to each of them in the index and reads no row that is not
# due; the order of the index is the order wanted, so that nothing is sorted.
_RANKS = ", ".join(map(str, range(10)))
_FRONT = (
    "SELECT rank, visible_at, id, attempt, expires_at, head, body FROM cicely_message "
    "INDEXED BY cicely_message_line WHERE queue = ? AND lane = {} AND rank IN (" + _RANKS + ") "
    "AND visible_at <= ? ORDER BY rank, visible_at LIMIT ?"
)
_FRONT_FRESH = _FRONT.format(FRESH)
_FRONT_SUSPECT = _FRONT.format(SUSPECT)
_MARK = (
    f"UPDATE cicely_message SET token = ?, visible_at = ?, attempt = attempt + 1, lane = {SUSPECT} "
    "WHERE id = ?"
)
_BODY = "SELECT data FROM cicely_message_body WHERE id = ?"

_LINES = ", ".join(f"({lane}, {rank})" for lane in (FRESH, SUSPECT) for rank in range(10))
_OF_LINE = (
    "SELECT visible_at FROM cicely_message INDEXED BY cicely_message_line "
    "WHERE queue = :queue AND lane = line.column1 AND rank = line.column2"
)
_NEXT_TIMES = (
    f"SELECT min(first), min(later) FROM (SELECT ({_OF_LINE} ORDER BY visible_at LIMIT 1) AS first, "
    f"({_OF_LINE} AND visible_at > :since ORDER BY visible_at LIMIT 1) AS later "
    f"FROM (VALUES {_LINES}) AS line)"
)

#: Expired rows dropped by one statement, and statements of one claim.
SWEPT, SWEEPS = 5_000, 3
_EXPIRED = (
    "SELECT id FROM cicely_message INDEXED BY cicely_message_expiry WHERE {}expires_at IS NOT NULL "
    f"AND expires_at <= ? AND (token IS NULL OR visible_at <= ?) LIMIT {SWEPT}"
)
_DROP_EXPIRED = f"DELETE FROM cicely_message WHERE id IN ({_EXPIRED.format('queue = ? AND ')})"
_DROP_EXPIRED_ANYWHERE = f"DELETE FROM cicely_message WHERE id IN ({_EXPIRED.format('')})"

FOREVER = float("inf")


def take(
    connection: sqlite3.Connection, queue: str, limit: int, *, now: float, until: float, suspects: int
) -> list[Claimed]:
    """Claim the front of ``queue``; the caller has the write lock.

    Two statements instead of one UPDATE with RETURNING: that gives the rows in no order and only as
    they are afterwards, and the temporary tables that it takes cost more than the second statement.
    """
    rows = _front(connection, queue, limit, now, suspects)
    for _ in range(SWEEPS):
        if not [row for row in rows if row[4] is not None and row[4] <= now]:
            break
        connection.execute(_DROP_EXPIRED, (queue, now, now))
        rows = _front(connection, queue, limit, now, suspects)
    else:
        # Enough for one hold of the write lock; what is left is for the next claim.
        rows = [row for row in rows if row[4] is None or row[4] > now]
    if not rows:
        return []
    # Unique for ever, so that no tag can be mistaken for one of a later claim, even on a reused id.
    token = int.from_bytes(os.urandom(8), "big") >> 1
    connection.executemany(_MARK, [(token, until, row[2]) for row in rows])
    if [row for row in rows if row[6] is None]:
        rows = with_bodies(connection, rows)
    return [((row[2], token), row[3] + 1, row[5], row[6]) for row in rows]


def _front(
    connection: sqlite3.Connection, queue: str, limit: int, now: float, suspects: int
) -> list[tuple[Any, ...]]:
    """Up to ``limit`` rows that are due, in order, at most ``suspects`` of them claimed before."""
    rows = connection.execute(_FRONT_FRESH, (queue, now, limit)).fetchall()
    if suspects > 0:
        again = connection.execute(_FRONT_SUSPECT, (queue, now, min(limit, suspects))).fetchall()
        if again:
            # Rank, time and id come first and differ: the sort never looks at the rest.
            rows = sorted(rows + again)[:limit]
    return rows


def with_bodies(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows, ending in the body, with the large ones fetched; the id is the third column."""
    return [
        row if row[-1] is not None else (*row[:-1], connection.execute(_BODY, (row[2],)).fetchone()[0])
        for row in rows
    ]


def next_times(connection: sqlite3.Connection, queues: Sequence[str], since: float) -> tuple[float, float]:
    """When the earliest row of the queues is due, and the earliest of those due after ``since``."""
    earliest = later = FOREVER
    for queue in queues:
        found = connection.execute(_NEXT_TIMES, {"queue": queue, "since": since}).fetchone()
        earliest = min(earliest, FOREVER if found[0] is None else found[0])
        later = min(later, FOREVER if found[1] is None else found[1])
    return earliest, later


def sweep(connection: sqlite3.Connection, now: float) -> None:
    """Drop expired rows of all queues, some thousands at most."""
    connection.execute(_DROP_EXPIRED_ANYWHERE, (now, now))

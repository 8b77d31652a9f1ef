"""Dead letters: rows in the third lane, which no claim looks at."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from cicely_transports.envelope import decode_message
from cicely_transports.spi import DeadLetter

from .claiming import with_bodies
from .connections import Connections
from .schema import DEAD, FRESH

_OF_QUEUE = f"queue = ? AND lane = {DEAD}"
_READ = (
    f"SELECT attempt, visible_at, id, reason, head, body FROM cicely_message WHERE {_OF_QUEUE} "
    "{} ORDER BY visible_at, id LIMIT ?"
)
_REVIVE = (
    f"UPDATE cicely_message SET lane = {FRESH}, attempt = 0, visible_at = ?, reason = NULL WHERE {_OF_QUEUE}"
)
_DROP = f"DELETE FROM cicely_message WHERE {_OF_QUEUE}"
_BY_ID = " AND id = ?"


class LetterTable:
    """The dead letters of all queues; their ids are the ids of the rows, as text."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self, queue: str, limit: int | None, ids: Sequence[str] | None) -> list[DeadLetter]:
        """The oldest letters, or those with the ids."""
        count = -1 if limit is None else limit
        with self._connections.reading() as connection:
            if ids is None:
                rows = connection.execute(_READ.format(""), (queue, count)).fetchall()
            else:
                found = [
                    row
                    for number in _numbers(ids)
                    for row in connection.execute(_READ.format(_BY_ID), (queue, number, 1))
                ]
                rows = sorted(found, key=lambda row: row[1:3])[:limit]
            rows = with_bodies(connection, rows)
        return [
            DeadLetter(str(number), queue, decode_message(head, body), attempt, reason or "", died_at)
            for attempt, died_at, number, reason, head, body in rows
        ]

    def move(self, queue: str, ids: Sequence[str] | None, now: float) -> int:
        """Letters back into their queue, from the start. Returns how many."""
        return self._change(_REVIVE, (now, queue), ids)

    def drop(self, queue: str, ids: Sequence[str] | None) -> int:
        """Forget letters. Returns how many."""
        return self._change(_DROP, (queue,), ids)

    def _change(self, sql: str, values: tuple[Any, ...], ids: Sequence[str] | None) -> int:
        with self._connections.writing() as connection:
            if ids is None:
                return connection.execute(sql, values).rowcount
            return _count(connection, sql + _BY_ID, [(*values, number) for number in _numbers(ids)])


def _count(connection: sqlite3.Connection, sql: str, values: Sequence[tuple[Any, ...]]) -> int:
    return connection.executemany(sql, values).rowcount if values else 0


def _numbers(ids: Iterable[str]) -> list[int]:
    """The ids that can be ours."""
    return [int(text) for text in dict.fromkeys(ids) if text.isascii() and text.isdigit() and len(text) < 19]

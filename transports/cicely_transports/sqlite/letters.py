"""Dead letters: rows in the third lane, which no claim looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cicely_transports.envelope import decode_message
from cicely_transports.spi import DeadLetter

from .claiming import with_bodies
from .clearing import in_chunks
from .connections import Connections
from .schema import DEAD, FRESH

_OF_QUEUE = f"queue = ? AND lane = {DEAD}"
_READ = (
    f"SELECT attempt, visible_at, id, reason, head, body FROM cicely_message WHERE {_OF_QUEUE} "
    "{} ORDER BY visible_at, id LIMIT ?"
)
_REVIVE = f"UPDATE cicely_message SET lane = {FRESH}, attempt = 0, visible_at = ?, reason = NULL"
_DROP = "DELETE FROM cicely_message"
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
        return self._change(_REVIVE, (now,), queue, ids)

    def drop(self, queue: str, ids: Sequence[str] | None) -> int:
        """Forget letters. Returns how many."""
        return self._change(_DROP, (), queue, ids)

    def _change(self, sql: str, new: tuple[float, ...], queue: str, ids: Sequence[str] | None) -> int:
        if ids is None:
            return in_chunks(self._connections, sql, _OF_QUEUE, (queue,), new=new)
        values = [(*new, queue, number) for number in _numbers(ids)]
        if not values:
            return 0
        with self._connections.writing() as connection:
            return connection.executemany(f"{sql} WHERE {_OF_QUEUE}{_BY_ID}", values).rowcount


def _numbers(ids: Iterable[str]) -> list[int]:
    """The ids that can be ours."""
    return [int(text) for text in dict.fromkeys(ids) if text.isascii() and text.isdigit() and len(text) < 19]

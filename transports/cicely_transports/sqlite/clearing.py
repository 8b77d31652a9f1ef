"""Changing any number of rows in short transactions, so that nobody waits long for the lock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .connections import Connections

#: Rows of one transaction: some tens of milliseconds.
CHUNK = 20_000


def in_chunks(
    connections: Connections, change: str, where: str, values: Sequence[Any], *, new: Sequence[Any] = ()
) -> int:
    """Apply ``change`` (DELETE FROM or UPDATE with the values ``new``) to the messages ``where``.

    What was changed must not fit ``where`` any longer. Returns how many it were.
    """
    sql = f"{change} WHERE id IN (SELECT id FROM cicely_message WHERE {where} LIMIT {CHUNK})"
    total = 0
    while True:
        with connections.writing() as connection:
            count = connection.execute(sql, (*new, *values)).rowcount
        total += count
        if count < CHUNK:
            return total

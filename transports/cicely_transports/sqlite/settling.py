"""Ending claims: by verdict for the whole batch, one by one when a tag of it is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cicely_transports.spi import Settlement, Tag, Verdict

from .schema import DEAD, FRESH, SUSPECT

_CLAIM = "WHERE id = ? AND token = ?"
_DONE = f"DELETE FROM cicely_message {_CLAIM}"
_RETURN = (
    "UPDATE cicely_message SET token = NULL, visible_at = ?, attempt = attempt - ?, "
    f"lane = CASE WHEN attempt > ? THEN {SUSPECT} ELSE {FRESH} END {_CLAIM}"
)
_DEAD = (
    f"UPDATE cicely_message SET token = NULL, lane = {DEAD}, visible_at = ?, expires_at = NULL, reason = ? "
    f"{_CLAIM}"
)
RENEW = f"UPDATE cicely_message SET visible_at = ? {_CLAIM}"

_SQL = {Verdict.DONE: _DONE, Verdict.RETURN: _RETURN, Verdict.DEAD: _DEAD}


def settle_all(connection: sqlite3.Connection, items: Sequence[Settlement], now: float) -> bool:
    """Settle the whole batch, or nothing and say False; the caller has the write lock."""
    values: dict[Verdict, list[tuple[Any, ...]]] = {verdict: [] for verdict in Verdict}
    done = values[Verdict.DONE]
    for item in items:
        # The usual case without a call.
        if item.verdict is Verdict.DONE and type(item.tag) is tuple and len(item.tag) == 2:
            done.append(item.tag)
        elif (row := _values(item, now)) is not None:
            values[item.verdict].append(row)
    connection.execute("SAVEPOINT batch")
    ended = sum(
        connection.executemany(_SQL[verdict], rows).rowcount for verdict, rows in values.items() if rows
    )
    if ended == len(items):
        connection.execute("RELEASE batch")
        return True
    connection.execute("ROLLBACK TO batch")
    return False


def settle_each(connection: sqlite3.Connection, items: Iterable[Settlement], now: float) -> list[Tag]:
    """Settle what can be, in order; returns the tags that were refused."""
    refused = []
    for item in items:
        values = _values(item, now)
        if values is None or not connection.execute(_SQL[item.verdict], values).rowcount:
            refused.append(item.tag)
    return refused


def renewals(tags: Iterable[Tag], until: float) -> Iterator[tuple[Tag, tuple[Any, ...] | None]]:
    """Each tag with what :data:`RENEW` needs, or None if it is no tag of ours."""
    for tag in tags:
        claim = _claim(tag)
        yield tag, None if claim is None else (until, *claim)


def _values(item: Settlement, now: float) -> tuple[Any, ...] | None:
    """What the statement of the verdict needs, or None for a tag that is none of ours."""
    claim = _claim(item.tag)
    if claim is None or item.verdict is Verdict.DONE:
        return claim
    if item.verdict is Verdict.DEAD:
        return (now, item.reason or "", *claim)
    # Time zero is before everything that waits: next in line.
    visible_at = item.not_before if item.not_before is not None and item.not_before > now else 0.0
    uncounted = 0 if item.counted else 1
    return (visible_at, uncounted, uncounted, *claim)


def _claim(tag: Tag) -> tuple[int, int] | None:
    match tag:
        case (int() as row, int() as token):
            return row, token
    return None

"""Counting by the index alone."""

from __future__ import annotations

import sqlite3

from cicely_transports.spi import QueueSize

from .schema import DEAD

_COUNT = (
    f"SELECT queue, lane = {DEAD}, visible_at <= ?, token IS NOT NULL, count(*) FROM cicely_message "
    "INDEXED BY cicely_message_line GROUP BY 1, 2, 3, 4"
)


def read_sizes(connection: sqlite3.Connection, now: float) -> dict[str, QueueSize]:
    """Sizes of all queues that hold anything."""
    counts: dict[str, dict[str, int]] = {}
    for queue, dead, due, claimed, count in connection.execute(_COUNT, (now,)):
        kind = "dead" if dead else "ready" if due else "leased" if claimed else "delayed"
        sizes = counts.setdefault(queue, {})
        sizes[kind] = sizes.get(kind, 0) + count
    return {queue: QueueSize(**sizes) for queue, sizes in counts.items()}

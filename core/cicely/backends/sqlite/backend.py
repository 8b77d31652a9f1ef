"""The backend: what the SPI asks for, as statements."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from cicely.backends.location import Location
from cicely.backends.spi import ResultBackend, StoredRecord, Watch
from cicely.exceptions import BackendGetMetaError, BackendStoreError, ImproperlyConfigured

from . import schema
from .connections import Connections
from .remedies import explained
from .watch import SQLiteWatch, select

#: Expired records go as new ones come: at most so many a put, looking every so many seconds.
SWEEP_ROWS, SWEEP_EVERY = 256, 60.0
CLEANUP_ROWS = 1000


class SQLiteBackend(ResultBackend):
    """``sqlite:///path`` (relative) or ``sqlite:////path`` (absolute), in WAL mode.

    Safe for threads and processes; a fork gets connections of its own. A committed result survives the
    death of any process; ``synchronous=full`` also the loss of power.
    """

    options: Mapping[str, str] = {
        "timeout": "seconds that a statement waits for a lock (default 5)",
        "synchronous": "off, normal (default) or full: what a commit waits for",
    }

    def __init__(
        self,
        path: str,
        *,
        timeout: float = 5.0,
        synchronous: str = "normal",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._clock = clock
        self._connections = Connections(path, timeout=timeout, synchronous=synchronous)
        self._sweep_at = clock() + SWEEP_EVERY

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> Self:
        """The file is made on first use, with its directory."""
        where = Location.parse(url, options, cls.options)
        path = where.url.path
        if where.url.host is not None or not path or path == ":memory:":
            raise ImproperlyConfigured(
                f"result_backend {where.url.safe} names no file: write sqlite:///relative.db or "
                "sqlite:////absolute.db (for results in memory: memory://)"
            )
        return cls(
            str(Path(path).expanduser().absolute()),
            timeout=where.number("timeout", 5.0),
            synchronous=where.choice("synchronous", "normal", frozenset({"off", "normal", "full"})),
        )

    def put_many(self, records: Sequence[StoredRecord]) -> None:
        """See the SPI. One transaction."""
        if not records:
            return
        now = self._clock()
        rows = [(r.task_id, r.state, r.expires_at, r.payload) for r in records]
        with explained(BackendStoreError, self.path), self._connections.writing() as connection:
            stored = connection.executemany(schema.PUT_NEW, rows).rowcount
            if stored < len(rows):
                # Some ids were there. All again, in order: one batch may hold two states of one task.
                connection.executemany(schema.PUT, [(*row, row[0], now) for row in rows])
            if now >= self._sweep_at:
                swept = connection.execute(schema.SWEEP, (now, SWEEP_ROWS)).rowcount
                self._sweep_at = now if swept == SWEEP_ROWS else now + SWEEP_EVERY

    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        """See the SPI."""
        with explained(BackendGetMetaError, self.path), self._connections.reading() as connection:
            return select(connection, task_ids, self._clock())

    def watch(self, task_ids: Sequence[str]) -> Watch:
        """See the SPI."""
        return SQLiteWatch(self._connections, task_ids, self._clock)

    def forget(self, task_ids: Sequence[str]) -> None:
        """See the SPI."""
        with explained(BackendStoreError, self.path), self._connections.writing() as connection:
            connection.executemany(schema.FORGET, [(task_id,) for task_id in task_ids])

    def save_group(self, group_id: str, payload: bytes, expires_at: float | None) -> None:
        """See the SPI."""
        with explained(BackendStoreError, self.path), self._connections.writing() as connection:
            connection.execute(schema.PUT_GROUP, (group_id, expires_at, payload))

    def load_group(self, group_id: str) -> bytes | None:
        """See the SPI."""
        with explained(BackendGetMetaError, self.path), self._connections.reading() as connection:
            row = connection.execute(schema.GET_GROUP, (group_id, self._clock())).fetchone()
        return row[0] if row else None

    def forget_group(self, group_id: str) -> None:
        """See the SPI."""
        with explained(BackendStoreError, self.path), self._connections.writing() as connection:
            connection.execute(schema.FORGET_GROUP, (group_id,))

    def cleanup(self, now: float) -> int:
        """See the SPI. Finds without a lock and deletes in small transactions: nobody waits for long."""
        removed = 0
        with explained(BackendStoreError, self.path):
            while True:
                with self._connections.reading() as connection:
                    found = connection.execute(schema.EXPIRED, (now, CLEANUP_ROWS)).fetchall()
                with self._connections.writing() as connection:
                    rows = [(seq, now) for (seq,) in found]
                    removed += connection.executemany(schema.DELETE_EXPIRED, rows).rowcount if rows else 0
                    if len(found) < CLEANUP_ROWS:
                        removed += connection.execute(schema.DELETE_EXPIRED_GROUPS, (now,)).rowcount
                        return removed

    def close(self) -> None:
        """See the SPI."""
        self._connections.close()

"""Waiting for results by polling SQLite's change counter, which any process's commit moves."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence

from cicely.backends.spi import Watch
from cicely.exceptions import BackendGetMetaError

from .connections import Connections
from .remedies import explained
from .schema import CHANGED_IDS, CHUNK, NEWEST, select_ids

#: Pauses in seconds between two looks: a twentieth of the wait so far, within these bounds.
MIN_PAUSE, MAX_PAUSE = 0.0005, 0.01

#: With more watched ids than this, the changed rows are listed instead of asking for each id.
MANY = 100


class SQLiteWatch(Watch):
    """Holds one connection from the first :meth:`wait` to :meth:`close`."""

    def __init__(self, connections: Connections, ids: Sequence[str], clock: Callable[[], float]) -> None:
        self._connections = connections
        self._ids = list(dict.fromkeys(ids))
        self._wanted = frozenset(ids)
        self._clock = clock
        self._held: tuple[sqlite3.Connection, int] | None = None
        self._version = -1
        self._seen = 0
        self._since = time.monotonic()

    def wait(self, timeout: float) -> Mapping[str, bytes]:
        """See the SPI. An idle wait costs one PRAGMA (some microseconds) a hundred times a second."""
        deadline = time.monotonic() + timeout
        with explained(BackendGetMetaError, self._connections.path):
            connection = self._connection()
            while True:
                (version,) = connection.execute("PRAGMA data_version").fetchone()
                if version != self._version:
                    self._version = version
                    if news := self._news(connection):
                        self._since = time.monotonic()
                        return news
                now = time.monotonic()
                if now >= deadline:
                    return {}
                pause = min(max((now - self._since) / 20, MIN_PAUSE), MAX_PAUSE)
                time.sleep(min(pause, deadline - now))

    def close(self) -> None:
        """See the SPI."""
        held, self._held = self._held, None
        if held is not None:
            self._connections.release(*held)

    def _connection(self) -> sqlite3.Connection:
        if self._held is not None and self._held[1] != os.getpid():
            self.close()
        if self._held is None:
            self._held = self._connections.acquire(), os.getpid()
            # The counter counts within one connection only.
            self._version = -1
        return self._held[0]

    def _news(self, connection: sqlite3.Connection) -> dict[str, bytes]:
        seen = self._seen
        connection.execute("BEGIN")  # one snapshot, so that no change falls between the statements
        try:
            (newest,) = connection.execute(NEWEST).fetchone()
            news = select(connection, self._candidates(connection), self._clock(), seen)
        finally:
            connection.execute("COMMIT")
        self._seen = max(seen, newest)
        return news

    def _candidates(self, connection: sqlite3.Connection) -> Sequence[str]:
        if not self._seen or len(self._ids) <= MANY:
            return self._ids
        rows = connection.execute(CHANGED_IDS, (self._seen,))
        return [task_id for (task_id,) in rows if task_id in self._wanted]


def select(
    connection: sqlite3.Connection, ids: Sequence[str], now: float, after: int = 0
) -> dict[str, bytes]:
    """Payloads by id of those that are there, have not expired and changed after that ``seq``."""
    found: dict[str, bytes] = {}
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        found.update(connection.execute(select_ids(len(chunk)), (*chunk, now, after)))
    return found

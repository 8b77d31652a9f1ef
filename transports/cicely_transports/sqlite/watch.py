"""Noticing what others write: polling ``PRAGMA data_version``, quickly after news, slowly later.

The pragma reads one counter in shared memory: a few microseconds, no disk. It tells of commits by any
other connection, in this process or another (https://sqlite.org/pragma.html#pragma_data_version).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from .connections import Connections
from .remedies import explain

#: Seconds between polls: right after news, and after a while without. A process that wakes up now and
#: then finds its caches cold: a poll costs about 0.1 ms of CPU then, so this keeps below 1 %.
QUICKEST, SLOWEST = 0.001, 0.017
#: The pause between polls is this part of the time since the last news.
PACE = 0.1

#: Gives when the earliest row is due, and the earliest of those due later than the argument.
Probe = Callable[[float], tuple[float, float]]


class Watch:
    """Waits for commits, for times and for :meth:`wake`. One connection serves all waiting threads.

    Each thread remembers what it had seen when its last wait ended: what happens after that, before
    or while it claims, ends its next wait at once, and nothing slips through between the two.
    """

    def __init__(self, connections: Connections, clock: Callable[[], float]) -> None:
        self._connections = connections
        self._clock = clock
        self._polling = threading.Lock()
        self._cursor: sqlite3.Cursor | None = None
        self._data_version = -1
        self._commits = 0
        self._last_news = 0.0
        self._calling = threading.Lock()
        self._calls = 0
        #: One held lock for each thread that pauses; releasing it ends the pause. Half the cost of a
        #: condition variable.
        self._pauses: set[threading.Lock] = set()
        self._closed = False
        self._seen = threading.local()

    def wait(self, probe: Probe, timeout: float) -> None:
        """Return when a row may be had that could not be when this thread waited last.

        A row that was there before does not end a wait: whoever left it had a reason, and would
        otherwise be asked again without a pause. A thread's first wait returns at once.
        """
        deadline = time.monotonic() + timeout
        seen_calls, seen_commits, since = getattr(self._seen, "state", (-1, -1, 0.0))
        known, due = seen_commits, None
        while True:
            calls, commits = self._calls, self._poll()
            if calls != seen_calls or self._closed:
                break
            now = self._clock()
            if commits != known or due is None:
                earliest, due = probe(since)
                if commits != seen_commits and earliest <= now:
                    break
                known = commits
            left = min(deadline - time.monotonic(), due - now)
            if left <= 0:
                break
            self._pause(calls, min(left, self._interval()))
        self._seen.state = (calls, commits, self._clock())

    def stir(self) -> None:
        """Something was written here: poll now."""
        for pause in tuple(self._pauses):
            # Somebody else may have ended it already.
            with suppress(RuntimeError):
                pause.release()

    def wake(self) -> None:
        """End every wait."""
        with self._calling:
            self._calls += 1
        self.stir()

    def close(self) -> None:
        """End every wait for good, and close the connection."""
        self._closed = True
        self.wake()
        with self._polling:
            if self._cursor is not None:
                self._connections.discard(self._cursor.connection)
                self._cursor = None

    def _poll(self) -> int:
        """A number that is another one when somebody committed since."""
        with self._polling:
            if not self._closed:
                try:
                    self._read_version()
                except sqlite3.Error as exc:
                    raise explain(exc, self._connections.path) from exc
            return self._commits

    def _read_version(self) -> None:
        cursor = self._cursor
        if cursor is None or not self._connections.holds(cursor.connection):
            if cursor is not None:
                self._connections.discard(cursor.connection)
            cursor = self._cursor = self._connections.open().cursor()
            self._data_version = -1
        version = cursor.execute("PRAGMA data_version").fetchone()[0]
        if version != self._data_version:
            self._data_version = version
            self._commits += 1
            self._last_news = time.monotonic()

    def _interval(self) -> float:
        return min(SLOWEST, max(QUICKEST, PACE * (time.monotonic() - self._last_news)))

    def _pause(self, calls: int, seconds: float) -> None:
        pause = threading.Lock()
        pause.acquire()
        self._pauses.add(pause)
        try:
            if calls == self._calls:
                pause.acquire(timeout=seconds)
        finally:
            self._pauses.discard(pause)

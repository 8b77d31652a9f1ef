"""Connections to one file: opened when needed, lent for one step, closed by their owner.

A pool instead of one connection behind a lock: a thread that is killed by an exception from a signal
handler can leave a lock taken for ever, but costs a pool no more than one connection.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cicely_transports.errors import ClosedError, NotSupported, OperationalError, PublishTimeout

from .location import prepare_folder
from .remedies import explain, is_busy
from .schema import create_schema, has_schema

OLDEST_SQLITE = (3, 40, 0)
#: Idle connections that are kept; more are closed after use.
KEPT = 8
#: Pages of WAL after which a commit copies them into the database (about 8 MB).
CHECKPOINT_PAGES = 2000
#: Bytes to which the WAL file is cut when it starts over.
WAL_LIMIT = 32 * 1024 * 1024
#: Seconds between looks whether the file is still the one that was opened.
LOOK_EVERY = 1.0
#: Pauses between tries for the write lock, in seconds. SQLite's own go up to 100 ms, which under
#: load starves whoever has waited longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.0001, 0.004


class Connections:
    """Lends connections for reading or, with the write lock taken, for writing.

    ``timeout``: seconds to wait for the write lock. A file that was deleted or replaced under us is
    opened anew, instead of writing into what no other process will ever see.
    """

    def __init__(self, path: str, *, timeout: float, synchronous: str) -> None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise NotSupported(f"sqlite:// needs SQLite 3.40, this Python has {sqlite3.sqlite_version}")
        self.path = path
        self._timeout = timeout
        self._synchronous = synchronous
        self._open: set[sqlite3.Connection] = set()
        self._readers: deque[sqlite3.Connection] = deque()
        self._writers: deque[sqlite3.Connection] = deque()
        self._file: tuple[int, int] | None = None
        self._next_look = 0.0
        self._closed = False
        self._finalizer = weakref.finalize(self, _release, self._open, os.getpid())

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for queries. Raises the errors of this package only."""
        connection = self._take(self._readers)
        try:
            yield connection
        except sqlite3.Error as exc:
            raise explain(exc, self.path) from exc
        finally:
            self._give(connection, self._readers)

    @contextmanager
    def writing(self, *, publishing: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection with the write lock; commits at the end, rolls back on any exception.

        Raises OperationalError (PublishTimeout if ``publishing``) when the lock is not to be had in time.
        """
        connection = self._take(self._writers)
        try:
            self._begin(connection, publishing)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as exc:
            raise explain(exc, self.path) from exc
        finally:
            self._give(connection, self._writers)

    def open(self) -> sqlite3.Connection:
        """A connection for reading that the caller keeps, and gives to :meth:`discard`."""
        return self._take(deque())

    def discard(self, connection: sqlite3.Connection) -> None:
        """Close a connection."""
        self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        self._closed = True
        self._drop_idle()

    def holds(self, connection: sqlite3.Connection) -> bool:
        """Whether the connection leads to the file that the path leads to; asks at most every second."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            if self._file is not None and self._file != _identity(self.path):
                self._file = None
                self._drop_idle()
                # Those that are lent are closed when they come back.
                self._open.clear()
        return connection in self._open

    def _take(self, idle: deque[sqlite3.Connection]) -> sqlite3.Connection:
        if self._closed:
            raise ClosedError("this transport was closed before")
        try:
            while idle:
                connection = idle.pop()
                if self.holds(connection):
                    return connection
                self.discard(connection)
            return self._connect(waits=idle is not self._writers)
        except sqlite3.Error as exc:
            raise explain(exc, self.path) from exc

    def _give(self, connection: sqlite3.Connection, idle: deque[sqlite3.Connection]) -> None:
        stale = self._closed or connection not in self._open
        if stale or connection.in_transaction or len(idle) >= KEPT:
            self.discard(connection)
        else:
            idle.append(connection)

    def _begin(self, connection: sqlite3.Connection, publishing: bool) -> None:
        deadline = time.monotonic() + self._timeout
        pause = FIRST_PAUSE
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as exc:
                if not is_busy(exc):
                    raise
                if time.monotonic() >= deadline:
                    kind = PublishTimeout if publishing else OperationalError
                    raise kind(
                        f"{self.path} stayed locked for {self._timeout:g} s: look for a program that keeps a "
                        "transaction open on it"
                    ) from exc
            time.sleep(pause * (0.5 + random.random()))
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _connect(self, *, waits: bool) -> sqlite3.Connection:
        """Open a connection, make the tables if there are none. ``waits``: SQLite itself waits for locks."""
        prepare_folder(self.path)
        connection = sqlite3.connect(
            self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        self._open.add(connection)
        try:
            if self._file is None:
                self._prepare(connection)
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")
            if not waits:
                connection.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            self.discard(connection)
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """What has to be done once for a file."""
        self._use_wal(connection)
        if not has_schema(connection, self.path):
            self._begin(connection, publishing=False)
            try:
                if not has_schema(connection, self.path):
                    create_schema(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        self._file = _identity(self.path)

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        """Switch the file to WAL; SQLite does not wait for the lock by itself here."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
                break
            except sqlite3.OperationalError as exc:
                if not is_busy(exc) or time.monotonic() >= deadline:
                    raise
            time.sleep(LONGEST_PAUSE)
        if mode != "wal":
            raise NotSupported(f"{self.path} cannot have a write-ahead log: use a file on a local disk")

    def _drop_idle(self) -> None:
        for idle in (self._readers, self._writers):
            with suppress(IndexError):
                while True:
                    self.discard(idle.pop())


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _release(connections: set[sqlite3.Connection], pid: int) -> None:
    """Close what is left. In a forked child, keep it for ever instead: closing a connection there
    could end the parent's log (https://sqlite.org/howtocorrupt.html section 2.6).
    """
    if os.getpid() == pid:
        for connection in list(connections):
            connection.close()
        return
    import ctypes

    for connection in connections:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))

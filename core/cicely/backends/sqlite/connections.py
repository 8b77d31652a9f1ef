"""Connections to one SQLite file: lent to one thread at a time and never carried over a fork."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .schema import IS_MADE, SCHEMA

MAX_IDLE = 8


class Connections:
    """Opens connections, keeps a few idle ones, makes what is missing.

    ``timeout`` bounds, in seconds, how long any statement waits for a lock.
    """

    def __init__(self, path: str, *, timeout: float, synchronous: str) -> None:
        self.path = path
        self._timeout = timeout
        self._synchronous = synchronous
        self._inherited: list[sqlite3.Connection] = []
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def acquire(self) -> sqlite3.Connection:
        """A connection for the caller alone, in autocommit mode. Raises sqlite3.Error."""
        if self._pid != os.getpid():
            # SQLite forbids even closing a connection in a child: the parent's stay open, unused.
            self._inherited += self._idle
            self._start()
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._open()

    def release(self, connection: sqlite3.Connection, pid: int) -> None:
        """Give back what :meth:`acquire` gave in process ``pid``."""
        if pid != os.getpid():
            self._inherited.append(connection)
            return
        if connection.in_transaction:
            connection.rollback()
        with self._lock:
            if self._pid == pid and len(self._idle) < MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection for the block. Raises sqlite3.Error."""
        connection, pid = self.acquire(), os.getpid()
        try:
            yield connection
        finally:
            self.release(connection, pid)

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A connection inside a write transaction, committed at the end of the block.

        Threads of one process queue on a lock, since SQLite's own waiting sleeps in growing steps.
        Raises sqlite3.Error.
        """
        with self.reading() as connection:
            writing = self._writing
            if not writing.acquire(timeout=self._timeout):
                raise sqlite3.OperationalError("another thread writes for too long")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.rollback()
                writing.release()

    def close(self) -> None:
        """Close the idle connections; the next use opens new ones."""
        if self._pid == os.getpid():
            with self._lock:
                idle, self._idle = self._idle, []
            for connection in idle:
                connection.close()

    def _open(self) -> sqlite3.Connection:
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._switch_to_wal(connection)
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            if connection.execute(IS_MADE).fetchone() is None:
                connection.execute("BEGIN IMMEDIATE")
                for statement in SCHEMA:
                    connection.execute(statement)
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        """Without effect where it was done before. The switch itself does not wait for locks, so that
        processes that start together collide.
        """
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

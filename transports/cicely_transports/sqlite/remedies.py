"""What an error of SQLite means here, and what to do about it: the one place that translates."""

from __future__ import annotations

import sqlite3

from cicely_transports.errors import CorruptStore, MisuseError, OperationalError, StorageFull, TransportError

_PRIMARY = 0xFF
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection holds the lock: worth another try."""
    return _code(error) & _PRIMARY in _LOCKED


def explain(error: sqlite3.Error, path: str) -> TransportError:
    """The error of this package for one of SQLite's, with the file and the remedy."""
    code = _code(error)
    primary = code & _PRIMARY
    if primary in _DAMAGED:
        return CorruptStore(
            f"{path} is damaged or no SQLite database ({error}): stop what uses it and keep a copy; then "
            f"recover what is readable with `sqlite3 {path} .recover | sqlite3 recovered.db` and put that "
            "in its place, or move the file away to start empty"
        )
    if primary == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE:
        return StorageFull(f"no room left for {path}: nothing was stored; free disk space and try again")
    if primary in _LOCKED:
        return OperationalError(
            f"{path} stayed locked by another process: look for a program that keeps a transaction open on it"
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return MisuseError(
            f"{path} cannot be written ({error}): check owner and mode of the file and its folder"
        )
    if primary == sqlite3.SQLITE_CANTOPEN:
        return OperationalError(
            f"{path} cannot be opened ({error}): check that its folder exists and may be written, and "
            "the limit of open files"
        )
    return OperationalError(f"{path}: {error}")


def _code(error: sqlite3.Error) -> int:
    """The extended result code; errors of the Python module itself have none."""
    return getattr(error, "sqlite_errorcode", 0)

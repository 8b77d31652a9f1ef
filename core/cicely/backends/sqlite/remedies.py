"""SQLite's errors in the words of this package: which file, what happened, what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from cicely.exceptions import BackendError

#: Primary result codes of SQLite (the low byte) and the advice that fits.
REMEDIES = {
    sqlite3.SQLITE_FULL: "there is no room left; free some disk space, or move the file with result_backend",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; stop what uses it and restore it, or move it away",
    sqlite3.SQLITE_NOTADB: "this is no SQLite database; name another file, or move this one away",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that this user may write in its directory",
    sqlite3.SQLITE_READONLY: "it is not writable; check the owner and mode of the file and its directory",
    sqlite3.SQLITE_PERM: "access is denied; check the owner and mode of the file and of its directory",
    sqlite3.SQLITE_IOERR: "reading or writing failed; check the disk and its free space",
    sqlite3.SQLITE_BUSY: "another process kept it locked; end that, or raise the timeout option",
    sqlite3.SQLITE_LOCKED: "another process kept it locked; end that, or raise the timeout option",
    sqlite3.SQLITE_TOOBIG: "the result is too large; store it elsewhere and return a reference to it",
}


@contextmanager
def explained(kind: type[BackendError], path: str) -> Generator[None]:
    """Turn errors of sqlite3 into ``kind``, with the file's name and a remedy."""
    try:
        yield
    except OSError as error:
        raise kind(f"result backend {path}: its directory cannot be made: {error}") from error
    except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        advice = REMEDIES.get(code & 0xFF) if code is not None else None
        raise kind(f"result backend {path}: {error}" + (f": {advice}" if advice else "")) from error

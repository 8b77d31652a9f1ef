"""One directory of keys: atomic writes, expiry by modification time, one writer at a time.

A file expires ``lifetime`` seconds after its modification time, which is set so that this comes true for
the expiry that its writer asked for. In the usual case (expiry = now + ``lifetime``) it is the time of
writing, just as in the files that Celery writes into the same directory.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

if sys.platform != "win32":
    import fcntl

#: The modification time of files that never expire (the year 2242).
NEVER = float(2**33)
LOCK_TIMEOUT = 5.0
TEMPORARY = ".cicely-tmp-"
STALE_TEMPORARY = 3600.0

#: Bytes of a file name at most, and characters that are fewer bytes than that in any case.
LONGEST, SHORT = 255, 45

Stamp = tuple[int, int, int]


class Folder:
    """Keys and their bytes. Methods raise OSError."""

    def __init__(self, path: str, *, lifetime: float) -> None:
        self.path = path
        self.lifetime = lifetime
        self._pid = os.getpid()
        self._lock = threading.Lock()

    def file(self, key: str) -> str:
        """The path for a key: named exactly so, unless that is no file name inside the directory."""
        name = key.replace("%", "%25").replace("/", "%2F").replace("\0", "%00") if _is_odd(key) else key
        if len(name) > SHORT and len(name.encode()) > LONGEST:
            name = f"{name[:SHORT]}-{sha256(key.encode()).hexdigest()}"
        return f"{self.path}/{name}"

    def read(self, key: str, now: float) -> bytes | None:
        """The bytes; None for a key that is missing or expired."""
        try:
            with open(self.file(key), "rb") as file:
                if os.fstat(file.fileno()).st_mtime + self.lifetime <= now:
                    return None
                return file.read()
        except FileNotFoundError:
            return None

    def read_new(self, key: str, seen: Stamp | None, now: float) -> tuple[Stamp, bytes | None] | None:
        """The bytes (None: expired) and their stamp, if the file is not the one that was stamped ``seen``."""
        file = self.file(key)
        try:
            if _stamp(os.stat(file)) == seen:
                return None
            with open(file, "rb") as opened:
                status = os.fstat(opened.fileno())
                expired = status.st_mtime + self.lifetime <= now
                return _stamp(status), None if expired else opened.read()
        except FileNotFoundError:
            return None

    def write(self, key: str, payload: bytes, expires_at: float | None) -> None:
        """Readers see the old bytes or the new ones, never a part."""
        temporary = f"{self.path}/{TEMPORARY}{os.urandom(8).hex()}"
        modified = NEVER if expires_at is None else max(0.0, expires_at - self.lifetime)
        try:
            with open(temporary, "xb") as file:
                file.write(payload)
            os.utime(temporary, (modified, modified))
            os.replace(temporary, self.file(key))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def remove(self, key: str) -> None:
        """A missing key is fine."""
        with suppress(FileNotFoundError):
            os.unlink(self.file(key))

    def remove_expired(self, prefixes: tuple[str, ...], now: float) -> int:
        """Remove expired keys with these prefixes, and what crashed writers left. Returns how many keys."""
        removed = 0
        try:
            entries = list(os.scandir(self.path))
        except FileNotFoundError:
            return 0
        for entry in entries:
            with suppress(FileNotFoundError):
                modified = entry.stat().st_mtime
                if entry.name.startswith(prefixes) and modified + self.lifetime <= now:
                    os.unlink(entry.path)
                    removed += 1
                elif entry.name.startswith(TEMPORARY) and modified + STALE_TEMPORARY <= time.time():
                    os.unlink(entry.path)
        return removed

    @contextmanager
    def locked(self) -> Generator[None]:
        """One writer at a time among threads and processes; makes the directory.

        Raises TimeoutError when another writer does not end within five seconds.
        """
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.Lock()
        deadline = time.monotonic() + LOCK_TIMEOUT
        lock = self._lock
        if not lock.acquire(timeout=LOCK_TIMEOUT):
            raise TimeoutError("another thread writes for too long")
        try:
            with _exclusive(self.path, deadline):
                yield
        finally:
            lock.release()


@contextmanager
def _exclusive(path: str, deadline: float) -> Generator[None]:
    """Keep other processes out by a lock on the directory itself, which leaves nothing behind."""
    if sys.platform == "win32":  # a directory cannot be opened there: threads are kept apart, processes not
        Path(path).mkdir(parents=True, exist_ok=True)
        yield
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        Path(path).mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("another process holds the lock on the directory") from None
                time.sleep(0.001)
        yield
    finally:
        os.close(descriptor)  # which also unlocks


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _is_odd(key: str) -> bool:
    return "/" in key or "%" in key or "\0" in key

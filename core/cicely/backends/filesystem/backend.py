"""The backend on a directory. Readers and writers of Celery's may share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from cicely.backends.location import Location
from cicely.backends.record import holds_success
from cicely.backends.spi import ResultBackend, StoredRecord, Watch
from cicely.exceptions import BackendError, BackendGetMetaError, BackendStoreError

from .folder import Folder, Stamp

TASK = "celery-task-meta-"
GROUP = "celery-taskset-meta-"
DAY = 86400.0

#: Pauses in seconds between two looks: a twentieth of the wait so far, within these bounds.
MIN_PAUSE, MAX_PAUSE = 0.001, 0.05


class FilesystemBackend(ResultBackend):
    """``file:///absolute/dir`` or ``file://relative/dir``; the directory is made when missing.

    The layout has no place for the state beside the record, so that a stored SUCCESS is known by its bytes.
    """

    options: Mapping[str, str] = {
        "expires": "seconds after which a file counts as expired (default: result_expires)"
    }

    def __init__(self, path: str, *, lifetime: float = DAY, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._folder = Folder(path, lifetime=lifetime)

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> Self:
        """Nothing is made or checked before the first use."""
        where = Location.parse(url, options, cls.options)
        host = where.url.host
        path = f"/{where.url.path}" if host in {None, "localhost"} else f"{host}/{where.url.path}"
        return cls(
            str(Path(path).expanduser().absolute()), lifetime=where.number("expires", DAY, minimum=1.0)
        )

    def put_many(self, records: Sequence[StoredRecord]) -> None:
        """See the SPI."""
        if not records:
            return
        folder, now = self._folder, self._clock()
        with self._explained(BackendStoreError), folder.locked():
            for record in records:
                key = TASK + record.task_id
                stored = folder.read(key, now)
                if stored is None or not holds_success(stored):
                    folder.write(key, record.payload, record.expires_at)

    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        """See the SPI."""
        folder, now = self._folder, self._clock()
        with self._explained(BackendGetMetaError):
            read = ((task_id, folder.read(TASK + task_id, now)) for task_id in task_ids)
            return {task_id: payload for task_id, payload in read if payload is not None}

    def watch(self, task_ids: Sequence[str]) -> Watch:
        """See the SPI."""
        return _FolderWatch(self, task_ids)

    def forget(self, task_ids: Sequence[str]) -> None:
        """See the SPI."""
        with self._explained(BackendStoreError):
            for task_id in task_ids:
                self._folder.remove(TASK + task_id)

    def save_group(self, group_id: str, payload: bytes, expires_at: float | None) -> None:
        """See the SPI."""
        with self._explained(BackendStoreError), self._folder.locked():
            self._folder.write(GROUP + group_id, payload, expires_at)

    def load_group(self, group_id: str) -> bytes | None:
        """See the SPI."""
        with self._explained(BackendGetMetaError):
            return self._folder.read(GROUP + group_id, self._clock())

    def forget_group(self, group_id: str) -> None:
        """See the SPI."""
        with self._explained(BackendStoreError):
            self._folder.remove(GROUP + group_id)

    def cleanup(self, now: float) -> int:
        """See the SPI."""
        with self._explained(BackendStoreError):
            return self._folder.remove_expired((TASK, GROUP), now)

    def close(self) -> None:
        """Nothing is held between calls."""

    def changed(self, stamps: dict[str, Stamp | None]) -> dict[str, bytes]:
        """Payloads of the keys of ``stamps`` whose file is not as stamped there; the stamps are renewed."""
        news: dict[str, bytes] = {}
        with self._explained(BackendGetMetaError):
            for task_id, seen in stamps.items():
                found = self._folder.read_new(TASK + task_id, seen, self._clock())
                if found is not None:
                    stamps[task_id], payload = found
                    if payload is not None:
                        news[task_id] = payload
        return news

    @contextmanager
    def _explained(self, kind: type[BackendError]) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise kind(
                f"result backend {self.path}: {error}; check that it is a directory, that this user may "
                "write there, and that the disk has room"
            ) from error


class _FolderWatch(Watch):
    def __init__(self, backend: FilesystemBackend, ids: Sequence[str]) -> None:
        self._backend = backend
        self._stamps: dict[str, Stamp | None] = dict.fromkeys(ids)
        self._since = time.monotonic()

    def wait(self, timeout: float) -> Mapping[str, bytes]:
        deadline = time.monotonic() + timeout
        while True:
            if news := self._backend.changed(self._stamps):
                self._since = time.monotonic()
                return news
            now = time.monotonic()
            if now >= deadline:
                return {}
            pause = min(max((now - self._since) / 20, MIN_PAUSE), MAX_PAUSE)
            time.sleep(min(pause, deadline - now))

    def close(self) -> None:
        self._stamps.clear()

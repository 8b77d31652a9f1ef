"""What the tests of the kit work with: backend objects on one store, records, threads with an end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self
from uuid import uuid4

from cicely.backends.record import Record, encode_record
from cicely.backends.registry import open_backend
from cicely.backends.spi import ResultBackend, StoredRecord, Watch
from cicely.states import EXCEPTION_STATES, SUCCESS

#: Seconds in which anything must have happened.
PATIENCE = 10.0


class BackendRig:
    """Opens any number of backend objects on the store behind one URL, and closes them in the end."""

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.options = dict(options or {})
        self._opened: list[ResultBackend] = []

    def open(self) -> ResultBackend:
        """Another backend object on the same store."""
        backend = self.make()
        self._opened.append(backend)
        return backend

    def make(self) -> ResultBackend:
        """How a backend is made; to be replaced where no URL does it."""
        return open_backend(
            self.url,
            SimpleNamespace(
                result_expires=86400.0,
                result_backend_transport_options=self.options,
                override_backends={},
            ),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for backend in self._opened:
            backend.close()


def new_id() -> str:
    """A task id that nothing is stored for."""
    return str(uuid4())


def record(
    task_id: str, state: str = SUCCESS, value: Any = None, *, expires_at: float | None = None
) -> StoredRecord:
    """A record with a real payload: some backends know the state from nothing else."""
    result = ValueError(value) if state in EXCEPTION_STATES else value
    return StoredRecord(task_id, state, encode_record(Record(task_id, state, result)), expires_at)


def collect(watch: Watch, count: int) -> dict[str, bytes]:
    """Wait until ``count`` ids were reported; the last payload of each."""
    found: dict[str, bytes] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        left = deadline - time.monotonic()
        assert left > 0, f"{len(found)} of {count} watched tasks were reported within {PATIENCE:g} s"
        found.update(watch.wait(min(left, 1.0)))
    return found


def run_together(jobs: Sequence[Callable[[], object]]) -> None:
    """Run all in threads that start at once; the first exception is raised here."""
    barrier = threading.Barrier(len(jobs))
    errors: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            barrier.wait(PATIENCE)
            job()
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"a thread did not end within {PATIENCE:g} s"
    if errors:
        raise errors[0]

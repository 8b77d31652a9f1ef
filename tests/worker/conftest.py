"""Consumers in a thread of the test, with a real app, a real broker and a pool that the test controls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import until
from stub_pool import StubPool

from cicely import Cicely
from cicely_transports.spi import QueueSize, Transport
from cicely_worker.consumer import Consumer
from cicely_worker.options import WorkerOptions


class Host:
    """One consumer and its thread."""

    def __init__(self, app: Cicely, pool: StubPool, **options: Any) -> None:
        self.pool = pool
        known: dict[str, Any] = {"concurrency": pool.slots, "queues": ("celery",)} | options
        self.consumer = Consumer(app, pool, WorkerOptions("celery@test", "stub", **known))
        self.code: int | None = None
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.code = self.consumer.run()
        except ZeroDivisionError as error:  # what tests raise on purpose
            self.error = error

    def stop(self, how: str = "warm", timeout: float = 20.0) -> int | None:
        self.consumer.stop(how)
        self.thread.join(timeout)
        assert not self.thread.is_alive()
        return self.code


class Bench:
    """An app on SQLite, and what a test looks at."""

    def __init__(self, path: Path) -> None:
        url = f"sqlite:///{path}/proj.db"
        self.app = Cicely("proj", broker=url, backend=url, set_as_current=False)
        self.transport: Transport = self.app.open_transport()
        self.hosts: list[Host] = []

        @self.app.task(name="add")
        def add(a: int, b: int) -> int:
            return a + b

        self.add: Any = add

    def host(self, pool: StubPool, **options: Any) -> Host:
        self.hosts.append(Host(self.app, pool, **options))
        return self.hosts[-1]

    def size(self) -> QueueSize:
        return self.transport.sizes(["celery"])["celery"]

    def wait_size(self, **numbers: int) -> None:
        wanted = QueueSize(**numbers)
        until(lambda: self.size() == wanted, f"{wanted}")

    def close(self) -> None:
        for host in self.hosts:
            if host.thread.is_alive():
                host.stop("cold")
        self.transport.close()
        self.app.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def execute(bench: Bench) -> Callable[[Any], Any]:
    """What a real executor does with a delivery."""
    from cicely.execution import Execution

    return Execution(bench.app, hostname="celery@test").run

"""A whole worker in the scenario's process: supervisor here, the scenario's consumer in a child."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

from cicely.outcome import Outcome
from cicely_transports.spi import Delivery
from cicely_worker.pools.spi import ExecutorLost, Finished, Report, SlotReady
from cicely_worker.prefork.executor import Run
from cicely_worker.prefork.pool import PreforkPool
from cicely_worker.prefork.supervisor import Supervisor

from .crew import PATIENCE, log, open_descriptors, outcome


def work(delivery: Delivery) -> Outcome:
    """The body says how."""
    match delivery.message.body.split():
        case [b"sleep", seconds]:
            time.sleep(float(seconds))
        case [b"exit", code]:
            os._exit(int(code))
        case [b"pid"]:
            return outcome(delivery, str(os.getpid()))
    return outcome(delivery)


class Seat:
    """The consumer's place: polls until something is so."""

    def __init__(self, pool: PreforkPool) -> None:
        self.pool = pool
        self.orders: list[str] = []
        pool.on_stop = self.orders.append
        self.reports: list[Report] = []

    def until(self, condition: Callable[[], object], what: str = "") -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain: {what} {self.reports[-5:]}"
            select.select(self.pool.filenos(), [], [], 0.01)
            self.reports += self.pool.poll()

    def up(self) -> dict[int, int]:
        """Pids of the executors that are up, by slot."""
        pids: dict[int, int] = {}
        for report in self.reports:
            if isinstance(report, SlotReady):
                pids[report.slot] = report.pid
            elif isinstance(report, ExecutorLost):
                pids.pop(report.slot, None)
        return pids

    def lost(self) -> list[ExecutorLost]:
        return [report for report in self.reports if isinstance(report, ExecutorLost)]

    def finished(self) -> list[int]:
        return [report.number for report in self.reports if isinstance(report, Finished)]


def nothing() -> None:
    """A hook."""


def supervise(
    consumer: Callable[[Seat], int],
    *,
    concurrency: int = 2,
    make_run: Callable[[], Run] = lambda: work,
    warm_limit: float | None = None,
) -> int:
    """Run a worker in this process, and see that it leaves nothing behind."""
    before = open_descriptors()
    worker = Supervisor(
        lambda pool: consumer(Seat(pool)),
        make_run,
        concurrency,
        nothing,
        log,
        nodename="worker@here",
        warm_limit=warm_limit,
    )
    code = worker.run()
    assert open_descriptors() == before, os.listdir("/proc/self/fd")
    try:
        left = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return code
    raise AssertionError(f"a child is left: {left}")

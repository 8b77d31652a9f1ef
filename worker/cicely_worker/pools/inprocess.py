"""Executors that are threads of the worker's own process: what the threads and solo pools share."""

from __future__ import annotations

import os
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cicely_worker.wakeup import Wakeup

from .spi import ExecutorLost, Finished, Job, Pool, Report, SlotReady

if TYPE_CHECKING:
    from cicely.outcome import Outcome
    from cicely_transports.spi import Delivery

Run = Callable[["Delivery"], "Outcome"]


class Lane:
    """The jobs of one executor thread."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.jobs: deque[Job] = deque()
        self.changed = threading.Condition()
        self.running: tuple[int, float] | None = None
        self.ending = False
        self.ended = threading.Event()

    def next(self) -> Job | None:
        """Wait for a job; None when there will be no more."""
        with self.changed:
            while not self.jobs:
                if self.ending:
                    return None
                self.changed.wait()
            job = self.jobs.popleft()
            self.running = (job.number, time.monotonic())
            return job


class InProcessPool(Pool):
    """Runs jobs with ``make_run()(delivery)``, one run function per executor thread.

    Nothing here can be killed: a cold stop forgets the running jobs, and whoever hosts the pool ends
    the process.
    """

    isolated = False

    def __init__(self, make_run: Callable[[], Run], concurrency: int) -> None:
        self._make_run = make_run
        self._lanes = [Lane(slot) for slot in range(concurrency)]
        self._reports: deque[Report] = deque()
        self._wakeup = Wakeup()

    @abstractmethod
    def work(self) -> None:
        """What the thread does that made the pool, while another one consumes: returns after ``stop``."""

    def filenos(self) -> Sequence[int]:
        return (self._wakeup.fileno(),)

    def dispatch(self, slot: int, jobs: Sequence[Job]) -> int:
        lane = self._lanes[slot]
        with lane.changed:
            lane.jobs.extend(jobs)
            lane.changed.notify()
        return len(jobs)

    def take_back(self, slot: int) -> list[int]:
        lane = self._lanes[slot]
        with lane.changed:
            numbers = [job.number for job in lane.jobs]
            lane.jobs.clear()
        return numbers

    def running(self, slot: int) -> tuple[int, float] | None:
        return self._lanes[slot].running

    def poll(self) -> list[Report]:
        self._wakeup.clear()
        reports: list[Report] = []
        arrived = self._reports
        while arrived:
            reports.append(arrived.popleft())
        return reports

    def stop(self, *, kill: bool) -> None:
        for lane in self._lanes:
            with lane.changed:
                if kill:
                    lane.jobs.clear()
                lane.ending = True
                lane.changed.notify()

    def join(self, timeout: float) -> bool:
        """After ``stop``: wait up to ``timeout`` seconds for the executors. False: some still run a job."""
        deadline = time.monotonic() + timeout
        for lane in self._lanes:
            if not lane.ended.wait(max(0.0, deadline - time.monotonic())):
                return False
        self._wakeup.close()
        return True

    def _serve(self, lane: Lane) -> None:
        """Run the jobs of one lane in the calling thread until the pool stops."""
        run = self._make_run()
        report, wake = self._reports.append, self._wakeup.set
        report(SlotReady(lane.slot, os.getpid()))
        wake()
        while (job := lane.next()) is not None:
            try:
                outcome = run(job.delivery)
            except BaseException as error:  # noqa: BLE001 - reported: to the worker this executor crashed
                report(
                    ExecutorLost(
                        lane.slot, os.getpid(), job.number, tuple(self.take_back(lane.slot)), repr(error)
                    )
                )
                report(SlotReady(lane.slot, os.getpid()))
            else:
                report(Finished(lane.slot, job.number, outcome))
            lane.running = None
            wake()
        lane.ended.set()

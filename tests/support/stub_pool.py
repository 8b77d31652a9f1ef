"""A pool at the SPI's seam, for tests of the consumer: a test decides what becomes of each job."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from cicely.outcome import Outcome
from cicely_transports.spi import Delivery
from cicely_worker.pools.spi import ExecutorLost, Finished, Job, Pool, Report, SlotReady
from cicely_worker.wakeup import Wakeup


class StubPool(Pool):
    """``run`` gives the outcome of a job at once, or None: then the job runs until :meth:`finish`."""

    def __init__(
        self, run: Callable[[Delivery], Outcome | None], slots: int = 1, *, isolated: bool = True
    ) -> None:
        self.isolated = isolated
        self.run = run
        self.slots = slots
        self.wakeup = Wakeup()
        self.reports: deque[Report] = deque()
        self.lock = threading.Lock()
        self.given: list[list[Job]] = []
        self.held: dict[int, list[Job]] = {slot: [] for slot in range(slots)}
        self.stops: list[bool] = []
        self.polled = threading.Event()

    def say(self, *reports: Report) -> None:
        self.reports.extend(reports)
        self.wakeup.set()

    def finish(self, slot: int, outcome: Outcome) -> None:
        """The first job of this slot ends."""
        with self.lock:
            job = self.held[slot].pop(0)
        self.say(Finished(slot, job.number, outcome))

    def crash(self, slot: int, reason: str = "signal 9 (SIGKILL)", *, replaced: bool = True) -> None:
        """The executor dies in its first job."""
        with self.lock:
            held, self.held[slot] = self.held[slot], []
        running, unread = (held[0].number if held else None), tuple(job.number for job in held[1:])
        self.say(ExecutorLost(slot, 4711, running, unread, reason))
        if replaced:
            self.say(SlotReady(slot, 4712))

    def holds(self) -> list[Job]:
        with self.lock:
            return [job for jobs in self.held.values() for job in jobs]

    # --- the SPI

    def start(self) -> None:
        self.say(*[SlotReady(slot, 4000 + slot) for slot in range(self.slots)])

    def filenos(self) -> Sequence[int]:
        return (self.wakeup.fileno(),)

    def dispatch(self, slot: int, jobs: Sequence[Job]) -> int:
        self.given.append(list(jobs))
        for job in jobs:
            outcome = self.run(job.delivery)
            if outcome is None or self.held[slot]:
                with self.lock:
                    self.held[slot].append(job)
            else:
                self.say(Finished(slot, job.number, outcome))
        return len(jobs)

    def take_back(self, slot: int) -> list[int]:
        with self.lock:
            back = self.held[slot][1:]
            del self.held[slot][1:]
        return [job.number for job in back]

    def running(self, slot: int) -> tuple[int, float] | None:
        with self.lock:
            return (self.held[slot][0].number, 0.0) if self.held[slot] else None

    def poll(self) -> list[Report]:
        self.wakeup.clear()
        reports: list[Report] = []
        while self.reports:
            reports.append(self.reports.popleft())
        return reports

    def stop(self, *, kill: bool) -> None:
        self.stops.append(kill)
        if kill and self.isolated:
            for slot in self.held:
                if self.held[slot]:
                    self.crash(slot, replaced=False)

"""Dispatch: how many jobs travel together, and to whom. Pure: times are passed in (monotonic seconds).

Short tasks travel in batches worth about :data:`SPAN` of work, so that the cost of a frame is shared;
tasks that are slow or not known yet travel singly and nothing is put behind them, so that nobody waits for
them; messages that were delivered before may be what kills executors, so they travel alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any

from .pools.spi import Finished, Job

#: Seconds of work that one executor is given ahead.
SPAN = 0.010
#: Most jobs in one frame.
BATCH = 64
#: What a job costs beside its body: decoding, encoding, the frame.
OVERHEAD = 0.00003
#: Weight of the newest run in a task's average.
WEIGHT = 0.2
#: An executor that made no progress for so long is in a long task: what waits behind it may be taken back.
STUCK = 0.050
#: The same where no other executor could run it now: after this time another worker should have it.
STALE = 1.0


class Averages:
    """Moving average of run time, in seconds, by task name.

    A first run counts as at least :data:`SPAN`: one quick return (a cache hit) does not make a task quick.
    """

    def __init__(self) -> None:
        self.by_name: dict[Any, float] = {}
        self.overall: float | None = None

    def learn(self, reports: Iterable[Finished]) -> None:
        """Take in how long jobs ran; those that ended before their body teach nothing."""
        known, overall = self.by_name, self.overall
        for report in reports:
            name, runtime = report.outcome.task_name, report.outcome.runtime
            if runtime <= 0.0:
                continue
            average = known.get(name)
            known[name] = max(runtime, SPAN) if average is None else average + (runtime - average) * WEIGHT
            overall = max(runtime, SPAN) if overall is None else overall + (runtime - overall) * WEIGHT
        self.overall = overall


class Slot:
    """The load of one executor. ``costs`` are expected seconds by job number, oldest first."""

    __slots__ = ("closed", "costs", "load", "number", "since")

    def __init__(self, number: int) -> None:
        self.number = number
        self.costs: dict[int, float] = {}
        self.load = 0.0
        self.closed = False
        self.since = 0.0


_by_load = attrgetter("load", "number")


class Dispatch:
    """Jobs that wait, and the executors that could take them. Without ``prefetch`` no more is wanted than
    idle executors can start.
    """

    def __init__(self, *, prefetch: bool = True) -> None:
        self._prefetch = prefetch
        self.averages = Averages()
        self._slots: dict[int, Slot] = {}
        self._pending: deque[Job] = deque()
        self._suspects: deque[Job] = deque()

    # --- what happens

    def opened(self, slot: int) -> None:
        """An executor came up in this slot."""
        self._slots[slot] = Slot(slot)

    def lost(self, slot: int) -> None:
        """The executor of this slot is gone."""
        self._slots.pop(slot, None)

    def add(self, jobs: Iterable[Job]) -> None:
        """These jobs wait to be run."""
        for job in jobs:
            (self._pending if job.delivery.attempt <= 1 else self._suspects).append(job)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """These jobs were on their way and wait again, before all others."""
        self._pending.extendleft([job for job in reversed(jobs) if job.delivery.attempt <= 1])
        self._suspects.extendleft([job for job in reversed(jobs) if job.delivery.attempt > 1])

    def remove_waiting(self) -> list[Job]:
        """All jobs that wait, which now wait no more."""
        waiting = [*self._suspects, *self._pending]
        self._suspects.clear()
        self._pending.clear()
        return waiting

    def forget(self, numbers: Iterable[int]) -> None:
        """These jobs are no longer ours: if they still wait, they must not run."""
        gone = set(numbers)
        self._pending = deque([job for job in self._pending if job.number not in gone])
        self._suspects = deque([job for job in self._suspects if job.number not in gone])

    def finished(self, reports: Sequence[Finished], now: float) -> None:
        """Executors ended these jobs."""
        self.averages.learn(reports)
        slots = self._slots
        for report in reports:
            slot = slots.get(report.slot)
            if slot is not None:
                slot.load -= slot.costs.pop(report.number, 0.0)
                slot.since = now
                if not slot.costs:
                    slot.load = 0.0
                    slot.closed = False

    def unsent(self, slot: int, numbers: Collection[int]) -> None:
        """The executor did not take these jobs, or gave them back unread."""
        entry = self._slots.get(slot)
        if entry is not None:
            for number in numbers:
                entry.load -= entry.costs.pop(number, 0.0)
            if not entry.costs:
                entry.load = 0.0
                entry.closed = False

    # --- what is to be done

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._pending) + len(self._suspects)

    @property
    def outstanding(self) -> int:
        """How many jobs executors hold."""
        return sum([len(slot.costs) for slot in self._slots.values()])

    @property
    def slots(self) -> list[int]:
        """The executors that are up."""
        return list(self._slots)

    @property
    def idle(self) -> int:
        """How many executors hold nothing."""
        return sum([not slot.costs for slot in self._slots.values()])

    def plan(self, now: float) -> list[tuple[int, list[Job]]]:
        """Who gets what, now. The plan counts as carried out; :meth:`unsent` corrects it."""
        if not self._pending and not self._suspects:
            return []
        free = sorted(
            [slot for slot in self._slots.values() if not slot.closed and slot.load < SPAN], key=_by_load
        )
        plans: list[tuple[int, list[Job]]] = []
        draining = 0
        while free and len(self._suspects) > draining:
            slot = free.pop(0)
            if slot.costs:
                draining += 1  # it gets nothing more, so that within SPAN it is free for a suspect
                continue
            plans.append((slot.number, [self._suspects.popleft()]))
            self._charge(slot, plans[-1][1], [SPAN], now)
            slot.closed = True
        for position, slot in enumerate(free):
            if not self._pending:
                break
            jobs, costs = self._batch(slot, -(-len(self._pending) // (len(free) - position)))
            plans.append((slot.number, jobs))
            self._charge(slot, jobs, costs, now)
        return plans

    def _batch(self, slot: Slot, share: int) -> tuple[list[Job], list[float]]:
        pending, known = self._pending, self.averages.by_name
        jobs: list[Job] = []
        costs: list[float] = []
        room, most = SPAN - slot.load, min(share, BATCH)
        while pending and len(jobs) < most and (room > 0 or not jobs):
            cost = known.get(pending[0].delivery.message.headers.get("task"))
            if cost is None or cost >= SPAN:
                if not jobs:
                    jobs.append(pending.popleft())
                    costs.append(cost or SPAN)
                    slot.closed = True
                break
            jobs.append(pending.popleft())
            costs.append(cost + OVERHEAD)
            room -= cost + OVERHEAD
        return jobs, costs

    def _charge(self, slot: Slot, jobs: Sequence[Job], costs: Sequence[float], now: float) -> None:
        if not slot.costs:
            slot.since = now
        slot.costs.update(zip([job.number for job in jobs], costs, strict=True))
        slot.load += sum(costs)

    def stuck(self, now: float) -> list[int]:
        """Executors in a long task with jobs behind it, which should be taken back."""
        behind = [slot for slot in self._slots.values() if len(slot.costs) > 1 and now - slot.since > STUCK]
        if not behind:
            return []
        others = [slot for slot in self._slots.values() if not slot.closed and slot not in behind]
        return [slot.number for slot in behind if others or now - slot.since > STALE]

    def close(self, slot: int) -> None:
        """Give this executor nothing more before it has ended what it holds."""
        if slot in self._slots:
            self._slots[slot].closed = True

    def stale(self, now: float) -> list[Job]:
        """Jobs that wait although every executor has been in one task for :data:`STALE`: another worker
        should have them. They wait here no more.
        """
        slots = self._slots.values()
        if not self._pending and not self._suspects:
            return []
        if not slots or not all(slot.costs and now - slot.since > STALE for slot in slots):
            return []
        return self.remove_waiting()

    @property
    def held_back(self) -> bool:
        """Whether :meth:`stuck` or :meth:`stale` may have something soon."""
        if self._pending or self._suspects:
            return True
        return max([len(slot.costs) for slot in self._slots.values()], default=0) > 1

    # --- what is to be asked for

    @property
    def window(self) -> int:
        """How many jobs one executor does in :data:`SPAN`: clamp(span / average, 1, batch)."""
        overall = self.averages.overall
        return 1 if overall is None else max(1, min(BATCH, int(SPAN / (overall + OVERHEAD))))

    def wanted(self, now: float) -> tuple[int, int]:
        """(credit, suspects): how many messages to ask the broker for, and how many of them may have been
        delivered before.

        With a window of one this is the number of idle executors: nothing is fetched for later. Otherwise
        each executor that makes progress may have two windows, one in hand and one on the way.
        """
        window, waiting = self.window, len(self._pending) + len(self._suspects)
        moving = [s for s in self._slots.values() if not s.closed and (not s.costs or now - s.since < STUCK)]
        idle = sum([not slot.costs for slot in moving])
        if window == 1 or not self._prefetch:
            credit = idle - waiting
        else:
            credit = 2 * window * len(moving) - waiting - sum([len(slot.costs) for slot in moving])
            if credit < window:
                credit = 0
        suspects = (idle or min(1, len(moving))) - len(self._suspects)
        return max(0, credit), max(0, suspects)

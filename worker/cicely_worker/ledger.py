"""The ledger: which claims this worker holds, which executor has them, and when their leases run out.

Pure bookkeeping. A job is in the ledger from its delivery until its settlement was accepted, so whatever
happens in between (waiting, running, a result backend that is away) its lease is renewed. A job that is
no longer in the ledger is somebody else's: its outcome must not be stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, KeysView, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from cicely.outcome import Outcome
from cicely_transports.spi import Delivery, Tag, Verdict

from .pools.spi import ExecutorLost, Finished, Job

#: A job together with what running it led to. A plain tuple: one is made per task.
Ended = tuple[Job, Outcome]


@dataclass(frozen=True, slots=True)
class Crash:
    """What an executor took with it: jobs it had begun, and jobs that another one can have at once."""

    begun: tuple[Job, ...]
    unread: tuple[Job, ...]


class Ledger:
    """The claims of one consumer. ``lease`` is the duration, in seconds, that a claim is asked for."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._next = 1
        self._jobs: dict[int, Job] = {}
        self._slots: dict[int, int] = {}
        self._lost: dict[int, Job] = {}
        self._leases: list[tuple[float, int, list[int]]] = []
        self._entry = 0
        #: Numbers of jobs whose messages were acknowledged before they ran: nothing to renew or settle.
        self.unclaimed: set[int] = set()

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, number: int) -> bool:
        return number in self._jobs

    @property
    def numbers(self) -> KeysView[int]:
        """The numbers of the jobs that are ours."""
        return self._jobs.keys()

    @property
    def jobs(self) -> Collection[Job]:
        """All of them, oldest first."""
        return self._jobs.values()

    # --- a job's way through

    def take(self, deliveries: Sequence[Delivery]) -> list[Job]:
        """Enter deliveries: each becomes a job with the next number."""
        first = self._next
        taken = list(map(Job, range(first, first + len(deliveries)), deliveries))
        self._next = first + len(taken)
        groups: dict[float, list[int]] = {}
        jobs = self._jobs
        for job in taken:
            jobs[job.number] = job
            until = job.delivery.leased_until
            if until is not None:
                if until in groups:
                    groups[until].append(job.number)
                else:
                    groups[until] = [job.number]
        for until, numbers in groups.items():
            self._lend(until, numbers)
        return taken

    def dispatched(self, slot: int, jobs: Iterable[Job]) -> None:
        """These jobs were handed to the executor in ``slot``."""
        slots = self._slots
        for job in jobs:
            slots[job.number] = slot

    def taken_back(self, numbers: Iterable[int]) -> list[Job]:
        """These jobs came back unread; those that still are ours, in order."""
        for number in numbers:
            self._slots.pop(number, None)
        return [self._jobs[number] for number in numbers if number in self._jobs]

    def ended(self, reports: Iterable[Finished]) -> tuple[list[Ended], list[Finished]]:
        """Outcomes of jobs that are still ours, and reports that came too late: the claim is lost."""
        jobs, slots = self._jobs, self._slots
        ours: list[Ended] = []
        late: list[Finished] = []
        for report in reports:
            number = report.number
            if slots.pop(number, None) is not None and number in jobs:
                ours.append((jobs[number], report.outcome))
            else:
                self._lost.pop(number, None)
                late.append(report)
        return ours, late

    def crashed(self, report: ExecutorLost) -> Crash:
        """Attribute a death. A job of that slot which the report does not call unread counts as begun:
        it may have run, and its outcome went down with the process.
        """
        unread = self.taken_back(report.unread)
        begun = [number for number, slot in self._slots.items() if slot == report.slot]
        for number in (*begun, *report.unread):
            self._lost.pop(number, None)
        return Crash(tuple(self.taken_back(begun)), tuple(unread))

    def adopt(self, delivery: Delivery) -> bool:
        """A message that was delivered again while its job still runs here, or waits to be settled: the
        job goes on under the new claim. False when it is not one of ours.
        """
        message = delivery.message
        for job in (*self._lost.values(), *self._jobs.values()):
            mine = job.delivery.message
            if mine.headers.get("id") != message.headers.get("id") or mine != message:
                continue
            self._lost.pop(job.number, None)
            self._jobs[job.number] = Job(job.number, delivery)
            if delivery.leased_until is not None:
                self._lend(delivery.leased_until, [job.number])
            return True
        return False

    def release(self, numbers: Iterable[int]) -> None:
        """These jobs are settled."""
        for number in numbers:
            self._jobs.pop(number, None)
            self.unclaimed.discard(number)

    def lose(self, jobs: Iterable[Job]) -> None:
        """The claims of these jobs belong to somebody else now."""
        for job in jobs:
            self._jobs.pop(job.number, None)
            if job.number in self._slots:
                self._lost[job.number] = job

    def deliveries(self, numbers: Iterable[int]) -> list[Delivery]:
        """Their deliveries, with the tags that hold now."""
        jobs = self._jobs
        return [jobs[number].delivery for number in numbers]

    def running(self) -> list[Job]:
        """Jobs that executors hold."""
        return [self._jobs[number] for number in self._slots if number in self._jobs]

    # --- acknowledged before they run

    def acknowledged(self, jobs: Iterable[Job]) -> None:
        """These messages were settled before running: nothing is left to renew or to settle."""
        self.unclaimed.update([job.number for job in jobs])

    # --- leases

    def renewal_at(self) -> float | None:
        """When the next renewal is due (epoch seconds): a third of the lease after its start."""
        return self._leases[0][0] - self._lease * 2 / 3 if self._leases else None

    def overdue(self, now: float) -> bool:
        """Has a lease passed by our own clock? Then nothing may be stored before it is confirmed."""
        return bool(self._leases) and self._leases[0][0] <= now

    def due(self, now: float) -> list[Job]:
        """Jobs whose leases are to be renewed now; :meth:`renewed` brings the answer. Until then they
        stay due. Leases that nobody holds any more are forgotten.
        """
        horizon = now + self._lease * 2 / 3
        jobs, unclaimed, leases = self._jobs, self.unclaimed, self._leases
        earliest, numbers = 0.0, []
        while leases and leases[0][0] <= horizon:
            until, _, group = heappop(leases)
            held = [n for n in group if n in jobs and n not in unclaimed]
            if held:
                earliest = earliest or until
                numbers.extend(held)
        if numbers:
            self._lend(earliest, numbers)
        return [jobs[n] for n in numbers]

    def renewed(self, due: Sequence[Job], lost: Collection[Tag], until: float) -> list[Job]:
        """The broker's answer to the last :meth:`due`: the rest is ours until ``until``. Returns the
        lost jobs, which leave the ledger.
        """
        if not due:
            return []
        heappop(self._leases)
        gone = [job for job in due if job.delivery.tag in lost]
        self.lose(gone)
        held = [job.number for job in due if job.number in self._jobs]
        if held:
            self._lend(until, held)
        return gone

    def _lend(self, until: float, numbers: list[int]) -> None:
        self._entry += 1
        heappush(self._leases, (until, self._entry, numbers))


def crash_verdict(attempt: int, max_deliveries: int, *, requeue: bool) -> Verdict:
    """What becomes of the message whose task killed its executor on delivery number ``attempt``.

    ``requeue`` is the task's ``reject_on_worker_lost``: without it one crash is final, and the message done.
    """
    if not requeue:
        return Verdict.DONE
    return Verdict.DEAD if attempt >= max_deliveries else Verdict.RETURN

"""The flow of jobs: broker to executors, executors to settlement, and every way back.

Called by the consumer loop, which owns the time and the phases. The rules are in the pure modules
(admission, dispatch, ledger, settlement); here they meet the pool.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicely import states
from cicely.exceptions import WorkerLostError
from cicely.execution import Execution
from cicely_transports.errors import RetryableError
from cicely_transports.serialization import TRUSTED, content_types
from cicely_transports.spi import Delivery, Settlement, Tag, Verdict

from .admission import Abandon, Admission
from .dispatch import STUCK, Dispatch
from .journal import Journal
from .ledger import Ledger, crash_verdict
from .pools.spi import ExecutorLost, Finished, Job, Pool, Report, SlotReady
from .renewal import Renewal
from .settlement import Ports, give_back, log_late
from .settlement import Settlement as Settling

if TYPE_CHECKING:
    from cicely.app import Cicely
    from cicely.outcome import Outcome

    from .link import BrokerLink
    from .options import WorkerOptions

log = logging.getLogger("cicely.worker")

#: Seconds after which an early acknowledgement that failed is tried again.
ACK_AGAIN = 1.0


class Flow:
    """All jobs of one consumer. ``sender`` is the sender of its signals."""

    def __init__(
        self, app: Cicely, pool: Pool, options: WorkerOptions, link: BrokerLink, sender: object
    ) -> None:
        self._tasks = app.tasks
        self._pool = pool
        self._link = link
        self._max_deliveries = options.max_deliveries
        self._execution = Execution(app, hostname=options.hostname)
        self._early = frozenset([name for name, task in app.tasks.items() if not task.acks_late])
        self._feed_at = 0.0
        self._journal = Journal(sender, app.tasks)
        self._admission = Admission(
            app.tasks,
            content_types(app.conf.accept_content) | TRUSTED,
            max_deliveries=options.max_deliveries,
            max_delay=link.max_delay,
        )
        self.dispatch = Dispatch(prefetch=options.prefetch)
        self.ledger = Ledger(options.lease)
        self.renewal = Renewal(self.ledger, link.extend, options.lease)
        self.settlement = Settling(
            self.ledger,
            Ports(
                publish=app.publisher.publish,
                store=app.backend.put_many,
                settle=link.settle,
                confirm=self._confirm,
                failed=self._follow_ups_failed,
                clock=time.time,
            ),
        )
        #: From now on nothing new is begun, and what nobody began goes back.
        self.stopping = False
        #: From now on a job whose executor dies goes back uncounted: it was killed, it did not crash.
        self.killing = False

    # --- messages in

    def admit(self, deliveries: Sequence[Delivery], now: float) -> None:
        """Deliveries arrived."""
        if self.stopping:
            self.give_back(self.ledger.take(deliveries), "the worker stops", now)
            return
        run, refused = self._admission.sort(deliveries, time.time())
        if [delivery for delivery in run if delivery.attempt > 1]:
            run = self._not_ours_already(run)
        jobs = self.ledger.take(run)
        self._journal.received(jobs)
        self.dispatch.add(jobs)
        for delivery, decision in refused:
            if isinstance(decision, Abandon):
                self._journal.abandoned(delivery, decision)
                outcome = self._abandon(delivery, decision)
            else:
                outcome = give_back(delivery, "too early", not_before=decision.not_before)
            self.settlement.add(list(zip(self.ledger.take([delivery]), [outcome], strict=True)), now)

    def _not_ours_already(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        new = [
            delivery for delivery in deliveries if delivery.attempt <= 1 or not self.ledger.adopt(delivery)
        ]
        if len(new) < len(deliveries):
            count = len(deliveries) - len(new)
            log.warning("%d messages were delivered again while their tasks run here: not run twice", count)
        return new

    def _abandon(self, delivery: Delivery, decision: Abandon) -> Outcome:
        return self._execution.abandon(
            delivery,
            error=decision.error,
            state=decision.state,
            verdict=decision.verdict,
            reason=decision.reason,
        )

    def _follow_ups_failed(self, delivery: Delivery, error: Exception) -> Outcome:
        reason = f"its follow-up messages cannot be published: {error}"
        return self._abandon(delivery, Abandon(error, states.FAILURE, Verdict.DEAD, reason))

    # --- jobs out

    def feed(self, now: float) -> None:
        """Give executors what they can take."""
        if now < self._feed_at:
            return
        for slot, jobs in self.dispatch.plan(now):
            if self._early and not self._acknowledge(slot, jobs, now):
                continue
            taken = self._pool.dispatch(slot, jobs)
            if taken < len(jobs):
                self._unsent(slot, jobs[taken:])
                del jobs[taken:]
            self.ledger.dispatched(slot, jobs)

    def feed_at(self, now: float) -> float | None:
        """When :meth:`feed` wants to be called although nothing happened."""
        return self._feed_at if self._feed_at > now else None

    def _unsent(self, slot: int, jobs: Sequence[Job]) -> None:
        self.dispatch.unsent(slot, [job.number for job in jobs])
        self.dispatch.put_back(jobs)

    def _acknowledge(self, slot: int, jobs: list[Job], now: float) -> bool:
        """Settle those whose task wants it before they run (``acks_late=False``). False: nothing may run."""
        early = [
            job
            for job in jobs
            if job.delivery.message.headers.get("task") in self._early
            and job.number not in self.ledger.unclaimed
        ]
        if not early:
            return True
        tags = [delivery.tag for delivery in self.ledger.deliveries([job.number for job in early])]
        try:
            refused: set[Tag] = set(self._link.settle([Settlement(tag, Verdict.DONE) for tag in tags]))
        except RetryableError as error:
            log.warning("%d messages could not be acknowledged before their run: %s", len(early), error)
            self._unsent(slot, jobs)
            self._feed_at = now + ACK_AGAIN
            return False
        lost = {job.number for job, tag in zip(early, tags, strict=True) if tag in refused}
        self.ledger.acknowledged([job for job in early if job.number not in lost])
        self.ledger.lose([job for job in early if job.number in lost])
        self.dispatch.unsent(slot, lost)
        jobs[:] = [job for job in jobs if job.number not in lost]
        return bool(jobs)

    def relieve(self, now: float) -> None:
        """Take jobs back from executors that are in a long task, so that nobody waits behind it."""
        for slot in self.dispatch.stuck(now):
            running = self._pool.running(slot)
            if running is not None and time.monotonic() - running[1] > STUCK:
                self._take_back(slot)
        for_others = self.dispatch.stale(now)
        if for_others:
            self.give_back(for_others, "every executor is in a long task", now)

    def _take_back(self, slot: int) -> None:
        numbers = self._pool.take_back(slot)
        self.dispatch.unsent(slot, numbers)
        self.dispatch.close(slot)
        self.dispatch.put_back(self.ledger.taken_back(numbers))

    def give_back(self, jobs: Sequence[Job], why: str, now: float) -> None:
        """Return messages uncounted. Those acknowledged before their run cannot go back: they wait on."""
        claimed = [job for job in jobs if job.number not in self.ledger.unclaimed]
        self.dispatch.put_back([job for job in jobs if job.number in self.ledger.unclaimed])
        if claimed:
            self.settlement.add([(job, give_back(job.delivery, why)) for job in claimed], now)
            log.info("%d messages go back to their queues: %s", len(claimed), why)

    # --- what executors say

    def report(self, reports: Sequence[Report], now: float) -> None:
        """Carry out what the pool reported."""
        finished = [report for report in reports if type(report) is Finished]
        if finished:
            ours, late = self.ledger.ended(finished)
            self.dispatch.finished(finished, now)
            self._journal.ended(ours)
            self.settlement.add(ours, now)
            for report in late:
                log_late(report.outcome)
        if len(finished) == len(reports):
            return
        for other in reports:
            if type(other) is SlotReady:
                self.dispatch.opened(other.slot)
            elif type(other) is ExecutorLost:
                self._lost(other, now)

    def _lost(self, report: ExecutorLost, now: float) -> None:
        crash = self.ledger.crashed(report)
        self.dispatch.lost(report.slot)
        if self.stopping:
            self.give_back(crash.unread, "the worker stops", now)
        else:
            self.dispatch.put_back(crash.unread)
        self.settlement.add([(job, self._crashed(job, report)) for job in crash.begun], now)

    def _crashed(self, job: Job, report: ExecutorLost) -> Outcome:
        delivery, most = job.delivery, self._max_deliveries
        headers = delivery.message.headers
        claimed = job.number not in self.ledger.unclaimed
        why = f"its executor (pid {report.pid}) ended: {report.reason}"
        if self.killing and claimed:
            return give_back(delivery, why)
        name = headers.get("task")
        requeue = claimed and (
            not isinstance(name, str)
            or name not in self._tasks
            or self._tasks[name].reject_on_worker_lost is not False
        )
        verdict = crash_verdict(delivery.attempt, most, requeue=requeue)
        reason = f"delivery {delivery.attempt} of {most}: {why}"
        log.error("Task %s[%s], %s", name, headers.get("id"), reason)
        if verdict is Verdict.RETURN:
            return give_back(delivery, why, counted=True)
        return self._abandon(delivery, Abandon(WorkerLostError(reason), states.FAILURE, verdict, reason))

    # --- leases

    def renew(self, now: float) -> None:
        """Renew the leases that are due."""
        self._forget(self.renewal.renew(now))

    def _confirm(self) -> bool:
        lost = self.renewal.confirm()
        if lost is None:
            return False
        self._forget(lost)
        return True

    def _forget(self, lost: Sequence[Job]) -> None:
        if lost:
            self.dispatch.forget([job.number for job in lost])

    # --- the end

    def stop(self, now: float) -> None:
        """Begin nothing more: what waits here or in executors goes back to the broker at once."""
        self.stopping = True
        for slot in self.dispatch.slots:
            self._take_back(slot)
        self.give_back(self.dispatch.remove_waiting(), "the worker stops", now)

    def give_up(self, now: float) -> None:
        """Return what executors still run, uncounted. They must have been killed, or be about to be."""
        running = self.ledger.taken_back([job.number for job in self.ledger.running()])
        early = [job for job in running if job.number in self.ledger.unclaimed]
        if early:
            log.error(
                "%d tasks were acknowledged before their run and are lost (acks_late=False)", len(early)
            )
            self.ledger.release([job.number for job in early])
        waiting = self.dispatch.remove_waiting()
        self.ledger.release([job.number for job in waiting])
        self.give_back([job for job in running if job not in early], "the worker was killed", now)

    @property
    def empty(self) -> bool:
        """Nothing runs, waits or is left to be settled."""
        return not self.ledger.running() and not self.dispatch.waiting and not len(self.settlement)

"""Settlement: carrying out outcomes, in batches and in the order that loses nothing.

Follow-up messages are published and confirmed, then results are stored in one call, then the messages
are settled in one call. Whatever fails stays where it is and is tried again with back-off while the
ledger keeps its leases; nothing is acknowledged before everything that belongs to it is durable. An
outcome whose claim is lost is dropped: the message has another owner now, and so has its result.

Not a thread: the consumer loop calls :meth:`Settlement.flush`. The I/O comes in as functions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cicely import states
from cicely.backends.spi import StoredRecord
from cicely.exceptions import BackendError
from cicely.outcome import Outcome
from cicely_transports.errors import MisuseError, PartialPublish, RetryableError
from cicely_transports.spi import Delivery, Send, Tag, Verdict
from cicely_transports.spi import Settlement as Settle

from .ledger import Ended, Ledger

log = logging.getLogger("cicely.worker.settlement")

#: A flush at this many outcomes,
FLUSH_AT = 256
#: or this many seconds after the first.
FLUSH_AFTER = 0.010
#: Pauses between tries to publish, to store or to settle, in seconds; the last one repeats.
BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
#: A record that was refused so often, while others were stored, is given up.
STORE_TRIES = 8


@dataclass(frozen=True, slots=True)
class Ports:
    """What a settlement needs from the world. Each function takes a batch and is bounded in time.

    ``publish`` and ``settle`` raise the transport's errors, ``store`` raises BackendError. ``confirm`` renews
    the leases that are due and takes lost jobs out of the ledger; it returns False when the broker cannot
    be asked.
    ``failed`` makes the outcome of a task whose follow-ups can never be published.
    """

    publish: Callable[[Sequence[Send]], None]
    store: Callable[[Sequence[StoredRecord]], None]
    settle: Callable[[Sequence[Settle]], list[Tag]]
    confirm: Callable[[], bool]
    failed: Callable[[Delivery, Exception], Outcome]
    clock: Callable[[], float]


class _Retry:
    """When a step that failed may be tried again (on the clock that flush is given)."""

    def __init__(self) -> None:
        self.tries = 0
        self.at = 0.0

    def failed(self, now: float) -> None:
        self.at = now + BACKOFF[min(self.tries, len(BACKOFF) - 1)]
        self.tries += 1

    def worked(self) -> None:
        self.tries = 0
        self.at = 0.0


class Settlement:
    """Outcomes on their way out, in three stages."""

    def __init__(self, ledger: Ledger, ports: Ports) -> None:
        self._ledger = ledger
        self._ports = ports
        self._fresh: list[Ended] = []
        self._unsent: list[Ended] = []
        self._published: list[Ended] = []
        self._stored: list[Ended] = []
        self._since = 0.0
        self._send = _Retry()
        self._store = _Retry()
        #: Single records were stored since the backend last refused a batch: it is not the backend.
        self._store_works = False
        self._settle = _Retry()
        self._hold = _Retry()

    def __len__(self) -> int:
        return len(self._fresh) + len(self._unsent) + len(self._published) + len(self._stored)

    def add(self, ended: Sequence[Ended], now: float) -> None:
        """Take outcomes. ``now`` and all times of this class are monotonic seconds."""
        if not self._fresh:
            self._since = now
        self._fresh.extend(ended)

    def due_at(self, *, idle: bool) -> float | None:
        """When :meth:`flush` has something to do; ``idle``: no more outcomes will come soon."""
        times = []
        if self._fresh:
            times.append(self._since if idle or len(self._fresh) >= FLUSH_AT else self._since + FLUSH_AFTER)
        if self._unsent:
            times.append(self._send.at)
        if self._published:
            times.append(self._store.at)
        if self._stored:
            times.append(self._settle.at)
        return max(min(times), self._hold.at) if times else None

    def flush(self, now: float) -> None:
        """Carry out what can be carried out now."""
        ledger = self._ledger
        if ledger.overdue(self._ports.clock()) and not self._ports.confirm():
            self._hold.failed(now)  # nothing may be stored for a claim that may be lost: ask again later
            return
        self._hold.worked()
        if self._fresh or self._unsent:
            self._publish_all(now)
        if self._published and now >= self._store.at:
            self._stored.extend(self._put(self._ours(self._published), now))
        if self._stored and now >= self._settle.at:
            self._end(self._ours(self._stored), now)

    def _publish_all(self, now: float) -> None:
        batch, self._fresh = self._ours(self._fresh), []
        unsent = [*self._ours(self._unsent), *[item for item in batch if item[1].sends]]
        self._unsent = []
        if now >= self._send.at:
            self._published.extend(self._publish(unsent, now))
        else:
            self._unsent = unsent
        self._published.extend([item for item in batch if not item[1].sends])

    def _ours(self, batch: list[Ended]) -> list[Ended]:
        held = self._ledger.numbers
        ours = [item for item in batch if item[0].number in held]
        if len(ours) < len(batch):
            for job, outcome in batch:
                if job.number not in held:
                    log_late(outcome)
        return ours

    # --- publish

    def _publish(self, batch: list[Ended], now: float) -> list[Ended]:
        sends = [send for _, outcome in batch for send in outcome.sends]
        if not sends:
            return batch
        try:
            self._ports.publish(sends)
        except MisuseError as error:
            if len(batch) > 1:  # one of them can never be published: find it, spare the others
                return [done for item in batch for done in self._publish([item], now)]
            return [self._hopeless(batch[0], error)]
        except RetryableError as error:
            return self._unpublished(batch, error, now)
        self._send.worked()
        return batch

    def _unpublished(self, batch: list[Ended], error: RetryableError, now: float) -> list[Ended]:
        """Keep what was not confirmed for the next try, without what was. Returns what was wholly sent."""
        partial = error if isinstance(error, PartialPublish) else error.__cause__
        sends = [send for _, outcome in batch for send in outcome.sends]
        unsent = set(map(id, partial.unsent if isinstance(partial, PartialPublish) else sends))
        self._send.failed(now)
        log.warning(
            "%d follow-up messages could not be published (next try in %.1f s): %s",
            len(unsent), self._send.at - now, error,
        )  # fmt: skip
        sent = []
        for job, outcome in batch:
            left = tuple([send for send in outcome.sends if id(send) in unsent])
            if left:
                self._unsent.append((job, replace(outcome, sends=left)))
            else:
                sent.append((job, outcome))
        return sent

    def _hopeless(self, item: Ended, error: Exception) -> Ended:
        """The follow-ups break a rule of the transport: the task fails, as it does in Celery."""
        job, outcome = item
        log.error(
            "Task %s[%s] failed: its follow-up messages cannot be published: %s",
            outcome.task_name, outcome.task_id, error,
        )  # fmt: skip
        failed = self._ports.failed(job.delivery, error)
        if failed.sends:
            try:
                self._ports.publish(failed.sends)
            except (MisuseError, RetryableError) as second:
                log.error(
                    "The errbacks of %s[%s] were not sent: %s", outcome.task_name, outcome.task_id, second
                )
        return job, replace(failed, sends=())

    # --- store

    def _put(self, batch: list[Ended], now: float) -> list[Ended]:
        """Store the records. Returns what is ready to be settled; keeps the rest for the next try."""
        records = [record for _, outcome in batch for record in outcome.records]
        self._published = []
        if not records:
            return batch
        try:
            self._ports.store(records)
        except BackendError as error:
            return self._unstored(batch, error, now)
        self._store.worked()
        self._store_works = False
        return batch

    def _unstored(self, batch: list[Ended], error: BackendError, now: float) -> list[Ended]:
        """Keep what could not be stored for the next try, for as long as it takes: running its task again
        would store it no better. Only a record that is refused while others are stored is given up.
        """
        ready = [item for item in batch if not item[1].records]
        waiting = [item for item in batch if item[1].records]
        self._store.failed(now)
        tries = self._store.tries
        log.warning(
            "%d results could not be stored (try %d, next in %.1f s): %s",
            len(waiting), tries, self._store.at - now, error,
        )  # fmt: skip
        stored, refused, single = self._put_singly(waiting) if tries > 1 else ([], waiting, False)
        if single and tries >= STORE_TRIES:
            self._store.worked()
            return [*ready, *stored, *[self._unstorable(item, error) for item in refused]]
        self._published = refused
        return [*ready, *stored]

    def _put_singly(self, waiting: list[Ended]) -> tuple[list[Ended], list[Ended], bool]:
        """Find out whether some records can be stored. Returns what was stored, what was not, and whether
        the fault is in single records: the second refusal in a row says that it is in the backend.
        """
        stored: list[Ended] = []
        refused: list[Ended] = []
        in_a_row = 0
        for position, item in enumerate(waiting):
            try:
                self._ports.store(item[1].records)
            except BackendError:
                refused.append(item)
                in_a_row += 1
                if in_a_row == 2:
                    self._store_works = False
                    return stored, [*refused, *waiting[position + 1 :]], False
            else:
                self._store_works = True
                stored.append(item)
                in_a_row = 0
        return stored, refused, self._store_works

    def _unstorable(self, item: Ended, error: BackendError) -> Ended:
        """The task ran, its result can never be stored: a dead letter tells of it."""
        job, outcome = item
        why = f"its result cannot be stored: {error}"
        log.error("Task %s[%s] becomes a dead letter: %s", outcome.task_name, outcome.task_id, why)
        return job, replace(outcome, verdict=Verdict.DEAD, reason=why, records=())

    # --- settle

    def _end(self, batch: list[Ended], now: float) -> None:
        self._stored = batch
        ledger = self._ledger
        current = ledger.deliveries([job.number for job, _ in batch])
        items = [
            Settle(delivery.tag, o.verdict, o.not_before, o.counted, o.reason)
            for delivery, (job, o) in zip(current, batch, strict=True)
            if job.number not in ledger.unclaimed
        ]
        if items:
            try:
                refused = self._ports.settle(items)
            except RetryableError as error:
                self._settle.failed(now)
                log.warning(
                    "%d messages could not be settled (next try in %.1f s): %s",
                    len(items), self._settle.at - now, error,
                )  # fmt: skip
                return
            if refused:
                gone = set(refused)
                for delivery, (_, outcome) in zip(current, batch, strict=True):
                    if delivery.tag in gone:
                        log_late(outcome, "its result was stored before, the next delivery may replace it")
        self._settle.worked()
        self._stored = []
        ledger.release([job.number for job, _ in batch])


def give_back(
    delivery: Delivery, why: str, *, counted: bool = False, not_before: float | None = None
) -> Outcome:
    """The outcome of a delivery that goes back to its queue without a result."""
    headers = delivery.message.headers
    return Outcome(
        task_id=str(headers.get("id")),
        task_name=str(headers.get("task")),
        state=states.PENDING,
        verdict=Verdict.RETURN,
        not_before=not_before,
        counted=counted,
        reason=why,
    )


def log_late(outcome: Outcome, consequence: str = "its result is dropped") -> None:
    """Say that an outcome was refused because its claim had passed to another worker."""
    log.warning(
        "Task %s[%s]: late ack refused, the lease of this delivery was lost (state %s; %s)",
        outcome.task_name, outcome.task_id, outcome.state, consequence,
    )  # fmt: skip

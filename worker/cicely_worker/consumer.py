"""The consumer loop: everything between the broker and the executors, in one thread.

The loop decides nothing by itself: it waits, carries what arrived to the flow of jobs, and goes through
the phases of a worker's life. Task code never runs in this thread, so leases are renewed whatever the
tasks do.
"""

from __future__ import annotations

import logging
import selectors
import time
from enum import IntEnum
from typing import TYPE_CHECKING

from cicely import signals
from cicely_transports.errors import TransportError

from .dispatch import BATCH, STUCK
from .flow import Flow
from .intake import Intake, RetryDisabled
from .link import BrokerLink
from .pools.spi import Pool
from .timers import Timers
from .wakeup import Wakeup

if TYPE_CHECKING:
    from cicely.app import Cicely

    from .options import WorkerOptions

log = logging.getLogger("cicely.worker")

#: Most outcomes that may wait to be settled before nothing more is asked for.
MAX_UNSETTLED = 2048
#: Seconds that killed executors have to be reported, and that the broker has to take what is left then.
BURIAL, LAST_WORDS = 3.0, 5.0
#: The longest pause of the loop, in seconds.
PAUSE = 60.0


class Phase(IntEnum):
    """What the loop is about. It only goes up."""

    RUN = 0
    WARM = 1
    COLD = 2
    OVER = 3


class Consumer:
    """Consumes ``queues`` for ``app`` and runs tasks in ``pool``, until :meth:`stop`."""

    def __init__(self, app: Cicely, pool: Pool, options: WorkerOptions) -> None:
        self.app = app
        self.pool = pool
        self.options = options
        self.hostname = options.hostname
        self._wakeup = Wakeup()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wakeup, selectors.EVENT_READ)
        self._watched: tuple[int, ...] = ()
        self._timers = Timers()
        credit = 2 * BATCH * options.concurrency + MAX_UNSETTLED
        self._link = BrokerLink(app, options.queues, credit=credit, lease=options.lease)
        self._flow = Flow(app, pool, options, self._link, self)
        self._intake = Intake(
            self._link.connect,
            self._wakeup.set,
            broker=app.safe_broker_url,
            retry=app.conf.broker_connection_retry,
            retry_on_startup=app.conf.broker_connection_retry_on_startup,
        )
        self._asked = Phase.RUN
        self._phase = Phase.RUN
        self._ready = False
        self._code = 0

    # --- from outside

    def stop(self, how: str = "warm") -> None:
        """Ask the loop to end: ``warm`` lets running tasks end, ``cold`` does not; asking for more later
        escalates. May be called from any thread and from a signal handler.
        """
        self._asked = max(self._asked, Phase.COLD if how == "cold" else Phase.WARM)
        self._wakeup.set()

    def run(self) -> int:
        """Consume until stopped. Returns the exit code: 0 when it was asked to stop, 1 when it had to."""
        self.pool.start()
        self._intake.start()
        try:
            while self._phase < Phase.OVER:
                self.turn()
        finally:
            self._close()
        return self._code

    # --- one turn of the loop

    def turn(self) -> None:
        """Wait until something happens, and do what follows from it."""
        flow = self._flow
        self._wait()
        now = time.monotonic()
        reports = self.pool.poll()
        if self._asked > self._phase or (self._intake.failure is not None and not self._code):
            self._escalate(now)  # before the reports: what was killed on purpose has not crashed
        if reports:
            flow.report(reports, now)
        arrived = self._intake.take()
        if arrived:
            flow.admit(arrived, now)
        self._timers.run(now)
        flow.renew(now)
        flow.feed(now)
        flow.relieve(now)
        due = flow.settlement.due_at(idle=not flow.dispatch.outstanding)
        if due is not None and due <= now:
            flow.settlement.flush(now)
        if self._phase is Phase.RUN:
            self._want(now)
        elif flow.empty and not self._intake.alive:
            self._phase = Phase.OVER

    def _wait(self) -> None:
        watched = tuple(self.pool.filenos())
        if watched != self._watched:
            self._watch(watched)
        flow, now = self._flow, time.monotonic()
        moments = (
            now + PAUSE,
            flow.settlement.due_at(idle=not flow.dispatch.outstanding),
            self._timers.next_at(),
            flow.renewal.next_at(now),
            flow.feed_at(now),
            now + STUCK if flow.dispatch.held_back else None,
        )
        for key, _ in self._selector.select(max(0.0, min(filter(None, moments)) - now)):
            if key.fileobj is self._wakeup:
                self._wakeup.clear()

    def _watch(self, watched: tuple[int, ...]) -> None:
        for fd in self._watched:
            if fd not in watched:
                self._selector.unregister(fd)
        for fd in watched:
            if fd not in self._watched:
                self._selector.register(fd, selectors.EVENT_READ)
        self._watched = watched

    def _want(self, now: float) -> None:
        if not self._ready and self._intake.connected.is_set() and self._flow.dispatch.slots:
            self._ready = True
            log.info("%s ready.", self.hostname)
            signals.worker_ready.send(self)
        credit, suspects = self._flow.dispatch.wanted(now)
        self._intake.grant(credit if len(self._flow.settlement) < MAX_UNSETTLED else 0, suspects)

    # --- the end

    def _escalate(self, now: float) -> None:
        if self._intake.failure is not None:
            self._code = 1
            self._explain(self._intake.failure)
            self._asked = max(self._asked, Phase.WARM)
        was, wait = self._phase, self.options.grace
        if was is Phase.RUN and self._asked is Phase.COLD and self.options.soft_timeout:
            self._asked, wait = Phase.WARM, self.options.soft_timeout
        self._phase = self._asked
        if was is Phase.RUN:
            how = "warm" if self._phase is Phase.WARM else "cold"
            log.info("%s stops (%s)", self.hostname, how)
            signals.worker_shutting_down.send(self.hostname, sig=None, how=how, exitcode=self._code)
            self._intake.stop()
            self._flow.stop(now)
            self._timers.at(now + wait, self._grace_is_over)
        if self._phase is Phase.COLD and was < Phase.COLD:
            self._flow.killing = True
            self.pool.stop(kill=True)
            self._timers.at(now + (BURIAL if self.pool.isolated else 0.0), self._give_up)

    def _explain(self, failure: BaseException) -> None:
        if isinstance(failure, (TransportError, RetryDisabled)):
            log.critical("%s", failure)
        else:
            log.critical("The intake failed: %r", failure, exc_info=failure)

    def _grace_is_over(self, now: float) -> None:
        if self._phase is Phase.WARM:
            log.warning("Tasks still run at the end of their grace: they are stopped")
            self.stop("cold")

    def _give_up(self, now: float) -> None:
        self._flow.give_up(now)
        self._timers.at(now + LAST_WORDS, self._leave)

    def _leave(self, now: float) -> None:
        if self._phase < Phase.OVER:
            log.error(
                "The broker does not take what is left: the leases of %d messages run out",
                len(self._flow.ledger),
            )
            self._phase = Phase.OVER

    def _close(self) -> None:
        self.pool.stop(kill=self._phase is Phase.COLD or self._code != 0)
        self._intake.stop()
        self._link.close()
        self._selector.close()
        if self._intake.join(LAST_WORDS):  # else it may wake us yet: its pipe must not become another file
            self._wakeup.close()

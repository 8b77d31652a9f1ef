"""The supervisor: forks the consumer and the executors, replaces what dies, passes signals on.

One thread, no broker connection, never a wait without a bound; so that a fork is safe at any time and every
death is noticed at once.
"""

from __future__ import annotations

import gc
import logging
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cicely.exceptions import ImproperlyConfigured

from . import processes
from .board import Board
from .control import Bye, Channel, ControlError, How, Leaving, Message, SlotDown, Stop, channel_pair
from .executor import Recipe, Run
from .pool import PreforkPool
from .respawn import DEATHS, SPAN, ConsumerBackOff, ExecutorBackOff
from .signalbox import SignalBox

#: Seconds that the consumer has for a cold stop, and idle executors for their end.
COLD_LIMIT, DISMISSAL = 10.0, 5.0
#: Exit status when the consumer died too often.
GIVEN_UP = 1

_SIGNALS = (*processes.OUTSIDE, signal.SIGCHLD)


@dataclass(slots=True)
class _Child:
    slot: int
    born: float


class Supervisor:
    """Runs one worker from the main thread of the process that was started.

    ``consumer`` is called in a child with the pool and returns the exit status of the worker.
    ``on_fork`` is called first in every child, then ``make_run`` in executors. A warm stop that takes
    longer than ``warm_limit`` seconds becomes a cold one (None: the consumer alone bounds it).
    """

    def __init__(
        self,
        consumer: Callable[[PreforkPool], int],
        make_run: Callable[[], Run],
        concurrency: int,
        on_fork: Callable[[], None],
        log: logging.Logger,
        *,
        nodename: str = "",
        warm_limit: float | None = None,
    ) -> None:
        if concurrency < 1:
            raise ImproperlyConfigured(f"concurrency is {concurrency}, it must be 1 or more")
        self._consumer, self._on_fork, self._log = consumer, on_fork, log
        self._nodename, self._warm_limit = nodename, warm_limit
        self._board = Board(concurrency)
        self._recipe = Recipe(self._board, on_fork, make_run, nodename)
        self._signals = SignalBox(_SIGNALS)
        self._channel: Channel | None = None
        self._consumer_pid = 0
        self._executors: dict[int, _Child] = {}
        self._due: dict[int, float] = {}
        self._crew_due: float | None = None
        self._deadline: float | None = None
        self._order: How | None = None
        self._leaving = self._bye = False
        self._executor_deaths, self._consumer_deaths = ExecutorBackOff(), ConsumerBackOff()
        self._code: int | None = None

    def run(self) -> int:
        """Run until the worker ends; returns its exit status. All children have ended then.

        Raises ImproperlyConfigured where processes cannot fork.
        """
        if not hasattr(os, "fork"):
            raise ImproperlyConfigured("this system cannot fork processes: use the thread pool, -P threads")
        self._warn_of_threads()
        processes.dump_stacks_on_usr1()
        gc.collect()
        gc.freeze()
        try:
            with self._signals:
                try:
                    self._open_crew()
                    while self._code is None:
                        self._turn()
                    return self._code
                finally:
                    self._dismiss(kill=self._code is None)
                    self._close_channel()
        finally:
            gc.unfreeze()
            self._board.close()

    def _warn_of_threads(self) -> None:
        others = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if others:
            self._log.warning(
                "threads run before the worker forks (%s); locks that they hold stay locked in the children: "
                "start them in worker_process_init, or use -P threads",
                ", ".join(others),
            )

    # --- the loop

    def _turn(self) -> None:
        self._wait(self._next_due())
        for number in self._signals.take():
            self._on_signal(number)
        dead = processes.reap()  # before listening: what the dead have said last is heard first
        self._listen()
        # the consumer last: what follows its death is about executors that are not yet reaped
        for pid, status in sorted(dead, key=lambda death: death[0] == self._consumer_pid):
            self._on_death(pid, status)
        self._do_what_is_due(time.monotonic())

    def _next_due(self) -> float | None:
        times = [due for due in (self._crew_due, self._deadline, *self._due.values()) if due is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _wait(self, timeout: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals, selectors.EVENT_READ)
            channel = self._channel
            if channel is not None and not channel.ended:
                events = selectors.EVENT_WRITE if channel.blocked else 0
                selector.register(channel, selectors.EVENT_READ | events)
            selector.select(timeout)

    def _listen(self) -> None:
        channel = self._channel
        if channel is None:
            return
        try:
            channel.flush()
            for message in channel.receive():
                if isinstance(message, Bye):
                    self._bye = True
                elif isinstance(message, Leaving):
                    self._leaving = True
                    self._due.clear()
        except ControlError as error:
            self._break_with_consumer(error)

    def _tell(self, message: Message) -> None:
        if self._channel is not None:
            try:
                self._channel.send(message)
            except ControlError as error:
                self._break_with_consumer(error)

    def _break_with_consumer(self, error: ControlError) -> None:
        self._log.error("the consumer (pid %d) is killed: %s", self._consumer_pid, error)
        processes.kill(self._consumer_pid, None)
        self._close_channel()

    def _do_what_is_due(self, now: float) -> None:
        if self._crew_due is not None and now >= self._crew_due:
            self._crew_due = None
            self._open_crew()
        for slot in [slot for slot, due in self._due.items() if now >= due]:
            del self._due[slot]
            self._open_slot(slot)
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            if self._order == "warm":
                self._log.warning("the warm stop took longer than %.0f s", self._warm_limit)
                self._stop("cold")
            elif self._consumer_pid:
                self._log.error(
                    "the consumer (pid %d) did not stop in %.0f s: it is killed",
                    self._consumer_pid,
                    COLD_LIMIT,
                )
                processes.kill(self._consumer_pid, None)

    # --- births

    def _open_crew(self) -> None:
        self._leaving = self._bye = False
        try:
            ours, theirs = channel_pair()
            self._channel = ours

            def prepare() -> None:
                processes.turn_deaf(processes.OUTSIDE)
                self._leave_behind()

            try:
                self._consumer_pid = processes.fork(prepare, lambda: self._consume(theirs))
            finally:
                theirs.close()
        except OSError as error:
            self._log.error("the consumer cannot be forked: %s", error)
            self._close_channel()
            self._replace_crew()
            return
        self._log.info("consumer is pid %d", self._consumer_pid)
        for slot in range(self._board.slots):
            self._open_slot(slot)

    def _consume(self, channel: Channel) -> int:
        processes.detach_stdin()
        processes.reseed()
        processes.take_role("consumer", self._nodename)
        self._on_fork()
        pool = PreforkPool(channel, self._board, self._log)
        done = False
        try:
            code = self._consumer(pool)
            done = True
        finally:
            pool.close(farewell=done)
        return code

    def _open_slot(self, slot: int) -> None:
        if self._channel is None:
            return
        try:
            up = self._recipe.fork(slot, self._leave_behind)
        except OSError as error:
            delay = self._executor_deaths.died(0.0, worked=False)
            self._log.error("an executor cannot be forked, trying again in %.1f s: %s", delay, error)
            self._due[slot] = time.monotonic() + delay
            return
        self._executors[up.pid] = _Child(slot, time.monotonic())
        self._tell(up)

    def _leave_behind(self) -> None:
        """In a child: close what belongs to the supervisor alone."""
        self._signals.abandon()
        self._close_channel()

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    # --- deaths

    def _on_death(self, pid: int, status: int) -> None:
        if pid == self._consumer_pid:
            self._consumer_pid = 0
            self._on_consumer_death(pid, status)
        elif pid in self._executors:
            self._on_executor_death(pid, status, self._executors.pop(pid))

    def _on_executor_death(self, pid: int, status: int, child: _Child) -> None:
        row = self._board.read(child.slot)
        self._board.clear(child.slot)
        why = processes.describe(status)
        self._tell(SlotDown(child.slot, pid, status, row.number))
        if self._leaving or self._order is not None:
            self._log.debug("executor %d (pid %d) ended: %s", child.slot, pid, why)
            return
        now = time.monotonic()
        worked = row.finished > 0 or row.number is not None
        delay = self._executor_deaths.died(now - child.born, worked=worked)
        self._due[child.slot] = now + delay
        self._log.error(
            "executor %d (pid %d) died: %s%s",
            child.slot,
            pid,
            why,
            f"; it failed to start, the next one is forked in {delay:.1f} s" if delay else "",
        )

    def _on_consumer_death(self, pid: int, status: int) -> None:
        why = processes.describe(status)
        if self._bye:
            self._code = processes.exit_code(status)
            return
        self._log.error("the consumer (pid %d) died: %s; its executors are killed", pid, why)
        self._dismiss(kill=True)
        self._close_channel()
        if self._order is not None:
            self._code = processes.exit_code(status) or processes.CRASHED
            return
        self._replace_crew()

    def _replace_crew(self) -> None:
        now = time.monotonic()
        delay = self._consumer_deaths.died(now)
        if delay is None:
            self._log.critical(
                "the consumer died %d times in %.0f s: the worker gives up; the reason is in the tracebacks "
                "above",
                DEATHS,
                SPAN,
            )
            self._code = GIVEN_UP
        else:
            self._log.warning("consumer and executors are started again in %.1f s", delay)
            self._crew_due = now + delay

    def _dismiss(self, *, kill: bool) -> None:
        """End all executors: idle ones in good order, those in a job at once, for nobody waits for it."""
        self._due.clear()
        self._crew_due = None
        if self._consumer_pid:
            processes.kill(self._consumer_pid, None)
        for pid, child in self._executors.items():
            if kill or self._board.read(child.slot).number is not None:
                processes.kill(pid, None)
            else:
                os.kill(pid, signal.SIGTERM)
        self._await_ends()
        for pid in self._executors:
            self._log.warning("executor pid %d did not end in %.0f s: it is killed", pid, DISMISSAL)
            processes.kill(pid, None)
        self._await_ends()
        for pid in self._executors:
            self._log.error("executor pid %d does not die: it is left to the system", pid)
        self._executors.clear()
        for slot in range(self._board.slots):
            self._board.clear(slot)

    def _await_ends(self) -> None:
        deadline = time.monotonic() + DISMISSAL
        while self._executors or self._consumer_pid:
            for pid, _ in processes.reap():
                self._executors.pop(pid, None)
                if pid == self._consumer_pid:
                    self._consumer_pid = 0
            rest = deadline - time.monotonic()
            if rest <= 0 or not (self._executors or self._consumer_pid):
                return
            with selectors.DefaultSelector() as selector:
                selector.register(self._signals, selectors.EVENT_READ)
                selector.select(rest)
            for number in self._signals.take():
                self._on_signal(number)

    # --- signals

    def _on_signal(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP:
            self._log.warning("SIGHUP is reserved and does nothing; TERM stops the worker")
        elif number == signal.SIGQUIT or (number == signal.SIGINT and self._order is not None):
            self._stop("cold")
        elif number != signal.SIGCHLD:
            self._stop("warm")

    def _stop(self, how: How) -> None:
        if self._order == how or self._order == "cold":
            return
        self._order = how
        self._log.info("%s stop", how)
        limit = COLD_LIMIT if how == "cold" else self._warm_limit
        self._deadline = time.monotonic() + limit if limit is not None else None
        self._due.clear()
        if self._crew_due is not None:
            self._crew_due = None
            self._code = 0
        self._tell(Stop(how))

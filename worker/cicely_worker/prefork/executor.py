"""The executor: one process that takes a job frame, runs it and sends its outcome, one after the other."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cicely import signals

from . import processes
from .control import SlotUp
from .frames import GREETING, decode_job, encode_outcome
from .links import Link, link_pair

if TYPE_CHECKING:
    from cicely.outcome import Outcome
    from cicely_transports.spi import Delivery

    from .board import Board, Entry

Run = Callable[["Delivery"], "Outcome"]


class EscapedExit(RuntimeError):
    """SystemExit came out of the code that runs tasks, which must turn it into an outcome."""


class Executor:
    """The loop of an executor process."""

    def __init__(self, link: Link, entry: Entry, run: Run) -> None:
        self._link, self._entry, self._run = link, entry, run
        self._leaving = False

    def leave(self) -> None:
        """End after the running job; what was not begun stays for others. Safe in a signal handler."""
        self._leaving = True
        self._link.end_receiving()

    def serve(self) -> None:
        """Run jobs until there can be no more: the consumer ended them, is gone, or :meth:`leave`.

        Whatever escapes from running a job passes: a process that ends with a traceback is noticed,
        its job is counted, and one that goes on with a broken state is not. Raises FrameError.
        """
        receive, send, run, entry = self._link.receive, self._link.send, self._run, self._entry
        told = send(GREETING)
        while told:
            job = receive(decode_job)
            if job is None or self._leaving:
                return
            number, delivery = job
            entry.begin(number)
            try:
                outcome = run(delivery)
            except SystemExit as error:
                raise EscapedExit(f"SystemExit({error.code!r}) escaped from running a task") from error
            told = send(encode_outcome(number, outcome))
            entry.end()


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every executor of a worker is made of.

    ``make_run`` is called in the new process, after ``on_fork``, and gives what turns a delivery into an
    outcome. ``nodename``: the worker's name.
    """

    board: Board
    on_fork: Callable[[], None]
    make_run: Callable[[], Run]
    nodename: str = ""

    def fork(self, slot: int, leave_behind: Callable[[], None]) -> SlotUp:
        """Fork an executor; returns what the consumer is to be told, with the descriptors it is to own.

        ``leave_behind`` is called in the child and closes what belongs to the parent. Raises OSError.
        """
        near, far = link_pair()
        parent = os.getpid()
        try:

            def prepare() -> None:
                processes.turn_deaf(processes.OUTSIDE)
                leave_behind()
                near.close()
                processes.die_with(parent)

            pid = processes.fork(prepare, lambda: self._live(slot, far))
        except BaseException:
            near.close()
            far.close()
            raise
        return SlotUp(slot, pid, (near.detach(), far.detach(), *processes.pidfd(pid)))

    def _live(self, slot: int, link: Link) -> int:
        processes.let_forks_be_terminated()
        processes.detach_stdin()
        processes.reseed()
        processes.take_role(f"executor-{slot}", self.nodename)
        self.on_fork()
        if signals.worker_process_init.receivers:
            signals.worker_process_init.send(self.nodename)
        code = processes.CRASHED
        try:
            entry = self.board.entry(slot, time.monotonic)
            executor = Executor(link, entry, self.make_run())
            processes.turn_deaf([signal.SIGTERM], executor.leave)
            entry.ready()
            executor.serve()
            code = 0
        finally:
            if signals.worker_process_shutdown.receivers:
                signals.worker_process_shutdown.send(self.nodename, pid=os.getpid(), exitcode=code)
        return code

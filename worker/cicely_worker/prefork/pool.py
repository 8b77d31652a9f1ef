"""The prefork pool as the consumer sees it. Forking and reaping are the supervisor's."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cicely import states
from cicely.outcome import Outcome
from cicely_transports.spi import Verdict
from cicely_worker.pools.spi import ExecutorLost, Finished, Pool, SlotReady

from . import processes
from .control import Bye, ControlError, How, Leaving, SlotDown, SlotUp, Stop
from .frames import FrameError, OutcomeFrame, decode_number, decode_outcome, encode_job, unpickle_outcome
from .links import UNLIMITED, Link, adopt

if TYPE_CHECKING:
    import logging

    from cicely_worker.pools.spi import Job, Report

    from .board import Board
    from .control import Channel

#: Seconds that orphaned executors have to be gone after SIGKILL.
_BURIAL = 1.0
#: Seconds that the supervisor has to take the consumer's last message.
_FAREWELL = 1.0


@dataclass(slots=True, eq=False)
class _Executor:
    """``twin`` is the executor's own end of the link, ``watch`` its pidfd, ``held`` the numbers of jobs
    that were sent and neither finished nor taken back, in order.
    """

    slot: int
    pid: int
    link: Link
    twin: Link
    watch: int | None
    held: dict[int, None] = field(default_factory=dict)
    greeted: bool = False
    heard: bool = True


class PreforkPool(Pool):
    """Executors in processes of their own; see :class:`~cicely_worker.pools.spi.Pool`.

    Job numbers start at 1. ``on_stop`` is called inside :meth:`poll` when the worker is to stop; the
    consumer sets it before it polls. When the supervisor dies, every executor is reported lost, then
    ``on_stop("cold")`` is called.
    """

    isolated = True

    def __init__(self, channel: Channel, board: Board, log: logging.Logger) -> None:
        self._channel, self._board, self._log = channel, board, log
        self._executors: dict[int, _Executor] = {}
        self._by_fd: dict[int, _Executor] = {}
        self._reports: list[Report] = []
        # an epoll is a descriptor itself: one to watch, however many executors there are
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._ready = self._epoll or select.poll()
        self._waker = os.pipe()
        self._ready.register(channel.fileno(), select.POLLIN)
        self._ready.register(self._waker[0], select.POLLIN)
        self._closed = False
        self.on_stop: Callable[[How], None] = self._nobody_listens

    def start(self) -> None:
        """Nothing to do: the supervisor forks the executors as soon as it has forked the consumer."""

    def filenos(self) -> Sequence[int]:
        if self._epoll is not None:
            return (self._epoll.fileno(),)
        return (self._channel.fileno(), self._waker[0], *self._by_fd)

    def dispatch(self, slot: int, jobs: Sequence[Job]) -> int:
        executor = self._executors.get(slot)
        if executor is None or not executor.greeted:
            return 0
        held, link = executor.held, executor.link
        if link.window != UNLIMITED:
            jobs = jobs[: link.window - len(held)]
        try:
            frames = [encode_job(job) for job in jobs]
        except FrameError:
            return self._dispatch_singly(slot, jobs)
        taken = link.offer(frames)
        for job in jobs[:taken]:
            held[job.number] = None
        return taken

    def _dispatch_singly(self, slot: int, jobs: Sequence[Job]) -> int:
        for taken, job in enumerate(jobs):
            try:
                encode_job(job)
            except FrameError as error:
                self._refuse(slot, job, str(error))
            else:
                if not self.dispatch(slot, [job]):
                    return taken
        return len(jobs)

    def _refuse(self, slot: int, job: Job, reason: str) -> None:
        headers = job.delivery.message.headers
        outcome = Outcome(
            task_id=str(headers.get("id", "")),
            task_name=str(headers.get("task", "")),
            state=states.FAILURE,
            verdict=Verdict.DEAD,
            reason=reason,
            summary=reason,
        )
        self._reports.append(Finished(slot, job.number, outcome))
        os.write(self._waker[1], b"!")

    def take_back(self, slot: int) -> list[int]:
        executor = self._executors.get(slot)
        if executor is None or executor.link.window != UNLIMITED:
            return []  # where one job at a time is sent, none waits behind another
        numbers: list[int] = []
        try:
            executor.twin.drain(decode_number, numbers, len(executor.held))
        except FrameError as error:
            self._distrust(executor, error)
        for number in numbers:
            del executor.held[number]
        return numbers

    def running(self, slot: int) -> tuple[int, float] | None:
        executor = self._executors.get(slot)
        if executor is None:
            return None
        row = self._board.read(slot)
        if row.number is None or row.number not in executor.held:
            return None
        return row.number, row.started

    def poll(self) -> list[Report]:
        reports, self._reports = self._reports, []
        channel, by_fd = self._channel, self._by_fd
        orders: list[How] = []
        told = False
        for fd, _ in self._ready.poll(0):
            if fd in by_fd:
                self._collect(by_fd[fd], reports)
            elif fd == self._waker[0]:
                os.read(fd, 4096)
            else:
                told = True
        if told:
            orders = self._obey(reports)  # last: it changes whom the descriptors belong to
        if channel.blocked:
            channel.flush()
        for how in orders:
            self.on_stop(how)
        return reports

    def stop(self, *, kill: bool) -> None:
        self._channel.send(Leaving())
        for executor in self._executors.values():
            if kill:
                processes.kill(executor.pid, executor.watch)
            else:
                executor.link.end_sending()

    def close(self, *, farewell: bool) -> None:
        """Release everything; with ``farewell`` the supervisor takes this process's exit as the worker's."""
        if self._closed:
            return
        self._closed = True
        if farewell and not self._channel.ended:
            try:
                self._channel.send(Bye())
                self._channel.flush_within(_FAREWELL)
            except ControlError as error:
                self._log.error("the supervisor does not listen: %s", error)
        for executor in self._executors.values():
            self._release(executor)
        self._executors.clear()
        self._channel.close()
        for fd in self._waker:
            os.close(fd)
        if self._epoll is not None:
            self._epoll.close()

    # --- executors

    def _collect(self, executor: _Executor, reports: list[Report]) -> None:
        frames: list[OutcomeFrame] = []
        slot, held = executor.slot, executor.held
        try:
            if not executor.link.drain(decode_outcome, frames, len(held) + 1):
                self._ignore(executor)
            for frame in frames:
                number, outcome = frame.number, frame.outcome
                if number in held:
                    reports.append(Finished(slot, number, outcome or unpickle_outcome(frame)))
                    del held[number]
                elif number == 0 and not executor.greeted:
                    executor.greeted = True
                    reports.append(SlotReady(slot, executor.pid))
                else:
                    raise FrameError(f"an outcome of job {number}, which it does not have")
        except FrameError as error:
            self._distrust(executor, error)

    def _distrust(self, executor: _Executor, error: FrameError) -> None:
        self._log.error(
            "executor %d (pid %d) sent what cannot be understood and is killed: %s",
            executor.slot,
            executor.pid,
            error,
        )
        self._ignore(executor)
        processes.kill(executor.pid, executor.watch)

    def _ignore(self, executor: _Executor) -> None:
        if executor.heard:
            executor.heard = False
            fd = executor.link.fileno()
            self._ready.unregister(fd)
            del self._by_fd[fd]

    def _bury(self, executor: _Executor, number: int | None, reason: str, reports: list[Report]) -> None:
        if executor.heard:
            self._collect(executor, reports)
        held = executor.held
        running = number if number in held else None
        unread = tuple([other for other in held if other != running])
        reports.append(ExecutorLost(executor.slot, executor.pid, running, unread, reason))
        del self._executors[executor.slot]
        self._release(executor)

    def _release(self, executor: _Executor) -> None:
        self._ignore(executor)
        executor.link.close()
        executor.twin.close()
        if executor.watch is not None:
            os.close(executor.watch)
            executor.watch = None

    # --- the supervisor

    def _obey(self, reports: list[Report]) -> list[How]:
        orders: list[How] = []
        for message in self._channel.receive():
            match message:
                case SlotUp(slot, pid, (link, twin, *watch)):
                    executor = _Executor(slot, pid, adopt(link), adopt(twin), watch[0] if watch else None)
                    self._executors[slot] = self._by_fd[link] = executor
                    self._ready.register(link, select.POLLIN)
                case SlotDown(slot, _, status, number):
                    self._bury(self._executors[slot], number, processes.describe(status), reports)
                case Stop(how):
                    orders.append(how)
        if self._channel.ended:
            self._ready.unregister(self._channel.fileno())
            self._log.error("the supervisor died: this worker gives back what it holds and ends")
            self._bury_orphans(reports)
            orders.append("cold")
        return orders

    def _bury_orphans(self, reports: list[Report]) -> None:
        orphans = list(self._executors.values())
        for executor in orphans:
            processes.kill(executor.pid, executor.watch)
        deadline = time.monotonic() + _BURIAL
        for executor in orphans:
            if executor.watch is not None:
                select.select([executor.watch], [], [], max(0.0, deadline - time.monotonic()))
            number = self._board.read(executor.slot).number
            self._bury(executor, number, "the supervisor died", reports)

    def _nobody_listens(self, how: How) -> None:
        raise RuntimeError(f"the worker is to stop ({how}), and nobody has set PreforkPool.on_stop")

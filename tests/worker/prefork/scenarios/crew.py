"""A pool and its executors with the scenario itself as their parent and as the consumer."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable

from cicely.outcome import Outcome
from cicely_transports.message import Message
from cicely_transports.spi import Delivery, Verdict
from cicely_worker.pools.spi import ExecutorLost, Finished, Job, Report, SlotReady
from cicely_worker.prefork import processes
from cicely_worker.prefork.board import Board
from cicely_worker.prefork.control import SlotDown, channel_pair
from cicely_worker.prefork.executor import Recipe, Run
from cicely_worker.prefork.pool import PreforkPool

PATIENCE = 20.0

log = logging.getLogger("scenario")


def job(number: int, body: bytes = b"") -> Job:
    return Job(number, Delivery(object(), "q", Message(body, {"id": str(number), "task": "t"}), 1, None))


def outcome(delivery: Delivery, summary: str = "") -> Outcome:
    return Outcome(str(delivery.message.headers["id"]), "t", "SUCCESS", Verdict.DONE, summary=summary)


def open_descriptors(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition: Callable[[], object], what: str = "") -> None:
    """Poll a condition that only another process can make true."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.002)


class Crew:
    """Executors with numbers 0.. that run jobs with ``run``."""

    def __init__(self, slots: int, run: Run) -> None:
        self.board = Board(slots)
        self._ours, theirs = channel_pair()
        self.pool = PreforkPool(theirs, self.board, log)
        self.orders: list[str] = []
        self.pool.on_stop = self.orders.append
        self._recipe = Recipe(self.board, lambda: None, lambda: run, "worker@here")
        self.pids: dict[int, int] = {}
        self.reports: list[Report] = []
        for slot in range(slots):
            self.open(slot)
        self.until(lambda: len(self.ready()) == slots)

    def open(self, slot: int) -> None:
        up = self._recipe.fork(slot, self._ours.close)
        self.pids[slot] = up.pid
        self._ours.send(up)

    def ready(self) -> list[SlotReady]:
        return [report for report in self.reports if isinstance(report, SlotReady)]

    def finished(self) -> list[int]:
        return [report.number for report in self.reports if isinstance(report, Finished)]

    def outcomes(self) -> dict[int, Outcome]:
        return {report.number: report.outcome for report in self.reports if isinstance(report, Finished)}

    def lost(self) -> list[ExecutorLost]:
        return [report for report in self.reports if isinstance(report, ExecutorLost)]

    def bury(self, *, reopen: bool = False) -> list[int]:
        """What the supervisor does about deaths."""
        slots = []
        for pid, status in processes.reap():
            slot = next(slot for slot, other in self.pids.items() if other == pid)
            number = self.board.read(slot).number
            self.board.clear(slot)
            self._ours.send(SlotDown(slot, pid, status, number))
            slots.append(slot)
            if reopen:
                self.open(slot)
        return slots

    def kill(self, slot: int, number: int = signal.SIGKILL) -> None:
        os.kill(self.pids[slot], number)

    def poll(self, timeout: float = 0.01) -> list[Report]:
        select.select(self.pool.filenos(), [], [], timeout)
        reports = self.pool.poll()
        self.reports += reports
        return reports

    def until(self, condition: Callable[[], object], *, bury: bool = True) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain, {self.reports[-5:]}"
            if bury:
                self.bury()
            self.poll()

    def hang_up(self) -> None:
        """What the kernel does when the supervisor dies."""
        self._ours.close()


def play(scenarios: Iterable[Callable[..., None]]) -> None:
    """Run the scenario that the command line names."""
    logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(message)s")
    by_name = {scenario.__name__: scenario for scenario in scenarios}
    by_name[sys.argv[1]](*sys.argv[2:])

"""Scenarios about single parts of the prefork side."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

from cicely_worker.prefork import processes
from cicely_worker.prefork.board import Board
from cicely_worker.prefork.signalbox import SignalBox

from .crew import open_descriptors, play, wait_until


def nothing() -> None:
    """For children that need no preparation."""


def status_of(pid: int) -> int:
    return os.waitpid(pid, 0)[1]


def board_is_shared() -> None:
    board = Board(2)

    def child() -> int:
        board.entry(1).begin(42)
        return 0

    status_of(processes.fork(nothing, child))
    assert board.read(1).number == 42
    assert board.read(0).number is None


def statuses() -> None:
    def crash() -> int:
        raise ValueError("told on stderr")

    def leave() -> int:
        sys.exit(4)

    def plead() -> int:
        sys.exit("words")

    def fall() -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    ends = [lambda: 0, lambda: 3, crash, leave, plead, fall]
    found = [status_of(processes.fork(nothing, end)) for end in ends]
    assert [processes.exit_code(status) for status in found] == [0, 3, processes.CRASHED, 4, 1, 137]
    assert processes.describe(found[-1]) == "signal 9 (SIGKILL)"
    assert processes.describe(found[1]) == "exit status 3"


def signals_wait_for_the_child() -> None:
    """A signal that comes right after the fork finds the child's handlers, not the parent's."""
    said, say = os.pipe()

    def prepare() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.signal(signal.SIGTERM, lambda *_: os.write(say, b"child") and None)

    with SignalBox([signal.SIGTERM]) as box:
        pid = processes.fork(prepare, lambda: 0)
        assert status_of(pid) == 0
        assert box.take() == []
    assert os.read(said, 9) == b"child"


def dies_with_its_parent() -> None:
    said, say = os.pipe()

    def parent() -> int:
        me = os.getpid()
        child = processes.fork(lambda: processes.die_with(me), lambda: select.select([], [], [], 30) and 0)
        os.write(say, b"%d" % child)
        select.select([], [], [], 30)
        return 0

    pid = processes.fork(nothing, parent)
    child = int(os.read(said, 99))
    assert os.path.exists(f"/proc/{child}")
    os.kill(pid, signal.SIGKILL)
    status_of(pid)
    wait_until(lambda: gone(child), "the grandchild's end")


def gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def comes_too_late_for_its_parent() -> None:
    pid = processes.fork(lambda: processes.die_with(1), lambda: 0)
    assert processes.exit_code(status_of(pid)) == processes.CRASHED


def deaf_but_not_its_programs() -> None:
    """Signals pass by a deaf process; what it forks or starts can be ended as usual."""
    said, say = os.pipe()

    def child() -> int:
        processes.turn_deaf(processes.OUTSIDE)
        processes.let_forks_be_terminated()
        for number in processes.OUTSIDE:
            os.kill(os.getpid(), number)
        sleeper = "import time; print(1, flush=True); time.sleep(30)"
        program = subprocess.Popen([sys.executable, "-c", sleeper], stdout=subprocess.PIPE)
        assert program.stdout is not None
        program.stdout.readline()
        program.terminate()
        assert program.wait(10) == -signal.SIGTERM
        program.stdout.close()
        forked = os.fork()
        if forked == 0:
            time.sleep(30)
            os._exit(0)
        os.kill(forked, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(status_of(forked)) == -signal.SIGTERM
        os.write(say, b"ok")
        return 0

    assert status_of(processes.fork(nothing, child)) == 0
    assert os.read(said, 9) == b"ok"


def reaps_everything() -> None:
    pids = {processes.fork(nothing, lambda: 0) for _ in range(5)}
    dead: set[int] = set()

    def all_dead() -> bool:
        dead.update(pid for pid, _ in processes.reap())
        return dead == pids

    wait_until(all_dead)
    assert processes.reap() == []


def signalbox() -> None:
    before = open_descriptors()
    old = signal.getsignal(signal.SIGHUP)
    box = SignalBox([signal.SIGHUP, signal.SIGINT, signal.SIGCHLD])
    with box:
        assert box.take() == []
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGHUP)
        assert select.select([box], [], [], 5)[0]
        assert sorted(box.take()) == [signal.SIGHUP, signal.SIGINT]
        assert not select.select([box], [], [], 0)[0]
        pid = processes.fork(box.abandon, lambda: int(signal.getsignal(signal.SIGHUP) != signal.SIG_DFL))
        assert select.select([box], [], [], 10)[0], "the child's end wakes"
        assert box.take() == [signal.SIGCHLD]
        assert status_of(pid) == 0
    assert signal.getsignal(signal.SIGHUP) == old
    assert open_descriptors() == before


if __name__ == "__main__":
    play(
        [
            board_is_shared,
            statuses,
            signals_wait_for_the_child,
            dies_with_its_parent,
            comes_too_late_for_its_parent,
            deaf_but_not_its_programs,
            reaps_everything,
            signalbox,
        ]
    )

"""Scenarios of a whole worker: supervisor, consumer and executors. The consumer holds the questions."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import threading
import time
import warnings
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

from cicely_worker.prefork import control, processes, respawn, supervisor
from cicely_worker.prefork.executor import Run

from .crew import PATIENCE, alive, job, open_descriptors, play, wait_until
from .seat import Seat, nothing, supervise


def ends_with_its_consumer() -> None:
    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.up()) == 3)
        for slot in range(3):
            assert seat.pool.dispatch(slot, [job(slot * 10 + n) for n in range(1, 6)]) == 5
        seat.until(lambda: len(seat.finished()) == 15)
        assert os.getppid() != 1
        seat.pool.stop(kill=False)
        return 7

    assert supervise(consumer, concurrency=3) == 7


def leaves_no_executor(busy: str) -> None:
    """The consumer ends without a word to its executors; one may be in a job, which nobody waits for."""
    said, say = os.pipe()

    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.up()) == 2)
        os.write(say, " ".join(map(str, seat.up().values())).encode())
        if busy == "busy":
            seat.pool.dispatch(0, [job(1, b"sleep 30")])
            seat.until(lambda: seat.pool.running(0))
        return 0

    started = time.monotonic()
    assert supervise(consumer) == 0
    assert time.monotonic() - started < supervisor.DISMISSAL
    assert not any(alive(int(pid)) for pid in os.read(said, 99).split())
    os.close(said)
    os.close(say)


def replaces_executors() -> None:
    """50 of them, without a descriptor left over anywhere."""

    def consumer(seat: Seat) -> int:
        parent = os.getppid()
        seat.until(lambda: len(seat.up()) == 2)
        wait_until(lambda: threads_idle(parent))
        ours, theirs = open_descriptors(), open_descriptors(parent)
        seen = set(seat.up().values())
        for death in range(1, 51):
            slot, pid = sorted(seat.up().items())[death % 2]
            if death % 5:
                seat.pool.dispatch(slot, [job(death, b"exit 3")])
            else:
                seat.pool.dispatch(slot, [job(death)])
                seat.until(lambda: death in seat.finished())  # noqa: B023 - called at once
                os.kill(pid, signal.SIGKILL)
            seat.until(lambda: len(seat.lost()) == death and len(seat.up()) == 2)  # noqa: B023 - likewise
            assert seat.lost()[-1].running == (death if death % 5 else None)
            assert seat.up()[slot] not in seen
            seen.add(seat.up()[slot])
        assert open_descriptors() == ours
        wait_until(lambda: open_descriptors(parent) == theirs, "descriptors of the supervisor")
        assert not zombies(parent)
        return 0

    assert supervise(consumer) == 0


def threads_idle(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def zombies(parent: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="ascii") as file:
                    state, ppid = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state == "Z" and int(ppid) == parent:
                found.append(int(name))
    return found


def slows_down_failing_starts(folder: str) -> None:
    """Executors that die before they can take a job are forked ever more slowly."""
    births = Path(folder, "births")

    def make_run() -> Run:
        with births.open("a") as file:
            file.write(f"{time.monotonic()}\n")
        raise ConnectionError("no database")

    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.lost()) == 4)
        assert not seat.up()
        return 0

    assert supervise(consumer, concurrency=1, make_run=make_run) == 0
    times = [float(line) for line in births.read_text().split()]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[1] > 0.2
    assert gaps[2] > 0.4


def replaces_the_consumer(how: str, folder: str) -> None:
    """The second life finds new executors; those of the first are dead before it begins."""
    before = Path(folder, "first")

    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.up()) == 2)
        pids = sorted(seat.up().values())
        if not before.exists():
            seat.pool.dispatch(0, [job(1, b"sleep 30")])
            seat.until(lambda: seat.pool.running(0))
            before.write_text(" ".join(map(str, pids)))
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise LookupError("a bug in the consumer")
        old = [int(pid) for pid in before.read_text().split()]
        assert not set(old) & set(pids)
        assert not any(alive(pid) for pid in old)
        assert seat.pool.running(0) is None
        seat.pool.dispatch(0, [job(1)])
        seat.until(seat.finished)
        return 5

    assert supervise(consumer) == 5


def gives_up() -> None:
    respawn.FIRST = 0.001
    respawn.LONGEST_CONSUMER = 0.01

    def consumer(seat: Seat) -> int:
        raise LookupError("a bug in the consumer")

    assert supervise(consumer, concurrency=1) == supervisor.GIVEN_UP


def supervisor_killed() -> None:
    """Executors die with it, the consumer is told and ends by itself."""
    said, say = os.pipe()

    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.up()) == 2)
        pids = list(seat.up().values())
        seat.pool.dispatch(0, [job(1, b"sleep 30"), job(2)])
        seat.until(lambda: seat.pool.running(0))
        os.kill(os.getppid(), signal.SIGKILL)
        seat.until(lambda: seat.orders == ["cold"])
        assert {lost.slot: (lost.running, lost.unread) for lost in seat.lost()} == {
            0: (1, (2,)),
            1: (None, ()),
        }
        assert not any(alive(pid) for pid in pids)
        os.write(say, f"done {os.getpid()}".encode())
        return 0

    pid = processes.fork(nothing, lambda: supervise(consumer))
    assert processes.exit_code(os.waitpid(pid, 0)[1]) == 128 + signal.SIGKILL
    assert select.select([said], [], [], PATIENCE)[0]
    word, consumer_pid = os.read(said, 99).split()
    assert word == b"done"
    wait_until(lambda: not alive(int(consumer_pid)), "the consumer's end")


def consumer_stuck(folder: str) -> None:
    """A consumer that does not read what it is told is killed before too much waits for it."""
    second = Path(folder, "second")
    respawn.FIRST = respawn.LONGEST_EXECUTOR = 0.001
    control.BACKLOG = 5

    def make_run() -> Run:
        raise ConnectionError("no database")

    def consumer(seat: Seat) -> int:
        if second.exists():
            return 4
        second.touch()
        time.sleep(60)
        return 1

    with patch.object(supervisor, "channel_pair", narrow_pair):
        assert supervise(consumer, make_run=make_run) == 4


def narrow_pair() -> tuple[control.Channel, control.Channel]:
    one, other = control.channel_pair()
    one._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return one, other


def warns_of_threads() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="grpc-poller")
    thread.start()
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 says the same, less exactly
    assert supervise(lambda _: 0) == 0
    release.set()
    thread.join()


def handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in processes.OUTSIDE]
    assert supervise(lambda _: 0) == 0
    assert [signal.getsignal(number) for number in processes.OUTSIDE] == before


if __name__ == "__main__":
    logging.getLogger("scenario").setLevel(logging.DEBUG)
    play(
        [
            ends_with_its_consumer,
            leaves_no_executor,
            replaces_executors,
            slows_down_failing_starts,
            replaces_the_consumer,
            gives_up,
            supervisor_killed,
            consumer_stuck,
            warns_of_threads,
            handlers_are_put_back,
        ]
    )

"""Scenarios of the prefork pool: executors that work, get stuck and are killed."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

from cicely.outcome import Outcome
from cicely_transports.message import Message
from cicely_transports.spi import Delivery, Send, Verdict
from cicely_worker.pools.spi import Finished
from cicely_worker.prefork import processes

from .crew import Crew, alive, job, open_descriptors, outcome, play, wait_until


def echo(delivery: Delivery) -> Outcome:
    return outcome(delivery, f"{delivery.message.body[:20]!r}")


class Gate:
    """Holds executors inside a job until it is opened from outside."""

    def __init__(self) -> None:
        self._entered, self._enter = os.pipe()
        self._read, self._write = os.pipe()

    def __call__(self, delivery: Delivery) -> Outcome:
        if delivery.message.body == b"wait":
            os.write(self._enter, b".")
            os.read(self._read, 1)
        return outcome(delivery)

    def wait_for_entry(self) -> None:
        assert select.select([self._entered], [], [], 20)[0]
        os.read(self._entered, 1)

    def open(self) -> None:
        os.write(self._write, b".")


def runs_jobs() -> None:
    crew = Crew(2, echo)
    assert sorted(report.slot for report in crew.ready()) == [0, 1]
    assert {report.pid for report in crew.ready()} == set(crew.pids.values())
    assert crew.pool.dispatch(0, [job(1, b"a"), job(2, b"b")]) == 2
    assert crew.pool.dispatch(1, [job(3, b"c")]) == 1
    crew.until(lambda: len(crew.finished()) == 3)
    assert {number: one.summary for number, one in crew.outcomes().items()} == {
        1: "b'a'",
        2: "b'b'",
        3: "b'c'",
    }
    assert {report.number: report.slot for report in crew.reports if isinstance(report, Finished)} == {
        1: 0,
        2: 0,
        3: 1,
    }
    assert crew.pool.dispatch(7, [job(4)]) == 0
    wait_until(lambda: crew.board.read(0).finished == 2)


def shows_what_runs() -> None:
    gate = Gate()
    crew = Crew(1, gate)
    assert crew.pool.running(0) is None
    before = time.monotonic()
    crew.pool.dispatch(0, [job(9, b"wait"), job(10)])
    gate.wait_for_entry()
    found = crew.pool.running(0)
    assert found is not None
    assert found[0] == 9
    assert before <= found[1] <= time.monotonic()
    gate.open()
    crew.until(lambda: crew.finished() == [9, 10])
    assert crew.pool.running(0) is None


def killed_idle() -> None:
    crew = Crew(2, echo)
    pid = crew.pids[1]
    crew.kill(1)
    crew.until(crew.lost)
    (lost,) = crew.lost()
    assert (lost.slot, lost.pid, lost.running, lost.unread) == (1, pid, None, ())
    assert lost.reason == "signal 9 (SIGKILL)"
    assert crew.pool.dispatch(1, [job(1)]) == 0
    crew.open(1)
    crew.until(lambda: len(crew.ready()) == 3)
    assert crew.pool.dispatch(1, [job(1)]) == 1
    crew.until(crew.finished)


def killed_running() -> None:
    """The first job has an outcome that nobody has read yet, the second runs, the others wait."""
    gate = Gate()
    crew = Crew(1, gate)
    crew.pool.dispatch(0, [job(1), job(2, b"wait"), job(3), job(4)])
    gate.wait_for_entry()
    crew.kill(0)
    crew.until(crew.lost)
    kinds = [type(report).__name__ for report in crew.reports]
    assert kinds == ["SlotReady", "Finished", "ExecutorLost"]
    assert crew.finished() == [1]
    assert (crew.lost()[0].running, crew.lost()[0].unread) == (2, (3, 4))


def killed_between() -> None:
    """A job that was taken out of the link but not begun counts as unread."""
    crew = Crew(1, echo)
    crew.kill(0, signal.SIGSTOP)
    crew.pool.dispatch(0, [job(1), job(2)])
    twin = crew.pool._executors[0].twin
    assert twin.receive(len)
    crew.kill(0)
    crew.until(crew.lost)
    assert (crew.lost()[0].running, crew.lost()[0].unread) == (None, (1, 2))


def ends_by_itself() -> None:
    """A job that ends its process, and one whose run raises what no run may raise."""

    def run(delivery: Delivery) -> Outcome:
        if delivery.message.body == b"exit":
            os._exit(5)
        if delivery.message.body == b"sys.exit":
            sys.exit(0)
        raise LookupError("a bug")

    crew = Crew(3, run)
    for slot, body in enumerate([b"exit", b"sys.exit", b"raise"]):
        crew.pool.dispatch(slot, [job(slot + 1, body)])
    crew.until(lambda: len(crew.lost()) == 3)
    assert {lost.running: lost.reason for lost in crew.lost()} == {
        1: "exit status 5",
        2: f"exit status {processes.CRASHED}",
        3: f"exit status {processes.CRASHED}",
    }


def taken_back() -> None:
    gate = Gate()
    crew = Crew(2, gate)
    assert crew.pool.dispatch(0, [job(1, b"wait"), job(2, b"x" * 1_000_000), job(3)]) == 2
    assert crew.pool.dispatch(0, [job(3), job(4)]) == 2
    gate.wait_for_entry()
    before = open_descriptors()
    assert crew.pool.take_back(0) == [2, 3, 4]
    assert crew.pool.take_back(0) == []
    assert open_descriptors() == before
    crew.pool.dispatch(1, [job(2), job(3), job(4)])
    crew.until(lambda: crew.finished() == [2, 3, 4])
    gate.open()
    crew.until(lambda: crew.finished() == [2, 3, 4, 1])
    assert crew.pool.take_back(0) == []
    assert crew.pool.take_back(9) == []


def large_frames() -> None:
    def run(delivery: Delivery) -> Outcome:
        body = delivery.message.body
        return Outcome("id", "t", "SUCCESS", Verdict.DONE, sends=(Send(Message(body[::-1]), "q"),))

    crew = Crew(1, run)
    ours, theirs = open_descriptors(), open_descriptors(crew.pids[0])
    for number, size in enumerate([1_000_000, 20_000_000, 10], 1):
        body = os.urandom(size)
        assert crew.pool.dispatch(0, [job(number, body)]) == 1
        crew.until(lambda: len(crew.finished()) == number)  # noqa: B023 - called at once
        assert crew.outcomes()[number].sends[0].message.body == body[::-1]
    assert open_descriptors() == ours
    assert open_descriptors(crew.pids[0]) == theirs


def full_pipe() -> None:
    gate = Gate()
    crew = Crew(1, gate)
    crew.pool.dispatch(0, [job(1, b"wait")])
    gate.wait_for_entry()
    jobs = [job(number, b"x" * 10_000) for number in range(2, 200)]
    taken = crew.pool.dispatch(0, jobs)
    assert 0 < taken < len(jobs)
    assert crew.pool.dispatch(0, jobs[taken:]) == 0
    gate.open()
    crew.until(lambda: len(crew.finished()) == taken + 1)
    assert crew.pool.dispatch(0, jobs[taken:]) > 0


def outcomes_wait_for_a_busy_consumer() -> None:
    def run(delivery: Delivery) -> Outcome:
        return outcome(delivery, "s" * 30_000)

    crew = Crew(1, run)
    for start in range(1, 101, 10):
        assert crew.pool.dispatch(0, [job(number) for number in range(start, start + 10)]) == 10
    wait_until(lambda: crew.board.read(0).number is not None and blocked(crew.pids[0]))
    crew.until(lambda: len(crew.finished()) == 100)


def blocked(pid: int) -> bool:
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        waits_in = file.read()
    return waits_in == "0" or "sock" in waits_in


def refused() -> None:
    """A job that cannot travel is dead, and those around it run."""
    crew = Crew(1, echo)
    bad = job(2)
    bad.delivery.message.headers["x"] = lambda: None  # type: ignore[index] # as a careless transport may
    assert crew.pool.dispatch(0, [job(1), bad, job(3)]) == 3
    assert select.select(crew.pool.filenos(), [], [], 0)[0]
    crew.until(lambda: sorted(crew.finished()) == [1, 2, 3])
    dead = crew.outcomes()[2]
    assert (dead.verdict, dead.task_id, dead.state) == (Verdict.DEAD, "2", "FAILURE")
    assert dead.reason is not None
    assert "cannot travel between processes" in dead.reason


def scribbler() -> None:
    """A task that writes into the executor's own socket costs its executor, not the worker."""

    def run(delivery: Delivery) -> Outcome:
        for name in os.listdir("/proc/self/fd"):
            if os.path.exists(f"/proc/self/fd/{name}") and is_packet_socket(int(name)):
                os.write(int(name), b"garbage")
        time.sleep(30)
        return outcome(delivery)

    crew = Crew(1, run)
    crew.pool.dispatch(0, [job(1), job(2)])
    crew.until(crew.lost)
    assert (crew.lost()[0].running, crew.lost()[0].unread) == (1, (2,))
    assert crew.lost()[0].reason == "signal 9 (SIGKILL)"


def is_packet_socket(fd: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            return sock.type == socket.SOCK_SEQPACKET
    except OSError:
        return False


def retires() -> None:
    """TERM: the running job ends, what waits is given back; idle executors end at once."""
    gate = Gate()
    crew = Crew(2, gate)
    crew.pool.dispatch(0, [job(1, b"wait"), job(2), job(3)])
    gate.wait_for_entry()
    crew.kill(0, signal.SIGTERM)
    crew.kill(1, signal.SIGTERM)
    crew.until(crew.lost)
    assert [(lost.slot, lost.reason) for lost in crew.lost()] == [(1, "exit status 0")]
    gate.open()
    crew.until(lambda: len(crew.lost()) == 2)
    assert crew.finished() == [1]
    assert (crew.lost()[1].running, crew.lost()[1].unread) == (None, (2, 3))
    assert crew.lost()[1].reason == "exit status 0"


def deaf_executors() -> None:
    gate = Gate()
    crew = Crew(1, gate)
    crew.pool.dispatch(0, [job(1, b"wait"), job(2)])
    gate.wait_for_entry()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        crew.kill(0, number)
    gate.open()
    crew.until(lambda: crew.finished() == [1, 2])


def stopped() -> None:
    gate = Gate()
    crew = Crew(2, gate)
    crew.pool.dispatch(0, [job(1, b"wait")])
    gate.wait_for_entry()
    crew.pool.stop(kill=False)
    crew.until(crew.lost)
    assert [(lost.slot, lost.reason) for lost in crew.lost()] == [(1, "exit status 0")]
    assert crew.pool.dispatch(0, [job(2)]) == 0
    gate.open()
    crew.until(lambda: len(crew.lost()) == 2)
    assert crew.finished() == [1]
    assert crew.lost()[1].reason == "exit status 0"


def stopped_now() -> None:
    gate = Gate()
    crew = Crew(2, gate)
    crew.pool.dispatch(0, [job(1, b"wait")])
    gate.wait_for_entry()
    crew.pool.stop(kill=True)
    crew.until(lambda: len(crew.lost()) == 2)
    assert {lost.slot: lost.running for lost in crew.lost()} == {0: 1, 1: None}


def orphaned() -> None:
    """The supervisor dies: everything is lost, what was finished counts, and the worker stops cold."""
    gate = Gate()
    crew = Crew(3, gate)
    crew.pool.dispatch(0, [job(1, b"wait"), job(2)])
    crew.pool.dispatch(1, [job(3)])
    gate.wait_for_entry()
    wait_until(lambda: crew.board.read(1).finished == 1)
    crew.hang_up()
    crew.until(lambda: crew.orders, bury=False)
    assert crew.orders == ["cold"]
    assert crew.finished() == [3]
    assert {lost.slot: (lost.running, lost.unread) for lost in crew.lost()} == {
        0: (1, (2,)),
        1: (None, ()),
        2: (None, ()),
    }
    assert not any(alive(pid) for pid in crew.pids.values())
    assert crew.poll() == []
    assert not select.select(crew.pool.filenos(), [], [], 0)[0], "the end is told once"
    crew.pool.stop(kill=True)
    crew.pool.close(farewell=True)


if __name__ == "__main__":
    play(
        [
            runs_jobs,
            shows_what_runs,
            killed_idle,
            killed_running,
            killed_between,
            ends_by_itself,
            taken_back,
            large_frames,
            full_pipe,
            outcomes_wait_for_a_busy_consumer,
            refused,
            scribbler,
            retires,
            deaf_executors,
            stopped,
            stopped_now,
            orphaned,
        ]
    )

"""Scenarios of single executor processes."""

from __future__ import annotations

import os
import random
import time

from cicely import signals
from cicely.outcome import Outcome
from cicely_transports.spi import Delivery
from cicely_worker.prefork import processes
from cicely_worker.prefork.board import Board
from cicely_worker.prefork.executor import Recipe
from cicely_worker.prefork.frames import decode_outcome, encode_job
from cicely_worker.prefork.links import adopt, link_pair

from .crew import Crew, job, open_descriptors, outcome, play, wait_until


def life() -> None:
    """Hooks, in order and in the new process; the reported exit status."""
    said, say = os.pipe()

    def tell(text: str) -> None:
        os.write(say, f"{text} {os.getpid()}\n".encode())

    @signals.worker_process_init.connect(weak=False)
    def on_init(sender: object, **_: object) -> None:
        tell(f"init {sender}")

    @signals.worker_process_shutdown.connect(weak=False)
    def on_shutdown(sender: object, pid: int, exitcode: int, **_: object) -> None:
        tell(f"shutdown {sender} {pid} {exitcode}")

    def make_run() -> object:
        tell("make_run")
        return outcome

    recipe = Recipe(Board(1), lambda: tell("on_fork"), make_run, "worker@here")  # type: ignore[arg-type] # as far as needed
    up = recipe.fork(0, lambda: tell("leave_behind"))
    link = adopt(up.fds[0])
    link.end_sending()
    pid, status = os.waitpid(up.pid, 0)
    assert processes.exit_code(status) == 0
    assert os.read(said, 9999).decode().splitlines() == [
        f"leave_behind {pid}",
        f"on_fork {pid}",
        f"init worker@here {pid}",
        f"make_run {pid}",
        f"shutdown worker@here {pid} 0 {pid}",
    ]
    link.close()
    for fd in up.fds[1:]:
        os.close(fd)


def ask(question: str, executors: int = 1) -> list[str]:
    """What executors say to a question about their process."""

    def run(delivery: Delivery) -> Outcome:
        return outcome(delivery, str(eval(delivery.message.body.decode())))

    crew = Crew(executors, run)
    for slot in range(executors):
        crew.pool.dispatch(slot, [job(slot + 1, question.encode())])
    crew.until(lambda: len(crew.finished()) == executors)
    return [one.summary for one in crew.outcomes().values()]


def descriptors() -> None:
    """An executor has its standard streams and its end of the link, and what was open before."""
    before = open_descriptors()
    near, far = link_pair()
    board = Board(1)

    def run(delivery: Delivery) -> Outcome:
        return outcome(delivery, str(open_descriptors()))

    near.close()
    far.close()
    recipe = Recipe(board, lambda: None, lambda: run)
    up = recipe.fork(0, lambda: None)
    link = adopt(up.fds[0])
    link.receive(decode_outcome)
    link.send(encode_job(job(1)))
    frame = link.receive(decode_outcome)
    assert frame is not None
    assert frame.outcome is not None
    assert int(frame.outcome.summary) == before + 1
    link.close()
    for fd in up.fds[1:]:
        os.close(fd)
    os.waitpid(up.pid, 0)
    assert open_descriptors() == before


def random_numbers() -> None:
    random.seed(1)
    numbers = ask("__import__('random').random()", 3)
    assert len({*numbers, str(random.random())}) == 4


def no_terminal() -> None:
    assert ask("__import__('sys').stdin.read()") == [""]


def role() -> None:
    assert ask("__import__('multiprocessing').current_process().name") == ["executor-0"]


def comm() -> None:
    assert ask("open('/proc/self/comm').read()") == ["cicely executor\n"]


def title() -> None:
    assert ask("__import__('setproctitle').getproctitle()") == ["cicely executor-0 (worker@here)"]


def failing_start() -> None:
    def fail() -> None:
        raise ConnectionError("no database")

    recipe = Recipe(Board(1), fail, lambda: outcome)
    up = recipe.fork(0, lambda: None)
    assert processes.exit_code(os.waitpid(up.pid, 0)[1]) == processes.CRASHED
    for fd in up.fds:
        os.close(fd)


def consumer_gone() -> None:
    """Idle, it ends; in a job, it ends after it."""
    board = Board(1)

    def run(delivery: Delivery) -> Outcome:
        time.sleep(0.05)
        return outcome(delivery, "x" * 1_000_000)

    for busy in (False, True):
        recipe = Recipe(board, lambda: None, lambda: run)
        up = recipe.fork(0, lambda: None)
        link = adopt(up.fds[0])
        link.receive(decode_outcome)
        if busy:
            link.send(encode_job(job(1)))
            wait_until(lambda: board.read(0).number == 1)
        link.close()
        for fd in up.fds[1:]:
            os.close(fd)
        assert processes.exit_code(os.waitpid(up.pid, 0)[1]) == 0


if __name__ == "__main__":
    play([life, descriptors, random_numbers, no_terminal, role, comm, title, failing_start, consumer_gone])

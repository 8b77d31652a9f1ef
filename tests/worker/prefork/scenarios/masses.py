"""Scenarios of many jobs: kills at any moment, what is left over, what a job costs."""

from __future__ import annotations

import mmap
import random
import select
import signal
import sys
import time
from functools import partial
from types import FrameType
from typing import Any
from unittest.mock import patch

from cicely.outcome import Outcome
from cicely_transports.spi import Delivery
from cicely_worker.pools.spi import ExecutorLost, Finished, Report
from cicely_worker.prefork import executor, processes
from cicely_worker.prefork.links import link_pair

from .crew import Crew, alive, job, log, open_descriptors, outcome, play, wait_until


def until_replaced(crew: Crew, deaths: int) -> None:
    def replaced() -> bool:
        crew.bury(reopen=True)
        return len(crew.lost()) == deaths and len(crew.ready()) == deaths + len(crew.pids)

    crew.until(replaced, bury=False)


def releases_everything() -> None:
    before = open_descriptors()
    crew = Crew(4, outcome)
    for turn in range(1, 11):
        for slot in range(4):
            crew.kill(slot)
        until_replaced(crew, 4 * turn)
    crew.pool.close(farewell=False)
    crew.pool.close(farewell=False)
    crew.hang_up()
    assert open_descriptors() == before


def chaos(seed: str) -> None:
    """2,000 jobs, 3 executors, kills at any moment: each is told once, and begun at most once."""
    jobs, chance = 2000, random.Random(int(seed))
    begun = mmap.mmap(-1, jobs + 1)

    def run(delivery: Delivery) -> Outcome:
        number = int(str(delivery.message.headers["id"]))
        begun[number] += 1
        if number % 50 == 0:
            time.sleep(0.005)
        return outcome(delivery, "x" * chance.choice([10, 1000, 100_000]))

    crew = Crew(3, run)
    waiting = list(range(jobs, 0, -1))
    ends: dict[int, str] = {}
    given = dict.fromkeys(range(3), 0)
    kills, next_kill = 0, 30

    def take_in(reports: list[Report]) -> None:
        for report in reports:
            if isinstance(report, Finished):
                given[report.slot] -= 1
                assert report.number not in ends, "told twice"
                ends[report.number] = "finished"
                assert begun[report.number] == 1
            elif isinstance(report, ExecutorLost):
                given[report.slot] = 0
                waiting.extend(reversed(report.unread))
                assert not any(begun[number] for number in report.unread), "unread and begun"
                if report.running is not None:
                    assert report.running not in ends, "told twice"
                    ends[report.running] = "lost"

    deadline = time.monotonic() + 40
    while len(ends) < jobs:
        assert time.monotonic() < deadline, f"{len(ends)} of {jobs} jobs were told"
        for slot in range(3):
            if waiting and given[slot] < 20:
                most = chance.randrange(1, 30)
                batch = [job(number, b"y" * 100) for number in reversed(waiting[-most:])]
                taken = crew.pool.dispatch(slot, batch)
                del waiting[len(waiting) - taken :]
                given[slot] += taken
        if chance.random() < 0.05:
            slot = chance.randrange(3)
            back = crew.pool.take_back(slot)
            given[slot] -= len(back)
            assert not any(begun[number] for number in back), "taken back and begun"
            waiting.extend(reversed(back))
        if len(ends) >= next_kill:
            victim = chance.randrange(3)
            if alive(crew.pids[victim]):
                crew.kill(victim)
                kills += 1
            next_kill = len(ends) + chance.randrange(10, 60)
        crew.bury(reopen=True)
        take_in(crew.poll(0.001))
    assert kills > 20
    assert all(begun[number] <= 1 for number in range(jobs + 1))
    log.info("%d kills, %d lost", kills, list(ends.values()).count("lost"))


def elsewhere() -> None:
    """What other systems than Linux have to do with: streams, no pidfd, no epoll."""
    with (
        patch.object(executor, "link_pair", partial(link_pair, packets=False)),
        patch.object(processes, "pidfd", lambda _: ()),
        patch.object(select, "epoll"),
    ):
        del select.epoll
        crew = Crew(2, outcome)
        assert len(crew.pool.filenos()) == 4
        assert crew.pool.dispatch(0, [job(1), job(2)]) == 1
        assert crew.pool.dispatch(0, [job(2)]) == 0
        assert crew.pool.take_back(0) == []
        assert crew.pool.dispatch(1, [job(2, b"x" * 1_000_000)]) == 1
        crew.until(lambda: sorted(crew.finished()) == [1, 2])
        crew.kill(0, signal.SIGSTOP)
        assert crew.pool.dispatch(0, [job(3)]) == 1
        crew.kill(0)
        crew.until(crew.lost)
        assert crew.lost()[0].unread == (3,)
        crew.hang_up()
        crew.until(lambda: crew.orders == ["cold"], bury=False)
        assert len(crew.lost()) == 2
        crew.pool.close(farewell=True)


def budget() -> None:
    """Python frames per job in the consumer, with 64 jobs at a time."""
    crew = Crew(1, outcome)
    rounds, batch = 5, 64
    count = 0

    def profile(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    for turn in range(rounds):
        jobs = [job(turn * batch + number) for number in range(1, batch + 1)]
        crew.kill(0, signal.SIGSTOP)
        sys.setprofile(profile)
        assert crew.pool.dispatch(0, jobs) == batch
        sys.setprofile(None)
        crew.kill(0, signal.SIGCONT)
        wait_until(lambda: crew.board.read(0).finished == (turn + 1) * batch)  # noqa: B023 - called at once
        sys.setprofile(profile)
        reports = crew.pool.poll()
        sys.setprofile(None)
        assert len(reports) == batch
    per_job = count / (rounds * batch)
    log.info("%.2f frames per job", per_job)
    assert per_job <= 2.5


if __name__ == "__main__":
    play([releases_everything, chaos, elsewhere, budget])

"""SIGKILL of any process of the worker, at random moments, loses no task and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import Worker, alive, until

TASKS = 20_000

SOURCE = """
from cicely import Cicely

app = Cicely("proj", broker=URL, backend=URL)
app.conf.worker_lease = 2.0

@app.task
def square(n):
    return n * n
"""


#: Connections that the pools of broker and results may keep, with two descriptors and the -shm file.
POOLED = 2 * (4 + 4) + 1


def descriptors(pid: int) -> list[str]:
    """What is open, without the pooled database connections: those are only bounded."""
    names = [os.readlink(path).partition("[")[0] for path in Path(f"/proc/{pid}/fd").iterdir()]
    assert sum("proj.db" in name for name in names) <= POOLED
    return sorted(name for name in names if "proj.db" not in name)


def replaced(worker: Worker, victim: int) -> None:
    until(lambda: len(set(worker.executors()) - {victim}) == 2, "a replacement")


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_kill_everything_at_random(make_project: Callable[[str], Any]) -> None:
    project = make_project(SOURCE)
    square, seed = project.module.square, int(os.environ.get("CICELY_TEST_SEED", time.time_ns() % 10**6))
    chance = random.Random(seed)
    pending = [
        r
        for base in range(0, TASKS, 1000)
        for r in project.app.send_many(square.s(base + i) for i in range(1000))
    ]

    seen = set[int]()
    kills = {"executor": 0, "consumer": 0, "supervisor": 0}
    worker = project.worker("-c", "2", "-l", "warning")
    while (size := project.sizes()).ready + size.leased:
        time.sleep(chance.uniform(0.01, 0.15))
        seen.update(worker.tree())
        kind = chance.choices(["executor", "consumer", "supervisor"], [4, 2, 1])[0]
        victims = {
            "executor": worker.executors(),
            "consumer": [worker.consumer()],
            "supervisor": [worker.pid],
        }[kind]
        victims = [pid for pid in victims if pid]
        if sum(kills.values()) < 60 and victims:
            try:
                os.kill(chance.choice(victims), signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills[kind] += 1
        if worker.process.poll() is not None:
            worker = project.worker("-c", "2", "-l", "warning")

    logging.getLogger(__name__).info("kills: %s, CICELY_TEST_SEED=%d", kills, seed)
    assert min(kills.values()) > 0, f"{kills} with CICELY_TEST_SEED={seed}"
    assert [result.get(timeout=30) for result in pending] == [n * n for n in range(TASKS)]
    assert project.sizes().dead == 0
    worker = worker if worker.process.poll() is None else project.worker("-c", "2", "-l", "warning")
    until(lambda: len(worker.executors()) == 2, "two executors")
    before = {pid: descriptors(pid) for pid in (worker.pid, worker.consumer() or 0)}
    for _ in range(20):
        victim = worker.executors()[0]
        seen.update(worker.tree())
        os.kill(victim, signal.SIGKILL)
        replaced(worker, victim)
        assert square.delay(3).get(timeout=30) == 9
    until(lambda: {pid: descriptors(pid) for pid in before} == before, f"descriptors as before: {before}")
    seen.update(worker.tree())
    assert worker.stop() == 0
    until(lambda: not any(map(alive, seen)), "every process to be gone")

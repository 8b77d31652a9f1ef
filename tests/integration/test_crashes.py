"""SIGKILL of any process of the worker, at random moments, loses no task and leaves nothing behind."""

from __future__ import annotations

import contextlib
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


def send(project: Any, first: int, count: int) -> list[Any]:
    square = project.module.square
    return [
        result
        for base in range(first, first + count, 1000)
        for result in project.app.send_many(square.s(base + i) for i in range(1000))
    ]


def waits(project: Any) -> bool:
    size = project.sizes()
    return bool(size.ready + size.leased + size.delayed)


def victims_of(worker: Worker, kind: str) -> list[int]:
    if kind == "supervisor":
        return [worker.pid]
    consumer = worker.consumer()
    return worker.executors() if kind == "executor" else [consumer] if consumer else []


def replaced(worker: Worker, victim: int) -> None:
    until(lambda: len(set(worker.executors()) - {victim}) == 2, "a replacement")


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_kill_everything_at_random(make_project: Callable[[str], Any]) -> None:
    project = make_project(SOURCE)
    square, seed = project.module.square, int(os.environ.get("CICELY_TEST_SEED", time.time_ns() % 10**6))
    chance = random.Random(seed)
    pending = send(project, 0, TASKS)

    seen = set[int]()
    plan = ["executor"] * 20 + ["consumer"] * 10 + ["supervisor"] * 10
    chance.shuffle(plan)
    worker = project.worker("-c", "2", "-l", "warning")
    while plan or waits(project):
        time.sleep(chance.uniform(0.01, 0.15))
        if plan and not waits(project):
            pending += send(project, len(pending), 2_000)  # the worker was faster than the plan
        if worker.process.poll() is not None:
            worker = project.worker("-c", "2", "-l", "warning")
        seen.update(worker.tree())
        if plan and (victims := victims_of(worker, plan[-1])):
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(victims), signal.SIGKILL)
                plan.pop()

    logging.getLogger(__name__).info("%d tasks, CICELY_TEST_SEED=%d", len(pending), seed)
    assert [result.get(timeout=30) for result in pending] == [n * n for n in range(len(pending))]
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

"""A worker that was frozen for longer than its lease has lost its claim, and finds out."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from processes import until

SOURCE = """
import os, time
from pathlib import Path
from cicely import Cicely

app = Cicely("proj", broker=URL, backend=URL)
app.conf.worker_lease = 1.0

@app.task
def slow(folder):
    me = Path(folder) / f"run-{os.getppid()}"
    me.touch()
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)
    return os.getppid()
"""


@pytest.mark.alone
def test_a_late_ack_is_refused_and_one_result_stands(make_project: Callable[[str], Any]) -> None:
    project = make_project(SOURCE)
    frozen = project.worker("-c", "1", "-l", "info").ready()
    result = project.module.slow.delay(str(project.path))
    until(lambda: list(project.path.glob("run-*")), "the first worker to start the task")

    frozen.signal(signal.SIGSTOP)
    second = project.worker("-c", "1", "-l", "info").ready()
    until(lambda: len(list(project.path.glob("run-*"))) == 2, "the second worker to take the task over")
    (project.path / "go").touch()
    assert result.get(timeout=30) == second.pid
    until(lambda: project.sizes().leased == 0, "the second worker to settle the task")

    frozen.signal(signal.SIGCONT)
    until(lambda: "late" in frozen.log, "the first worker to report its late ack")
    assert "refused" in frozen.log
    assert project.app.AsyncResult(result.id).get(timeout=5) == second.pid
    assert project.sizes().dead == 0
    assert frozen.stop() == 0
    assert second.stop() == 0

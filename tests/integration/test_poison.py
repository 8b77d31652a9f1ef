"""A task that kills its executor is delivered `max_deliveries` times, then it is a dead letter."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cicely.exceptions import WorkerLostError

SOURCE = """
import os
from pathlib import Path
from cicely import Cicely

app = Cicely("proj", broker=URL, backend=URL)
app.conf.task_max_deliveries = 3

@app.task
def die(marks):
    with open(marks, "a") as file:
        file.write("ran\\n")
    if not Path(marks + ".cured").exists():
        os._exit(1)
    return "alive"

@app.task
def add(a, b):
    return a + b
"""


def test_poison_is_buried_and_can_be_requeued(make_project: Callable[[str], Any]) -> None:
    project = make_project(SOURCE)
    marks = project.path / "marks"
    project.worker("-c", "2", "-l", "info").ready()
    poisoned = project.module.die.delay(str(marks))
    others = [project.module.add.delay(i, i) for i in range(50)]

    with pytest.raises(WorkerLostError):
        poisoned.get(timeout=30)
    assert [result.get(timeout=30) for result in others] == [2 * i for i in range(50)]
    assert marks.read_text() == "ran\n" * 3

    (letter,) = json.loads(project.cli("-A", "proj", "dlq", "list", "--json").stdout)
    assert letter["task_id"] == poisoned.id
    assert letter["task"] == "proj.die"
    assert letter["attempts"] == 3
    assert "exit" in letter["reason"]

    shown = json.loads(project.cli("dlq", "show", poisoned.id, "-A", "proj").stdout)
    assert str(marks) in shown["body"]

    marks.with_name("marks.cured").touch()
    poisoned.forget()
    assert "1" in project.cli("-A", "proj", "dlq", "requeue", poisoned.id).stdout
    assert poisoned.get(timeout=30) == "alive"
    assert marks.read_text() == "ran\n" * 4
    assert project.sizes().dead == 0

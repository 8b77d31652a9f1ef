"""A long task never holds short ones back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

SOURCE = """
import time
from cicely import Cicely

app = Cicely("proj", broker=URL, backend=URL)

@app.task
def nap(seconds):
    time.sleep(seconds)
    return seconds
"""


@pytest.mark.alone
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_one_long_and_a_hundred_short(make_project: Callable[[str], Any], pool: str) -> None:
    project = make_project(SOURCE)
    project.worker("-c", "2", "-P", pool, "-l", "info").ready()
    nap = project.module.nap
    [result.get(timeout=30) for result in [nap.delay(0.01) for _ in range(20)]]  # its run time is known now

    started = time.monotonic()
    long = nap.delay(10)
    short = project.app.send_many([nap.s(0.01) for _ in range(100)])
    for result in short:
        result.get(timeout=30)
    assert time.monotonic() - started < 1.5
    assert not long.ready()

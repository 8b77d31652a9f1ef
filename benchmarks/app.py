"""The app that is measured: broker and results in one SQLite file named by the environment."""

from __future__ import annotations

import os

from cicely import Cicely

URL = f"sqlite:///{os.environ.get('BENCH_DB', 'bench.db')}"
app = Cicely("bench", broker=URL, backend=URL)


@app.task(name="noop")
def noop(a: int, b: int) -> int:
    """The smallest task that has arguments and a result."""
    return a


@app.task(name="mute", ignore_result=True)
def mute(a: int, b: int) -> None:
    """The same without a result."""

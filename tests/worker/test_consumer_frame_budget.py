"""How many Python functions the consumer enters per task: deterministic, unlike a stopwatch.

Counted are all of its threads: receiving, admission, dispatch, settlement, storing of results. Not counted
are the pool of this test and what it makes.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from jobs import outcome
from stub_pool import StubPool

from cicely_worker.pools.spi import Finished, Job

WARM_UP, TASKS = 1000, 6400
BUDGET = 8.0
OURS = {__file__, sys.modules[StubPool.__module__].__file__}


class Frames:
    """A profile function that counts calls while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.calls: Counter[str] = Counter()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if not self.on or event != "call":
            return
        maker: FrameType | None = frame
        while maker is not None and maker.f_code.co_filename == "<string>":
            maker = maker.f_back  # generated methods belong to whoever calls them
        if maker is None or maker.f_code.co_filename not in OURS:
            code = frame.f_code
            self.calls[f"{Path(code.co_filename).name}:{code.co_qualname}"] += 1


class FinishesAtOnce(StubPool):
    """Ends every job when it gets it, and counts between the first batch after the warm-up and the last."""

    def __init__(self, frames: Frames) -> None:
        super().__init__(lambda _: None, 2)
        self.frames = frames
        self.ended = outcome("x", runtime=0.00001)
        self.seen = self.counted = 0

    def dispatch(self, slot: int, jobs: Sequence[Job]) -> int:
        self.seen += len(jobs)
        self.frames.on = WARM_UP < self.seen <= WARM_UP + TASKS
        if self.frames.on:
            self.counted += len(jobs)
        self.say(*[Finished(slot, job.number, self.ended) for job in jobs])
        return len(jobs)


@pytest.mark.alone
def test_frames_per_task_at_batch_64(bench: Any, record_property: Any) -> None:
    frames = Frames()
    pool = FinishesAtOnce(frames)
    for _ in range(0, WARM_UP + TASKS + 500, 500):
        bench.app.send_many([bench.add.s(1, 1)] * 500)
    threading.setprofile(frames)
    try:
        bench.host(pool)
    finally:
        threading.setprofile(None)
    bench.wait_size()
    per_task = sum(frames.calls.values()) / pool.counted
    most = {name: round(calls / pool.counted, 2) for name, calls in frames.calls.most_common(20)}
    record_property("frames_per_task", per_task)
    assert pool.counted > TASKS - 128
    assert per_task <= BUDGET, most

"""Speed that a test can hold: the number of Python frames that are entered for one call, one run."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from cicely import Cicely
from cicely.execution import Execution

DELAY_BUDGET = 60
RUN_BUDGET = 30


def frames(function: Callable[[], Any]) -> Counter[str]:
    """The frames entered by a call, by place, the call itself included."""
    found: Counter[str] = Counter()

    def count(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            found[f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_code.co_qualname}"] += 1

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return found


@pytest.fixture
def app() -> Iterator[Cicely]:
    with Cicely("budget", broker="memory://budget", backend="memory://budget") as app:
        yield app


def test_sending_a_task(app: Cicely) -> None:
    @app.task(name="noop")
    def noop(a: int, b: int) -> int:
        return a

    noop.delay(1, 2)
    found = frames(partial(noop.delay, 1, 2))
    assert found.total() <= DELAY_BUDGET, found.most_common()


def test_running_a_task(app: Cicely) -> None:
    @app.task(name="noop")
    def noop(a: int, b: int) -> int:
        return a

    receiver = app.transport.receiver(["celery"], credit=2, lease=60)
    for _ in range(2):
        noop.delay(1, 2)
    first, second = receiver.receive(2, 1.0)
    execution = Execution(app, hostname="w")
    execution.run(first)
    found = frames(partial(execution.run, second))
    assert found.total() <= RUN_BUDGET, found.most_common()
    receiver.close()

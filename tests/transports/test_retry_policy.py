"""Retry policies: how often, how long, and the words for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cicely_transports.errors import MisuseError, OperationalError, UnknownOption
from cicely_transports.retry_policy import RetryPolicy


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 3))
        self.now += seconds


def failing(times: int) -> Callable[[], str]:
    left = [OperationalError(f"failure {n}") for n in range(times)]

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


def test_waits_grow_up_to_the_maximum() -> None:
    clock = Clock()
    policy = RetryPolicy(max_retries=5, interval_start=0.5, interval_step=1.0, interval_max=2.0)
    assert policy.run(failing(5), sleep=clock.sleep, clock=clock) == "done"
    assert clock.waits == [0.5, 1.5, 2.0, 2.0, 2.0]


def test_gives_up_with_the_last_error() -> None:
    clock = Clock()
    with pytest.raises(OperationalError, match="failure 3"):
        RetryPolicy().run(failing(10), sleep=clock.sleep, clock=clock)
    assert clock.waits == [0.0, 0.2, 0.4]


def test_timeout_bounds_all_attempts() -> None:
    clock = Clock()
    policy = RetryPolicy(max_retries=None, interval_start=1, interval_step=0, interval_max=1, timeout=3.5)
    with pytest.raises(OperationalError, match="failure 3"):
        policy.run(failing(10), sleep=clock.sleep, clock=clock)
    assert clock.now == 3.0


def test_other_errors_are_not_tried_again() -> None:
    def wrong() -> None:
        raise MisuseError("never")

    with pytest.raises(MisuseError):
        RetryPolicy().run(wrong)


def test_errback_sees_each_failure() -> None:
    clock, seen = Clock(), []
    RetryPolicy(errback=lambda exc, wait: seen.append((str(exc), wait))).run(
        failing(2), sleep=clock.sleep, clock=clock
    )
    assert seen == [("failure 0", 0.0), ("failure 1", 0.2)]


def test_from_a_mapping() -> None:
    assert RetryPolicy.of({"max_retries": 1, "interval_start": 2}) == RetryPolicy(1, 2)
    assert RetryPolicy.of(None) == RetryPolicy()
    with pytest.raises(UnknownOption, match="did you mean 'interval_max'"):
        RetryPolicy.of({"intervall_max": 1})
    with pytest.raises(MisuseError, match="interval_step is negative"):
        RetryPolicy.of({"interval_step": -1})

from __future__ import annotations

from collections.abc import Callable

import pytest

Play = Callable[..., str]


@pytest.mark.parametrize(
    "scenario",
    [
        "runs_jobs",
        "shows_what_runs",
        "killed_idle",
        "killed_running",
        "killed_between",
        "taken_back",
        "large_frames",
        "full_pipe",
        "outcomes_wait_for_a_busy_consumer",
        "refused",
        "retires",
        "deaf_executors",
        "stopped",
        "stopped_now",
    ],
)
def test_pool(play: Play, scenario: str) -> None:
    play("pool", scenario)


def test_processes_that_end_by_themselves_say_why(play: Play) -> None:
    said = play("pool", "ends_by_itself")
    assert "LookupError: a bug" in said
    assert "SystemExit(0) escaped from running a task" in said


def test_an_executor_that_talks_nonsense_is_killed(play: Play) -> None:
    assert "sent what cannot be understood and is killed" in play("pool", "scribbler")


def test_without_supervisor_the_worker_stops(play: Play) -> None:
    assert "ERROR the supervisor died" in play("pool", "orphaned")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_job_is_lost_or_told_twice_when_executors_are_killed(play: Play, seed: int) -> None:
    play("masses", "chaos", seed)


def test_nothing_is_left_of_dead_executors(play: Play) -> None:
    play("masses", "releases_everything")


def test_the_pool_works_without_what_only_linux_has(play: Play) -> None:
    play("masses", "elsewhere")


def test_frames_per_job_in_the_consumer(play: Play) -> None:
    play("masses", "budget")

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from cicely_worker.prefork import processes

Play = Callable[..., str]


def test_how_children_end_is_told(play: Play) -> None:
    assert "ValueError: told on stderr" in play("parts", "statuses")


@pytest.mark.parametrize(
    "scenario",
    [
        "signals_wait_for_the_child",
        "dies_with_its_parent",
        "comes_too_late_for_its_parent",
        "deaf_but_not_its_programs",
        "reaps_everything",
        "signalbox",
    ],
)
def test_processes(play: Play, scenario: str) -> None:
    play("parts", scenario)


def test_a_signal_without_a_name_is_told_by_number() -> None:
    assert processes.describe(50) == "signal 50"


def test_resident_memory_is_that_of_this_process() -> None:
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = [line for line in file if line.startswith("VmRSS")]
    assert abs(processes.resident_size() - int(line.split()[1]) * 1024) < 20_000_000


def test_killing_a_process_that_is_gone_is_harmless() -> None:
    watches = processes.pidfd(os.getpid())
    assert len(watches) == 1
    os.close(watches[0])
    processes.kill(2**22 + 1, None)

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from cicely.exceptions import ImproperlyConfigured
from cicely.outcome import Outcome
from cicely_transports.spi import Delivery
from cicely_worker.prefork.supervisor import Supervisor

Play = Callable[..., str]

log = logging.getLogger("test")


def run(delivery: Delivery) -> Outcome:
    raise AssertionError("nothing runs here")


def make(concurrency: int) -> Supervisor:
    return Supervisor(lambda _: 0, lambda: run, concurrency, lambda: None, log)


def test_a_worker_ends_with_its_consumer(play: Play) -> None:
    play("supervised", "ends_with_its_consumer")


@pytest.mark.parametrize("busy", ["idle", "busy"])
def test_no_executor_outlives_its_consumer(play: Play, busy: str) -> None:
    play("supervised", "leaves_no_executor", busy)


def test_fifty_executors_are_replaced_without_a_trace(play: Play) -> None:
    said = play("supervised", "replaces_executors")
    assert said.count("died: exit status 3") == 40
    assert said.count("died: signal 9 (SIGKILL)") == 10


def test_failing_starts_are_repeated_ever_more_slowly(play: Play, tmp_path: Path) -> None:
    said = play("supervised", "slows_down_failing_starts", tmp_path)
    assert "it failed to start, the next one is forked in 0.4 s" in said
    assert "ConnectionError: no database" in said


@pytest.mark.parametrize("how", ["kill", "raise"])
def test_a_dead_consumer_is_replaced_with_everything(play: Play, tmp_path: Path, how: str) -> None:
    said = play("supervised", "replaces_the_consumer", how, tmp_path)
    assert ("signal 9 (SIGKILL)" if how == "kill" else "LookupError: a bug in the consumer") in said


def test_a_consumer_that_keeps_dying_ends_the_worker(play: Play) -> None:
    assert "CRITICAL the consumer died 10 times in 60 s" in play("supervised", "gives_up")


@pytest.mark.parametrize("signals", ["TERM", "QUIT", "INT", "INT INT", "TERM TERM", "TERM INT", "HUP TERM"])
def test_signals_become_orders(play: Play, signals: str) -> None:
    play("stops", "stops", *signals.split())


def test_signals_to_the_whole_group_do_no_harm(play: Play) -> None:
    play("stops", "group_signals")


def test_a_cold_stop_is_bounded(play: Play) -> None:
    assert "did not stop in 0 s: it is killed" in play("stops", "bounds_a_cold_stop")


def test_a_warm_stop_becomes_cold(play: Play) -> None:
    play("stops", "bounds_a_warm_stop")


def test_a_worker_can_be_stopped_while_it_waits_to_start_again(play: Play) -> None:
    play("stops", "stops_between_two_lives")


def test_without_supervisor_everything_ends(play: Play) -> None:
    play("supervised", "supervisor_killed")


def test_a_consumer_that_is_stuck_is_replaced(play: Play, tmp_path: Path) -> None:
    assert "5 messages wait to be read" in play("supervised", "consumer_stuck", tmp_path)


def test_threads_before_the_fork_are_named(play: Play) -> None:
    assert "threads run before the worker forks (grpc-poller)" in play("supervised", "warns_of_threads")


def test_handlers_are_put_back(play: Play) -> None:
    play("supervised", "handlers_are_put_back")


def test_a_worker_needs_an_executor() -> None:
    with pytest.raises(ImproperlyConfigured, match="concurrency is 0"):
        make(0)


def test_a_system_without_fork_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.fork")
    with pytest.raises(ImproperlyConfigured, match="-P threads"):
        make(1).run()

"""Scenarios of workers that are told to stop."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable

from cicely_worker.prefork import respawn, supervisor

from .crew import job, log, play
from .seat import Seat, supervise


def stops(*names: str) -> None:
    """Signals to the supervisor, one after the other, become orders to the consumer."""
    wanted = {"TERM": ["warm"], "QUIT": ["cold"], "INT": ["warm"], "INT INT": ["warm", "cold"]}
    wanted |= {"TERM TERM": ["warm"], "TERM INT": ["warm", "cold"], "HUP TERM": ["warm"]}

    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.up()) == 2)
        orders = wanted[" ".join(names)]
        for number, name in enumerate(names, 1):
            os.kill(os.getppid(), signal.Signals[f"SIG{name}"])
            if len(orders) == len(names):
                seat.until(lambda: len(seat.orders) == number)  # noqa: B023 - called at once
            else:
                time.sleep(0.05)  # nothing is to happen, and nothing can be waited for
        seat.until(lambda: seat.orders == orders, str(seat.orders))
        pids = seat.up()
        os.kill(pids[0], signal.SIGKILL)
        seat.until(lambda: len(seat.lost()) == 1)
        assert seat.pool.dispatch(1, [job(1)]) == 1, "what runs may end"
        seat.until(seat.finished)
        assert seat.up() == {1: pids[1]}, "no replacement while the worker stops"
        return 3

    assert supervise(consumer) == 3


def group_signals() -> None:
    """Ctrl-C and a control group's TERM reach every process; only the supervisor's counts."""
    os.setpgid(0, 0)

    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.up()) == 1)
        seat.pool.dispatch(0, [job(1, b"sleep 0.3"), job(2)])
        seat.until(lambda: seat.pool.running(0))
        os.killpg(0, signal.SIGINT)
        seat.until(lambda: seat.orders == ["warm"])
        seat.until(lambda: seat.finished() == [1, 2])
        return 0

    assert supervise(consumer, concurrency=1) == 0


def bounds_a_cold_stop() -> None:
    supervisor.COLD_LIMIT = 0.2

    def consumer(seat: Seat) -> int:
        seat.until(lambda: len(seat.up()) == 2)
        os.kill(os.getppid(), signal.SIGQUIT)
        time.sleep(60)
        return 0

    assert supervise(consumer) == 128 + signal.SIGKILL


def bounds_a_warm_stop() -> None:
    def consumer(seat: Seat) -> int:
        os.kill(os.getppid(), signal.SIGTERM)
        seat.until(lambda: seat.orders == ["warm", "cold"])
        return 0

    assert supervise(consumer, warm_limit=0.1) == 0


class OnMessage(logging.Handler):
    """Acts when a message is logged."""

    def __init__(self, text: str, act: Callable[[], None]) -> None:
        super().__init__()
        self._text, self._act = text, act

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self._act()


def stops_between_two_lives() -> None:
    """TERM while everything is dead and waits to be started again."""
    respawn.FIRST = respawn.LONGEST_CONSUMER = 30.0
    ending = OnMessage("started again in 30.0 s", lambda: os.kill(os.getpid(), signal.SIGTERM))
    log.addHandler(ending)

    def consumer(seat: Seat) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 1

    assert supervise(consumer) == 0


if __name__ == "__main__":
    play([stops, group_signals, bounds_a_cold_stop, bounds_a_warm_stop, stops_between_two_lives])

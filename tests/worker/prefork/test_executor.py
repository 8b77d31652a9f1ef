from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from cicely.outcome import Outcome
from cicely_transports.message import Message
from cicely_transports.spi import Delivery, Verdict
from cicely_worker.pools.spi import Job
from cicely_worker.prefork.board import Board
from cicely_worker.prefork.executor import EscapedExit, Executor, Run
from cicely_worker.prefork.frames import FrameError, OutcomeFrame, decode_outcome, encode_job
from cicely_worker.prefork.links import Link, link_pair

Play = Callable[..., str]


def succeed(delivery: Delivery) -> Outcome:
    return Outcome(f"id-{delivery.tag}", "t", "SUCCESS", Verdict.DONE, summary=delivery.message.body.decode())


@dataclass
class Bench:
    """The consumer's end, and what an executor at the other end needs."""

    near: Link
    far: Link
    board: Board

    def give(self, *numbers: int) -> None:
        frames = [encode_job(Job(n, Delivery(n, "q", Message(b"%d" % n), 1, None))) for n in numbers]
        assert self.near.offer(frames) == len(frames)

    def executor(self, run: Run = succeed) -> Executor:
        return Executor(self.far, self.board.entry(0), run)

    def outcomes(self) -> list[OutcomeFrame]:
        frames: list[OutcomeFrame] = []
        self.near.drain(decode_outcome, frames, 1000)
        return frames

    def numbers(self) -> list[int]:
        return [frame.number for frame in self.outcomes()]


@pytest.fixture(params=[True, False], ids=["packets", "stream"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    near, far = link_pair(packets=request.param)
    board = Board(1)
    yield Bench(near, far, board)
    near.close()
    far.close()
    board.close()


def test_it_greets_runs_what_is_there_and_ends_with_the_consumer(bench: Bench) -> None:
    bench.give(1)
    bench.near.end_sending()
    bench.executor().serve()
    greeting, frame = bench.outcomes()
    assert greeting.number == 0
    assert frame.number == 1
    assert frame.outcome == Outcome("id-1", "t", "SUCCESS", Verdict.DONE, summary="1")
    assert bench.board.read(0).finished == 1


def test_the_board_shows_the_job_while_it_runs_and_until_its_outcome_is_sent(bench: Bench) -> None:
    seen: list[object] = []

    def run(delivery: Delivery) -> Outcome:
        row = bench.board.read(0)
        seen.append((row.number, row.finished))
        return succeed(delivery)

    bench.give(1)
    executor = bench.executor(run)
    serving = threading.Thread(target=executor.serve)
    serving.start()
    while bench.board.read(0).finished == 0:
        assert serving.is_alive()
    bench.give(2)
    bench.near.end_sending()
    serving.join(10)
    assert seen == [(1, 0), (2, 1)]
    assert bench.board.read(0).number is None


def test_outcomes_are_sent_at_once(bench: Bench) -> None:
    before: list[list[int]] = []

    def run(delivery: Delivery) -> Outcome:
        before.append(bench.numbers())
        if delivery.tag == 1:
            bench.give(2)
            bench.near.end_sending()
        return succeed(delivery)

    bench.give(1)
    bench.executor(run).serve()
    assert before == [[0], [1]]


def test_it_leaves_after_the_running_job(bench: Bench) -> None:
    def run(delivery: Delivery) -> Outcome:
        bench.give(2)
        executor.leave()
        return succeed(delivery)

    bench.give(1)
    executor = bench.executor(run)
    executor.serve()
    assert bench.numbers() == [0, 1]


@pytest.mark.parametrize("error", [LookupError("bug"), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_what_escapes_from_a_run_ends_it(bench: Bench, error: BaseException) -> None:
    def run(delivery: Delivery) -> Outcome:
        raise error

    bench.give(1)
    with pytest.raises(type(error)):
        bench.executor(run).serve()
    assert bench.board.read(0).number == 1, "the dead executor was in this job"
    assert bench.numbers() == [0]


def test_an_exit_that_escapes_does_not_look_like_a_good_end(bench: Bench) -> None:
    def run(delivery: Delivery) -> Outcome:
        raise SystemExit(0)

    bench.give(1)
    with pytest.raises(EscapedExit, match=r"SystemExit\(0\) escaped"):
        bench.executor(run).serve()


def test_an_outcome_that_cannot_travel_ends_it(bench: Bench) -> None:
    def run(delivery: Delivery) -> Outcome:
        return Outcome("i", "t", "s", Verdict.DONE, summary=lambda: None)  # type: ignore[arg-type] # the bug

    bench.give(1)
    with pytest.raises(FrameError, match="Outcome cannot travel"):
        bench.executor(run).serve()


def test_a_frame_that_is_none_ends_it(bench: Bench) -> None:
    bench.near.send(b"\xc1\xc1")
    with pytest.raises(FrameError, match="cannot be read"):
        bench.executor().serve()
    assert bench.board.read(0).number is None


def test_it_ends_when_nobody_takes_its_outcome(bench: Bench) -> None:
    def run(delivery: Delivery) -> Outcome:
        bench.near.close()
        return succeed(delivery)

    bench.give(1)
    bench.executor(run).serve()


def test_it_ends_when_the_consumer_is_gone_before_it_greets(bench: Bench) -> None:
    bench.near.close()
    bench.executor().serve()


def test_the_process_around_it(play: Play) -> None:
    play("executors", "life")


@pytest.mark.parametrize(
    "scenario", ["descriptors", "random_numbers", "no_terminal", "role", "comm", "consumer_gone"]
)
def test_a_new_process(play: Play, scenario: str) -> None:
    play("executors", scenario)


def test_ps_shows_what_a_process_is(play: Play) -> None:
    pytest.importorskip("setproctitle")
    play("executors", "title")


def test_a_failing_start_is_told(play: Play) -> None:
    assert "ConnectionError: no database" in play("executors", "failing_start")

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from cicely_worker.prefork.board import Board, Row

Play = Callable[..., str]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def board() -> Iterator[Board]:
    board = Board(3)
    yield board
    board.close()


def test_a_new_board_shows_nobody_in_a_job(board: Board) -> None:
    assert [board.read(slot) for slot in range(3)] == [Row(None, 0.0, 0, 0)] * 3


def test_a_job_is_shown_from_begin_to_end(board: Board) -> None:
    clock = Clock()
    entry = board.entry(1, clock)
    entry.ready()
    entry.begin(7)
    row = board.read(1)
    assert (row.number, row.started, row.finished) == (7, 100.0, 0)
    entry.end()
    row = board.read(1)
    assert (row.number, row.finished) == (None, 1)
    assert board.read(0) == board.read(2) == Row(None, 0.0, 0, 0)


def test_numbers_have_64_bits(board: Board) -> None:
    board.entry(0).begin(2**62)
    assert board.read(0).number == 2**62


def test_memory_is_measured_once_a_second(board: Board) -> None:
    clock = Clock()
    entry = board.entry(0, clock)
    entry.ready()
    first = board.read(0).size
    assert 1_000_000 < first < 10_000_000_000
    ballast = bytearray(b"x") * 50_000_000
    entry.begin(1)
    entry.end()
    assert board.read(0).size == first
    clock.now += 1.0
    entry.begin(2)
    entry.end()
    assert board.read(0).size > first + 40_000_000
    del ballast


def test_a_cleared_slot_is_as_new(board: Board) -> None:
    entry = board.entry(2)
    entry.begin(5)
    board.clear(2)
    assert board.read(2) == Row(None, 0.0, 0, 0)


def test_a_reader_never_sees_the_start_of_another_job(board: Board) -> None:
    entry = board.entry(0, clock := Clock())
    done = threading.Event()

    def write() -> None:
        for number in range(1, 20_000):
            clock.now = number * 2.0
            entry.begin(number)
            entry.end()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        row = board.read(0)
        assert row.number is None or row.started == row.number * 2.0
    writer.join()


def test_other_processes_see_it(play: Play) -> None:
    play("parts", "board_is_shared")

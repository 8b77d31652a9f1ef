"""The board: shared memory in which every executor shows what it is in.

One row per slot, written by its executor around each task, read by the consumer and the supervisor. It tells
which job a dead executor was in, and how long a living one has been in its job, without any message.
"""

from __future__ import annotations

import mmap
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from .processes import resident_size

#: started, finished, size, number: the number comes last, so that whoever sees a new one sees its start.
_ROW = struct.Struct("@dQQq")
_STRIDE = 64
_IDLE = 0
_TRIES = 8
#: Seconds between two looks at the memory use of an executor.
_MEASURE = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """What one executor shows.

    ``number``: the job that it is in, None between jobs. ``started``: monotonic time of the start of the
    last job. ``finished``: jobs ended in its life. ``size``: resident memory in bytes, at most a second
    old when a job ends.
    """

    number: int | None
    started: float
    finished: int
    size: int


class Board:
    """All rows. Made before the first fork; the memory is shared by every process that inherits it."""

    def __init__(self, slots: int) -> None:
        self._memory = mmap.mmap(-1, slots * _STRIDE)
        self.slots = slots

    def read(self, slot: int) -> Row:
        """The row of a slot."""
        memory, offset = self._memory, slot * _STRIDE
        row = _ROW.unpack_from(memory, offset)
        for _ in range(_TRIES):
            again = _ROW.unpack_from(memory, offset)
            if again == row:
                break
            row = again
        started, finished, size, number = row
        return Row(number if number > 0 else None, started, finished, size)

    def clear(self, slot: int) -> None:
        """Forget the dead executor of a slot; before its next one starts."""
        _ROW.pack_into(self._memory, slot * _STRIDE, 0.0, 0, 0, _IDLE)

    def entry(self, slot: int, clock: Callable[[], float] = time.monotonic) -> Entry:
        """The pen of the executor in this slot."""
        return Entry(self._memory, slot * _STRIDE, clock)

    def close(self) -> None:
        """Release the memory in this process."""
        self._memory.close()


class Entry:
    """Writes one row. Belongs to the executor."""

    __slots__ = ("_clock", "_due", "_finished", "_memory", "_offset", "_size", "_started")

    def __init__(self, memory: mmap.mmap, offset: int, clock: Callable[[], float]) -> None:
        self._memory, self._offset, self._clock = memory, offset, clock
        self._started = 0.0
        self._finished = 0
        self._size = 0
        self._due = 0.0

    def ready(self) -> None:
        """The executor can take jobs."""
        self._size = resident_size()
        self._due = self._clock() + _MEASURE
        _ROW.pack_into(self._memory, self._offset, 0.0, 0, self._size, _IDLE)

    def begin(self, number: int) -> None:
        """The executor enters job ``number`` (1 or more)."""
        self._started = self._clock()
        _ROW.pack_into(self._memory, self._offset, self._started, self._finished, self._size, number)

    def end(self) -> None:
        """The outcome of the job has been sent."""
        self._finished += 1
        now = self._clock()
        if now >= self._due:
            self._size = resident_size()
            self._due = now + _MEASURE
        _ROW.pack_into(self._memory, self._offset, self._started, self._finished, self._size, _IDLE)

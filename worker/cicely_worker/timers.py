"""Timers of the consumer loop: a heap of moments and what to do then. Monotonic seconds."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Timers:
    """Things to do once, later. One thread uses it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0

    def at(self, when: float, call: Callable[[float], None]) -> None:
        """Call ``call(now)`` in the first :meth:`run` at or after ``when``."""
        self._count += 1
        heappush(self._heap, (when, self._count, call))

    def next_at(self) -> float | None:
        """The earliest moment, None when there is nothing to do."""
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Do what is due. Something due that is added meanwhile waits for the next run."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heappop(self._heap)[2])
        for call in due:
            call(now)

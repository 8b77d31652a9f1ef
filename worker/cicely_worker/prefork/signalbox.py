"""Signals as data: what arrived since the last look, and a descriptor that wakes a selector."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterable
from types import FrameType
from typing import Any, Self


class SignalBox:
    """Takes signals over while open (a context manager, main thread only) and puts them into a queue."""

    def __init__(self, numbers: Iterable[signal.Signals]) -> None:
        self._numbers = tuple(numbers)
        self._arrived: deque[int] = deque(maxlen=100)
        self._before: dict[signal.Signals, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._wakeup = -1

    def __enter__(self) -> Self:
        self._pipe = reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        self._wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        signal.set_wakeup_fd(self._wakeup)
        self._close()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._arrived.append(number)

    def fileno(self) -> int:
        """Becomes readable with a signal."""
        if self._pipe is None:
            raise ValueError("the box is closed")
        return self._pipe[0]

    def take(self) -> list[signal.Signals]:
        """Signals since the last call, oldest first."""
        try:
            while len(os.read(self.fileno(), 4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        numbers = []
        while self._arrived:
            numbers.append(signal.Signals(self._arrived.popleft()))
        return numbers

    def abandon(self) -> None:
        """In a child: let go of the parent's pipe. The child sets handlers of its own before this."""
        signal.set_wakeup_fd(-1)
        for number in self._numbers:
            if signal.getsignal(number) == self._handle:
                signal.signal(number, signal.SIG_DFL)
        self._close()

    def _close(self) -> None:
        if self._pipe is not None:
            for fd in self._pipe:
                os.close(fd)
            self._pipe = None

"""The solo pool: one task at a time, in the main thread, for debuggers and for code that wants no thread."""

from __future__ import annotations

from collections.abc import Callable

from .inprocess import InProcessPool, Run


class SoloPool(InProcessPool):
    """One executor: the thread that calls :meth:`work`. ``concurrency`` is accepted and is always one."""

    def __init__(self, make_run: Callable[[], Run], concurrency: int = 1) -> None:
        super().__init__(make_run, min(concurrency, 1))

    def start(self) -> None:
        """Nothing: the executor is up as soon as :meth:`work` is called."""

    def work(self) -> None:
        """Run jobs in the calling thread until the pool stops."""
        self._serve(self._lanes[0])

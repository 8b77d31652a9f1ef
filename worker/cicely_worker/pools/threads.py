"""The thread pool: tasks that wait more than they compute, sharing memory."""

from __future__ import annotations

import threading

from .inprocess import InProcessPool


class ThreadPool(InProcessPool):
    """``concurrency`` threads that end with the process."""

    def start(self) -> None:
        """Start the threads."""
        for lane in self._lanes:
            name = f"cicely-executor-{lane.slot}"
            threading.Thread(target=self._serve, args=(lane,), name=name, daemon=True).start()

    def work(self) -> None:
        """Nothing: the threads do it."""

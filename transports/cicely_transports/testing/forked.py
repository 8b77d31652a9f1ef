"""Children for tests: a function run in a forked process, with its answer and a bound on its life."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any, Self

can_fork = hasattr(os, "fork")


class Child:
    """A forked process that runs ``job`` and answers with its result; a context manager that ends it."""

    def __init__(self, job: Callable[[], Any]) -> None:
        self._reader, writer = os.pipe()
        with warnings.catch_warnings():
            # Test runners have threads; the child keeps away from them and leaves by os._exit.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            os.close(self._reader)
            _answer(job, writer)
        os.close(writer)
        self._running = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        os.close(self._reader)

    def result(self, within: float) -> Any:
        """What ``job`` returned; AssertionError when it raised or did not answer in time."""
        deadline = time.monotonic() + within
        chunks: list[bytes] = []
        while True:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._reader], [], [], max(0.0, left))
            if not ready:
                raise AssertionError(f"the child process did not answer within {within:g} s")
            chunk = os.read(self._reader, 65536)
            if not chunk:
                break
            chunks.append(chunk)
        self.kill()
        assert chunks, "the child process died without an answer"
        good, value = pickle.loads(b"".join(chunks))
        assert good, f"in the child process: {value}"
        return value

    def kill(self) -> None:
        """SIGKILL it, if it still runs, and reap it."""
        if self._running:
            self._running = False
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def read_within(descriptor: int, size: int, within: float) -> bytes:
    """Exactly ``size`` bytes from a pipe, or AssertionError after ``within`` seconds."""
    deadline = time.monotonic() + within
    data = b""
    while len(data) < size:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"only {len(data)} of {size} bytes came from the child within {within:g} s"
        chunk = os.read(descriptor, size - len(data))
        assert chunk, "the child process died"
        data += chunk
    return data


def _answer(job: Callable[[], Any], writer: int) -> None:
    """Run the job and leave, whatever happens: nothing of the parent's may go on in the child."""
    try:
        try:
            answer = pickle.dumps((True, job()))
        except BaseException:  # noqa: BLE001  # the parent reports it
            answer = pickle.dumps((False, traceback.format_exc()))
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)

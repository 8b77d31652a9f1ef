"""A project on disk, and workers of it as real processes: what the integration tests stand on."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CLI = [sys.executable, "-W", "error", "-m", "cicely"]


def until(condition: Callable[[], Any], what: str, timeout: float = 30.0) -> Any:
    """Poll until the condition is true; fail with `what` otherwise."""
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout} s in vain for {what}")
        time.sleep(0.01)
    return found


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Worker:
    """One `cicely worker` and everything below it."""

    def __init__(self, project: Project, arguments: tuple[str, ...]) -> None:
        self.log_path = project.path / f"worker-{len(project.workers)}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*CLI, "-A", "proj", "worker", *arguments],
                cwd=project.path,
                env=project.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def consumer(self) -> int | None:
        return next((pid for pid in children(self.pid) if comm(pid) == "cicely consumer"), None)

    def executors(self) -> list[int]:
        return [pid for pid in children(self.pid) if comm(pid) == "cicely executor"]

    def tree(self) -> list[int]:
        return [self.pid, *children(self.pid)]

    def ready(self) -> Worker:
        until(lambda: " ready" in self.log or self.process.poll() is not None, "the worker to be ready")
        assert self.process.poll() is None, self.log
        return self

    def signal(self, number: signal.Signals) -> None:
        os.killpg(self.pid, number) if number in {
            signal.SIGSTOP,
            signal.SIGCONT,
        } else self.process.send_signal(number)

    def stop(self, timeout: float = 30.0) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)


class Project:
    """A folder with `proj.py`, an SQLite broker beside it, and the app imported here as the producer."""

    def __init__(self, path: Path, source: str, name: str) -> None:
        self.path = path
        self.url = f"sqlite:///{path}/proj.db"
        (path / "proj.py").write_text(source.replace("URL", repr(self.url)), "utf-8")
        self.env = os.environ | {"PYTHONFAULTHANDLER": "1"}
        self.workers: list[Worker] = []
        spec = importlib.util.spec_from_file_location("proj", path / "proj.py")
        assert spec is not None
        assert spec.loader is not None
        self.module: ModuleType = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    @property
    def app(self) -> Any:
        return self.module.app

    def worker(self, *arguments: str) -> Worker:
        worker = Worker(self, arguments)
        self.workers.append(worker)
        return worker

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*CLI, *arguments],
            cwd=self.path,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    def sizes(self, queue: str = "celery") -> Any:
        transport = self.app.open_transport()
        try:
            return transport.sizes([queue])[queue]
        finally:
            transport.close()

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
        self.app.close()

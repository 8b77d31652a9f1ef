"""Tests that fork run in a fresh interpreter with one thread and the main thread to themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PATIENCE = 50.0

Play = Callable[..., str]


@pytest.fixture
def play() -> Play:
    """Runs ``function`` of ``scenarios/module.py`` in a new process; gives what it printed."""

    def run(module: str, function: str, *arguments: object) -> str:
        command = [sys.executable, "-W", "error", "-m", f"tests.worker.prefork.scenarios.{module}", function]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{function} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run

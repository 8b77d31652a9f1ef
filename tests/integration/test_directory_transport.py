"""A third-party transport under a real worker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from directory_plugin import installed_plugin

PROJECT = """
import os
from cicely import Cicely

app = Cicely("proj", broker=os.environ["BROKER"], backend="sqlite:///results.db")

@app.task
def echo(number):
    return number

def ask():
    results = [echo.delay(number) for number in range(20)]
    return [result.get(timeout=30) for result in results]
"""


def test_the_example_plugin_serves_a_worker(tmp_path: Path) -> None:
    installed = installed_plugin(tmp_path)
    (tmp_path / "proj.py").write_text(PROJECT)
    run = [
        sys.executable,
        "-m",
        "cicely",
        "-A",
        "proj",
        "worker",
        "--concurrency",
        "2",
        "--loglevel",
        "WARNING",
    ]
    worker = subprocess.Popen(run, env=installed, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        command = [sys.executable, "-c", "import proj; print(proj.ask())"]
        done = subprocess.run(
            command, env=installed, cwd=tmp_path, capture_output=True, text=True, timeout=40, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == list(range(20))
    finally:
        worker.terminate()
        _, errors = worker.communicate(timeout=15)
    assert worker.returncode == 0, errors

"""Run one task through a worker of the installed distributions, on the embedded broker."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

APP = """
from cicely import Cicely
app = Cicely("proof")

@app.task
def add(a, b):
    return a + b
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        os.chdir(folder)
        Path("proof.py").write_text(APP, "utf-8")
        command = [str(Path(sys.executable).with_name("cicely")), "-A", "proof"]
        worker = subprocess.Popen([*command, "worker", "-c", "1", "-l", "warning"])
        try:
            called = subprocess.run(
                [*command, "-q", "call", "proof.add", "-a", "[20, 22]", "--wait", "30"],
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            )
        finally:
            worker.terminate()
            code = worker.wait(30)
        if called.stdout.strip() != "42" or code != 0:
            sys.exit(f"expected 42 and exit code 0, got {called.stdout!r} and {code}")
        print("one task: 42")


if __name__ == "__main__":
    main()

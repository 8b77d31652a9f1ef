"""The commands that need no worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from cicely import Cicely
app = Cicely("proj", broker="sqlite:///{folder}/q.db", backend="sqlite:///{folder}/q.db")

@app.task
def add(a, b):
    return a + b
"""


class CLI:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "proj.py").write_text(APP.format(folder=folder))

    def __call__(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "cicely", "-A", "proj", *arguments],
            cwd=self.folder,
            env=os.environ | {"XDG_STATE_HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def cli(tmp_path: Path) -> CLI:
    return CLI(tmp_path)


def test_version_and_help(cli: CLI) -> None:
    assert cli("--version").startswith("cicely ")
    text = cli("--help")
    for command in ("call", "result", "status", "queues", "purge", "dlq", "transports"):
        assert command in text


def test_call_queues_purge(cli: CLI) -> None:
    task_id = cli("call", "proj.add", "-a", "[1, 2]").strip()
    assert len(task_id) == 36
    cli("call", "proj.add", "-a", "[1, 2]", "--countdown", "60", "--queue", "later")
    rows = {row["queue"]: row for row in json.loads(cli("queues", "--json"))}
    assert rows["celery"]["ready"] == 1
    assert rows["later"]["delayed"] == 1
    assert cli("queues", "celery").split("\t")[:2] == ["celery", "1"]

    assert "say -f" in cli("purge", code=2)
    assert "Dropped 1" in cli("purge", "-f", "-Q", "celery")
    assert "Nothing" in cli("purge", "-f", "-Q", "celery")


def test_result_of_an_unknown_task(cli: CLI) -> None:
    assert "Nothing is stored" in cli("result", "no-such-id", code=1)


def test_status(cli: CLI) -> None:
    text = cli("status")
    assert "OK" in text
    assert "sqlite" in text


def test_the_command_line_beats_the_environment(cli: CLI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", f"sqlite:///{cli.folder}/environment.db")
    assert "environment.db" in cli("status")
    assert "given.db" in cli("-b", f"sqlite:///{cli.folder}/given.db", "status")


def test_unreachable_broker_is_exit_code_69(cli: CLI) -> None:
    (cli.folder / "file").touch()
    text = cli("-b", f"sqlite:///{cli.folder}/file/q.db", "status", code=69)
    assert "file" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["call", "proj.add", "-a", "{1"], "not JSON"),
        (["call", "proj.add", "-a", '{"a": 1}'], "must be a JSON array"),
        (["call", "proj.add", "--eta", "tomorrow"], "ISO 8601"),
        (["dlq", "requeue"], "--all"),
        (["dlq", "show", "nothing"], "no dead letter nothing"),
        (["qeues"], "No such command 'qeues'"),
        (["--workdir", "/no/such/dir", "queues"], "no such directory"),
        (["-b", "sqlit:///x", "queues"], "sqlite"),
        (["-b", "redis://localhost", "queues"], "cicely[redis]"),
    ],
)
def test_misuse(cli: CLI, arguments: list[str], said: str) -> None:
    assert said in cli(*arguments, code=2)


def test_empty_dead_letters(cli: CLI) -> None:
    assert json.loads(cli("dlq", "list", "--json")) == []
    assert "Requeued 0" in cli("dlq", "requeue", "--all")


def test_transports(cli: CLI) -> None:
    schemes = {row["scheme"] for row in json.loads(cli("transports", "--json"))}
    assert {"memory", "sqlite"} <= schemes

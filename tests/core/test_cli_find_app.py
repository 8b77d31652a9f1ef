"""Every way in which `-A` can go wrong names its cause and its remedy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = "from cicely import Cicely\napp = Cicely('proj', broker='memory://')\n"


def queues(cwd: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`cicely ... queues` loads the app and asks the broker: the shortest command that needs both."""
    clean = {key: value for key, value in os.environ.items() if key not in {"CICELY_APP", "CELERY_APP"}}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "cicely", *arguments],
        cwd=cwd,
        env=clean | {"XDG_STATE_HOME": str(cwd / "state")} | env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "proj.py").write_text(APP)
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "celery.py").write_text(APP)
    (tmp_path / "noapp.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("def f():\n    return 1 / 0\nf()\n")
    (tmp_path / "needs.py").write_text("import numpyy_is_not_here\n")
    (tmp_path / "two.py").write_text(
        APP + "other = Cicely('other', broker='memory://')\ndel app\nthird = other\n"
    )
    (tmp_path / "many.py").write_text(
        APP.replace("app =", "one =") + "two = Cicely('two', broker='memory://')\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["-A", "proj", "queues"],
        ["queues", "-A", "proj"],
        ["--app=proj", "queues"],
        ["-A", "proj:app", "queues"],
        ["-A", "proj.py", "queues"],
        ["-A", "./proj", "queues"],
        ["-A", "pack", "queues"],
        ["-A", "two", "queues"],
        ["-b", "memory://", "queues"],
    ],
)
def test_ways_to_name_an_app(here: Path, arguments: list[str]) -> None:
    done = queues(here, *arguments)
    assert done.returncode == 0, done.stderr


def test_environment_and_pyproject(here: Path) -> None:
    assert queues(here, "queues", CICELY_APP="proj").returncode == 0
    assert queues(here, "queues", CELERY_APP="proj").returncode == 0
    (here / "pyproject.toml").write_text('[tool.cicely]\napp = "proj"\n')
    assert queues(here, "queues").returncode == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("prog", ["no module 'prog'", "did you mean 'proj'", "searched from"]),
        ("pack.celry", ["no module 'pack.celry'", "did you mean 'celery'"]),
        ("nosuch.py", ["no such file", "current directory"]),
        ("proj:ap", ["'proj' has no 'ap'", "did you mean 'app'", "apps in it: app"]),
        ("noapp:x", ["'noapp:x' is a int, not a Cicely app"]),
        ("noapp", ["no Cicely app in it", "app = Cicely("]),
        ("many", ["several apps", "-A many:one or -A many:two"]),
        ("broken", ["importing 'broken' failed: ZeroDivisionError", "broken.py", "return 1 / 0"]),
        ("needs", ["imports 'numpyy_is_not_here', which is not installed", "pip install numpyy_is_not_here"]),
    ],
)
def test_mistakes(here: Path, name: str, said: list[str]) -> None:
    done = queues(here, "-A", name, "queues")
    assert done.returncode in {1, 2}
    for part in said:
        assert part in done.stderr
    assert "importlib" not in done.stderr
    assert done.stdout == ""


def test_no_app_at_all_lists_the_promising_files(here: Path) -> None:
    done = queues(here, "queues")
    assert done.returncode == 2
    assert "-A many, -A proj, -A two" in done.stderr
    assert "CICELY_APP" in done.stderr

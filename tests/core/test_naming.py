from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cicely.naming import task_name

PROGRAM = """
from cicely import Cicely
app = Cicely({main}set_as_current=False)
@app.task
def add(): ...
print(add.name)
"""


def test_module_and_function() -> None:
    assert task_name("proj", "add", "proj.tasks") == "proj.tasks.add"
    assert task_name(None, "add", "proj.tasks") == "proj.tasks.add"


@pytest.mark.parametrize("module", ["__main__", "__mp_main__", None, ""])
def test_main_module_has_the_name_of_the_app(module: str | None) -> None:
    assert task_name("proj", "add", module) == "proj.add"


@pytest.mark.parametrize(
    ("main", "arguments", "name"),
    [
        ("", ["program.py"], "program.add"),
        ("'proj', ", ["program.py"], "proj.add"),
        ("", ["-m", "package.program"], "package.program.add"),
        ("", ["-m", "package"], "package.add"),
        ("", ["-c", PROGRAM.format(main="")], "__main__.add"),
    ],
)
def test_programs(tmp_path: Path, main: str, arguments: list[str], name: str) -> None:
    text = PROGRAM.format(main=main)
    (tmp_path / "program.py").write_text(text)
    (tmp_path / "package").mkdir()
    for file in ("program.py", "__main__.py"):
        (tmp_path / "package" / file).write_text(text)
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == name

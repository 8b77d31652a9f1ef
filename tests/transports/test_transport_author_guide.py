"""The code in docs/transport-author.md is true: quoted from the plugin, or it runs."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from cicely_transports.spi import Capabilities
from cicely_transports.testing import TransportConformance

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "transport-author.md").read_text()
PLUGIN = ROOT / "examples" / "directory_transport"
BLOCKS = re.findall(r"^```(\w+)\n(?:# (\S+)\n)?(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)

QUOTED = [(name, code) for _, name, code in BLOCKS if (PLUGIN / (name or "none")).exists()]
RUNNING = [code for language, name, code in BLOCKS if language == "python" and not name]
TESTS = [(name, code) for _, name, code in BLOCKS if name.startswith("test_")]


def test_every_block_is_checked() -> None:
    assert len(BLOCKS) == len(QUOTED) + len(RUNNING) + len(TESTS)
    assert min(len(QUOTED), len(RUNNING), len(TESTS)) >= 1


@pytest.mark.parametrize(("name", "code"), QUOTED)
def test_quoted_code_is_in_the_plugin(name: str, code: str) -> None:
    assert code in (PLUGIN / name).read_text()


@pytest.mark.parametrize("code", RUNNING)
def test_code_runs(code: str) -> None:
    exec(compile(code, "transport-author.md", "exec"), {})


@pytest.mark.parametrize(("name", "code"), TESTS)
def test_the_test_module_passes(name: str, code: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(code)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "priorities or routes",
        name,
    ]
    run = [*command, "-W", "error", "-o", f"pythonpath={PLUGIN}"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 8


def test_every_capability_is_explained() -> None:
    for field in fields(Capabilities):
        assert f"| `{field.name}` |" in GUIDE


def test_every_figure_has_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+|True) \|", GUIDE, re.MULTILINE)
    figures = {name: value for name, value in rows if hasattr(TransportConformance, name)}
    assert len(figures) == 7
    for name, value in figures.items():
        assert getattr(TransportConformance, name) == (value == "True" or float(value))

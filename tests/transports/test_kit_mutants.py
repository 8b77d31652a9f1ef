"""The kit is worth something only if it fails: it must catch every broken class in mutants.py."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

MUTANTS_FILE = Path(__file__).with_name("mutants.py")


def load_mutants() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kit_mutants", MUTANTS_FILE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


mutants = load_mutants()


def run_kit(class_name: str, tests: set[str], folder: Path) -> dict[str, Counter[str]]:
    """Run tests of one class of mutants.py in a process of its own: names by what became of them."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", f"{MUTANTS_FILE}::{class_name}", "-q", f"--junitxml={report}"]
    command += ["-p", "no:cacheprovider", "-p", "no:xdist", "-k", " or ".join(tests)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    outcomes = {"passed": Counter[str](), "failure": Counter[str](), "error": Counter[str]()}
    for case in ET.parse(report).iter("testcase"):
        tags = {child.tag for child in case} & outcomes.keys()
        outcomes[tags.pop() if tags else "passed"][case.get("name", "").partition("[")[0]] += 1
    return outcomes


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.broken.__name__)
def test_mutant_is_caught(mutant: mutants.Mutant, tmp_path: Path) -> None:  # type: ignore[name-defined]  # loaded by path
    outcomes = run_kit(mutant.name, {"test_is_alive", mutant.telltale}, tmp_path)
    assert outcomes["failure"][mutant.telltale], f"the kit passed a broken store: {outcomes}"
    assert outcomes["passed"]["test_is_alive"] == 1, "the store is broken altogether, which proves nothing"
    assert not outcomes["error"]


def test_honest_store_passes_every_telltale(tmp_path: Path) -> None:
    telltales = {mutant.telltale for mutant in mutants.MUTANTS}
    outcomes = run_kit("TestHonest", telltales, tmp_path)
    assert telltales <= outcomes["passed"].keys()
    assert not outcomes["failure"]
    assert not outcomes["error"]


def test_at_least_ten_mutants_in_at_least_ten_themes() -> None:
    assert len(mutants.MUTANTS) >= 10
    assert len({mutant.theme for mutant in mutants.MUTANTS}) >= 10

"""The kit is worth something only if it fails: it must catch every broken class in mutants.py."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
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


#: Processes of pytest that share the mutants: starting one costs more than running a mutant.
GROUPS = 4

Outcomes = dict[tuple[str, str], set[str]]


def run_kit(tests: list[tuple[str, str]], folder: Path) -> Outcomes:
    """Run tests, each a class of mutants.py and a name, in a process of its own: what became of them."""
    report = folder / "report.xml"
    nodes = [f"{MUTANTS_FILE}::{class_name}::{test}" for class_name, test in tests]
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", "-p", "no:cacheprovider"]
    run = [*command, "-p", "no:xdist", *nodes]
    done = subprocess.run(run, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    outcomes: Outcomes = {}
    for case in ET.parse(report).iter("testcase"):
        test = (case.get("classname", "").rpartition(".")[2], case.get("name", "").partition("[")[0])
        outcomes.setdefault(test, set()).update({child.tag for child in case} or {"passed"})
    return outcomes


@pytest.mark.parametrize("group", range(GROUPS))
def test_mutants_are_caught(group: int, tmp_path: Path) -> None:
    chosen = mutants.MUTANTS[group::GROUPS]
    tests = [(mutant.name, test) for mutant in chosen for test in ("test_is_alive", mutant.telltale)]
    outcomes = run_kit(tests, tmp_path)
    missed = [mutant.name for mutant in chosen if "failure" not in outcomes[mutant.name, mutant.telltale]]
    assert not missed, "the kit passed these broken classes"
    dead = [mutant.name for mutant in chosen if outcomes[mutant.name, "test_is_alive"] != {"passed"}]
    assert not dead, "these are broken altogether, which proves nothing"


def test_honest_store_passes_every_telltale(tmp_path: Path) -> None:
    outcomes = run_kit([("TestHonest", mutant.telltale) for mutant in mutants.MUTANTS], tmp_path)
    assert {test for _, test in outcomes} == {mutant.telltale for mutant in mutants.MUTANTS}
    assert set().union(*outcomes.values()) == {"passed"}


def test_at_least_ten_mutants_in_at_least_ten_themes() -> None:
    assert len(mutants.MUTANTS) >= 10
    assert len({mutant.theme for mutant in mutants.MUTANTS}) >= 10

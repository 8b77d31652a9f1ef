"""Starting must be quick: `import cicely` and `cicely --help`, as multiples of `python -c pass`.

The promise is 60 ms and 80 ms on a machine where a bare interpreter takes about 12 ms; the ratio holds
on slower ones, too.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import pytest

RUNS = 15
BARE_MS = 12


def seconds(*arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=30)
    return time.perf_counter() - started


def ratio(*arguments: str) -> float:
    """Median of `arguments` over median of a bare interpreter, run in turn."""
    pairs = [(seconds(*arguments), seconds("-c", "pass")) for _ in range(RUNS)]
    return statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs)


@pytest.mark.alone
def test_import_cicely() -> None:
    assert ratio("-c", "import cicely") <= 60 / BARE_MS


@pytest.mark.alone
def test_import_of_what_a_producer_needs() -> None:
    assert ratio("-c", "from cicely import Cicely; Cicely('x').tasks") <= 150 / BARE_MS


@pytest.mark.alone
def test_help() -> None:
    assert ratio("-m", "cicely", "--help") <= 80 / BARE_MS


def test_import_cicely_loads_no_engine() -> None:
    engine = ("msgspec", "click", "sqlite3", "cicely.app")
    code = f"import cicely, sys; print([name for name in {engine} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )
    assert found.stdout.strip() == "[]"

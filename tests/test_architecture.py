"""The house as design says: floors, no circles, no hidden state, files of a readable size.

Imports are read from the source with `ast`, so that lazy and type-only ones count, too.
"""

from __future__ import annotations

import ast
import statistics
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "cicely_transports": ROOT / "transports",
    "cicely": ROOT / "core",
    "cicely_worker": ROOT / "worker",
    "cicely_beat": ROOT / "beat",
}
#: What each floor may import of ours.
FLOORS = {
    "cicely_transports": set[str](),
    "cicely": {"cicely_transports"},
    "cicely_worker": {"cicely_transports", "cicely"},
    "cicely_beat": {"cicely_transports", "cicely"},
}
#: Drivers are found by entry point: nobody above names their modules.
DRIVERS = {"cicely_transports.memory", "cicely_transports.sqlite"}
MAX_LINES, MEDIAN_LINES = 400, 130
MUTABLE_CALLS = {"dict", "list", "set", "bytearray", "deque", "defaultdict", "WeakSet", "WeakValueDictionary"}


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package, source in PACKAGES.items():
        for path in sorted((source / package).rglob("*.py")):
            parts = path.relative_to(source).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_bytes())


def imports(name: str) -> set[str]:
    """Names of our modules that `name` imports, wherever in the file."""
    package = name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]
    found = set[str]()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = package.split(".")
                anchor = anchor[: len(anchor) - node.level + 1]
                base = ".".join([*anchor, base] if base else anchor)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                found.add(full if full in modules() else base)
    return {target for target in found if target in modules() and target != name}


def test_there_is_something_to_check() -> None:
    assert len(modules()) > 30
    assert "cicely_transports.message" in imports("cicely_transports.spi")


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_no_upward_import(package: str) -> None:
    allowed = FLOORS[package] | {package}
    wrong = [
        f"{name} imports {target}"
        for name in modules()
        if name.partition(".")[0] == package
        for target in imports(name)
        if target.partition(".")[0] not in allowed
    ]
    assert wrong == []


def test_drivers_are_named_by_nobody_above() -> None:
    wrong = [
        f"{name} imports {target}"
        for name in modules()
        if not name.startswith("cicely_transports")
        for target in imports(name)
        if any(target == driver or target.startswith(driver + ".") for driver in DRIVERS)
    ]
    assert wrong == []


def test_no_import_circle() -> None:
    """Depth-first search; a module met again on its own path closes a circle."""
    state: dict[str, str] = {}
    circles: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        state[name] = "open"
        for target in sorted(imports(name)):
            if state.get(target) == "open":
                circles.append(" -> ".join([*path[path.index(target) :], target]))
            elif target not in state:
                visit(target, [*path, target])
        state[name] = "done"

    for name in modules():
        if name not in state:
            visit(name, [name])
    assert circles == []


def test_file_sizes() -> None:
    lines = {name: path.read_text("utf-8").count("\n") for name, path in modules().items()}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}
    assert statistics.median(lines.values()) <= MEDIAN_LINES


def test_no_module_level_mutable_state() -> None:
    """Upper-case tables filled where they stand are constants; anything else belongs to an object."""
    wrong = []
    for name in modules():
        for node in tree(name).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            value = getattr(node, "value", None)
            call = getattr(
                getattr(value, "func", None), "id", getattr(getattr(value, "func", None), "attr", None)
            )
            mutable = isinstance(
                value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp
            )
            if not (mutable or call in MUTABLE_CALLS):
                continue
            wrong += [
                f"{name}: {target.id}"
                for target in targets
                if isinstance(target, ast.Name) and not target.id.isupper() and not target.id.startswith("__")
            ]
        wrong += [
            f"{name}: global {node.names}" for node in ast.walk(tree(name)) if isinstance(node, ast.Global)
        ]
    assert wrong == []

"""From the text of ``-A`` to the app, with an answer to every way in which it can go wrong."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import tomllib
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from cicely.app import Cicely
from cicely_transports.near import did_you_mean

SAMPLE = """    from cicely import Cicely
    app = Cicely("proj")
    # then: cicely -A proj worker"""

#: Submodules that hold the app by convention, tried in this order.
CONVENTIONAL = ("app", "cicely", "celery")


def find_app(name: str | None, *, default_allowed: bool = False) -> Cicely:
    """The app called ``name`` (``module``, ``module:attribute``, ``package``, ``path/file.py``).

    Without a name: ``$CICELY_APP``, ``$CELERY_APP``, ``[tool.cicely] app`` in pyproject.toml; else, if
    ``default_allowed``, a bare app that only carries what the command line says.
    Raises click.UsageError that names the cause and the remedy.
    """
    name = name or os.environ.get("CICELY_APP") or os.environ.get("CELERY_APP") or _from_pyproject()
    if name:
        return _load(name)
    if default_allowed:
        return Cicely("cicely")
    raise click.UsageError(_no_app_text())


def _from_pyproject() -> str | None:
    path = Path("pyproject.toml")
    if not path.is_file():
        return None
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as exc:
        raise click.UsageError(f"{path.resolve()} cannot be read: {exc}") from exc
    found = table.get("tool", {}).get("cicely", {}).get("app")
    return str(found) if found else None


def _no_app_text() -> str:
    text = 'no app given: use -A MODULE, $CICELY_APP, or [tool.cicely] app = "MODULE" in pyproject.toml.'
    promising = sorted(path.stem for path in Path.cwd().glob("*.py") if _makes_an_app(path))
    if promising:
        return text + " In this directory: " + ", ".join(f"-A {stem}" for stem in promising)
    return text + " An app looks like this:\n" + SAMPLE


def _makes_an_app(path: Path) -> bool:
    """Does the file call ``Cicely(...)``? Parsed, never run."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return False
    return any(
        isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) == "Cicely"
        for node in ast.walk(tree)
    )


def _load(name: str) -> Cicely:
    target, _, attribute = name.partition(":")
    if target.endswith(".py") or "/" in target or os.sep in target:
        target = _module_of_path(target)
    module = _import(target)
    if attribute:
        found = _attribute(module, attribute)
        if isinstance(found, Cicely):
            return found
        raise click.UsageError(_no_such_attribute(module, attribute))
    apps = _apps_in(module)
    for conventional in CONVENTIONAL:
        if conventional in apps:
            return apps[conventional]
    if len(set(map(id, apps.values()))) == 1:
        return next(iter(apps.values()))
    if apps:
        raise click.UsageError(
            f"module '{module.__name__}' has several apps: choose one with "
            + " or ".join(f"-A {module.__name__}:{key}" for key in sorted(apps))
        )
    for conventional in CONVENTIONAL if hasattr(module, "__path__") else ():
        full = f"{module.__name__}.{conventional}"
        if importlib.util.find_spec(full) is not None:
            return _load(full)
    raise click.UsageError(
        f"module '{module.__name__}' ({module.__file__}) was imported, but has no Cicely app in it. "
        f"An app looks like this:\n{SAMPLE}"
    )


def _module_of_path(text: str) -> str:
    path = Path(text if text.endswith(".py") else text + ".py")
    if not path.is_file() and Path(text).is_dir():
        path = Path(text)
    if not path.exists():
        raise click.UsageError(f"-A {text}: no such file (current directory: {Path.cwd()})")
    resolved = path.resolve()
    sys.path.insert(0, str(resolved.parent))
    return resolved.stem


def _import(target: str) -> ModuleType:
    try:
        return importlib.import_module(target)
    except ModuleNotFoundError as exc:
        missing = exc.name or target
        if target == missing or target.startswith(missing + "."):
            raise click.UsageError(_no_such_module(target, missing)) from exc
        raise click.ClickException(
            f"importing '{target}' failed, because it imports '{missing}', which is not installed"
            f" (pip install {missing.partition('.')[0]}?)\n{_user_frames(exc)}"
        ) from exc
    except Exception as exc:
        raise click.ClickException(
            f"importing '{target}' failed: {type(exc).__name__}: {exc}\n{_user_frames(exc)}"
        ) from exc


def _no_such_module(target: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    here = Path(parent.replace(".", "/")) if parent else Path.cwd()
    names = [path.stem for path in here.glob("*.py")] + [
        path.parent.name for path in here.glob("*/__init__.py")
    ]
    hint = did_you_mean(last, sorted(set(names)))
    searched = f"searched from {Path.cwd()}; sys.path[0] is {sys.path[0]!r}"
    return f"-A {target}: there is no module '{missing}'{hint} ({searched})"


def _user_frames(exc: BaseException) -> str:
    """The traceback without the import machinery and without cicely's own frames."""
    own = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(exc.__traceback__)
        if not frame.filename.startswith(("<frozen", own))
        and not frame.filename.endswith("importlib/__init__.py")
    ]
    return "".join(traceback.format_list(frames)).rstrip()


def _attribute(module: ModuleType, path: str) -> Any:
    found: Any = module
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


def _apps_in(module: ModuleType) -> dict[str, Cicely]:
    return {key: value for key, value in vars(module).items() if isinstance(value, Cicely)}


def _no_such_attribute(module: ModuleType, attribute: str) -> str:
    apps = sorted(_apps_in(module))
    if attribute in vars(module):
        text = (
            f"'{module.__name__}:{attribute}' is a {type(vars(module)[attribute]).__name__}, not a Cicely app"
        )
    else:
        text = f"module '{module.__name__}' has no '{attribute}'{did_you_mean(attribute, apps)}"
    if apps:
        return text + "; apps in it: " + ", ".join(apps)
    return text + f"; there is no app in it. An app looks like this:\n{SAMPLE}"

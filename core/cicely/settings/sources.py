"""Where a configuration comes from: an object, a dict, an import path, the environment."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

from cicely.exceptions import ImproperlyConfigured
from cicely.utils.symbols import import_object

from .names import may_be_setting
from .table import TABLE

#: Names the module that configures an app which was given no other source.
CONFIG_MODULE = ("CICELY_CONFIG_MODULE", "CELERY_CONFIG_MODULE")


def entries(source: object, namespace: str | None = None) -> Mapping[str, Any]:
    """The names and values in ``source``: a mapping, an object, a class, a module or the path of one.

    Of an object only what can be a setting is evaluated: its other properties are none of our business.
    Raises ImproperlyConfigured if the path leads nowhere; what its import raises passes through.
    """
    if isinstance(source, str):
        source = _imported(source)
    if isinstance(source, Mapping):
        return source
    found = {}
    for name in dir(source):
        if name.startswith("_"):
            continue
        if may_be_setting(name, namespace):
            found[name] = getattr(source, name)
        elif namespace is None:
            found[name] = inspect.getattr_static(source, name, None)
    return found


def config_module(environ: Mapping[str, str] = os.environ) -> str | None:
    """The configuration module that the environment names."""
    return first(CONFIG_MODULE, environ)


def first(names: tuple[str, ...], environ: Mapping[str, str] = os.environ) -> str | None:
    """The value of the first variable that is set and not empty."""
    return next((environ[name] for name in names if environ.get(name)), None)


def from_environment(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The settings that environment variables override."""
    found = {}
    for row in TABLE.values():
        for variable in row.environment:
            if environ.get(variable):
                found[row.name] = row.parse(environ[variable], variable)
                break
    return found


def _imported(path: str) -> object:
    if path.endswith(".py"):
        raise ImproperlyConfigured(
            f"configuration {path!r} is a file name; give the module's name, {path.removesuffix('.py')!r}"
        )
    try:
        return import_object(path)
    except ModuleNotFoundError as exc:
        if exc.name is None or not (path == exc.name or path.startswith((exc.name + ".", exc.name + ":"))):
            raise
        raise ImproperlyConfigured(
            f"configuration module {path!r} was not found: there is no module {exc.name!r} on sys.path, "
            f"which has the current directory, {os.getcwd()!r}, only if something put it there"
        ) from exc
    except AttributeError as exc:
        raise ImproperlyConfigured(f"configuration {path!r} was not found: {exc}") from exc

"""Objects by import path."""

from __future__ import annotations

import importlib
from typing import Any

from cicely_transports.near import did_you_mean


def import_object(path: str) -> Any:
    """The object at ``package.module:attribute``, ``package.module.attribute`` or ``package.module``.

    Raises ModuleNotFoundError if there is no such module and AttributeError, with the near name, if the
    module has no such attribute. What importing it raises passes through.
    """
    module_name, colon, attribute = path.partition(":")
    if colon:
        return _attribute(importlib.import_module(module_name), attribute)
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as exc:
        parent, dot, attribute = path.rpartition(".")
        if not dot or exc.name != path:
            raise
    return _attribute(import_object(parent), attribute)


def _attribute(found: Any, path: str) -> Any:
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            where = getattr(found, "__name__", repr(found))
            raise AttributeError(
                f"{where} has no attribute {name!r}{did_you_mean(name, dir(found))}"
            ) from None
    return found

"""Do these arguments fit that function? Asked when a task is sent, not when it runs (features TK4)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _accept_anything(*args: Any, **kwargs: Any) -> None:
    pass


def argument_check(function: Callable[..., Any], name: str) -> Callable[..., None]:
    """A function with the parameters of ``function`` and an empty body.

    Calling it checks arguments at the speed of a call, and raises the TypeError that Python itself would
    raise, with ``name`` as the function's. Where the parameters cannot be known, it accepts anything.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return _accept_anything
    empty = inspect.Parameter.empty
    bare = [
        parameter.replace(annotation=empty, default=empty if parameter.default is empty else None)
        for parameter in signature.parameters.values()
    ]
    header = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    scope: dict[str, Any] = {}
    exec(f"def check{header}: pass", scope)  # names come from a compiled function's own parameters
    check: Callable[..., None] = scope["check"]
    check.__name__ = check.__qualname__ = name
    return check


def positional_capacity(function: Callable[..., Any]) -> float:
    """How many positional arguments ``function`` takes: infinite with ``*args``, 0 if it is unknown."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return float("inf")
    return sum(parameter.kind in _POSITIONAL for parameter in parameters)

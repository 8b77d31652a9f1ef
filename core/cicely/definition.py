"""Tasks made of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from cicely_transports.near import did_you_mean

from .exceptions import UnknownOption
from .task import Task

P = ParamSpec("P")
R = TypeVar("R")


def task_from_function(
    base: type[Task[..., Any]],
    function: Callable[P, R],
    *,
    name: str,
    bind: bool = False,
    **attributes: Any,
) -> Task[P, R]:
    """An unregistered task whose body is ``function``; ``bind`` passes the task as its first argument.

    ``attributes`` become those of the task. Raises UnknownOption for one that ``base`` does not have,
    naming the near one.
    """
    check_attributes(base, attributes)
    members = {
        **attributes,
        "name": name,
        "run": function if bind else staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__wrapped__": staticmethod(function),
    }
    kind: type[Task[P, R]] = type(function.__name__, (base,), members)
    return kind()


def check_attributes(base: type[Any], attributes: Mapping[str, Any]) -> None:
    """Raise UnknownOption, with the near name, for an attribute that tasks of class ``base`` do not have."""
    for name in attributes:
        if not hasattr(base, name):
            known = [known for known in dir(base) if not known.startswith("_")]
            raise UnknownOption(
                f"a task has no option {name!r}{did_you_mean(name, known)}. "
                "For attributes of your own, make a subclass of Task that has them, and pass it as base="
            )

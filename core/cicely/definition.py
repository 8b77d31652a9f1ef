"""Tasks that are defined before their app is ready: made when first used, or when the app is finalized."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from cicely_transports.near import did_you_mean

from .exceptions import UnknownOption
from .task import Task

if TYPE_CHECKING:
    from .settings.settings import Settings

_lock: Final = threading.RLock()

#: Options of the decorator that are no attributes of the task.
_DECORATOR: Final = ("name", "base", "bind")
_LATER: Final = {"pydantic": "validate in the body, Model.model_validate(argument)"}


class TaskOwner(Protocol):
    """What making a task asks of its app."""

    @property
    def conf(self) -> Settings: ...

    def make(self, function: Callable[..., Any], options: Mapping[str, Any]) -> Task[..., Any]:
        """A task that is not registered."""

    def adopt(self, task: Task[..., Any]) -> Task[..., Any]:
        """Bind and register a task."""


class Pending:
    """What ``@app.task`` returns until the task is needed.

    The object *becomes* the task: whoever holds it holds the real one afterwards, at no cost. It is made
    late so that the base class, the annotations and the configuration which the app is given after the
    decorator has run still count. :func:`pending_kind` joins it with the class that the task is to have, so
    that ``isinstance`` is right at all times.
    """

    def __init__(self, owner: TaskOwner, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
        _fields(self)["recipe"] = (owner, function, options)

    def __getattribute__(self, name: str) -> Any:
        return getattr(resolve(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(resolve(self), name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return resolve(self)(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(resolve(self))


def pending_kind(base: type[Task[..., Any]]) -> type[Any]:
    """The class of pending tasks that will be instances of ``base``."""
    return type("PendingTask", (Pending, base), {})


def is_pending(task: object) -> bool:
    """Whether a task has not been made yet."""
    return issubclass(type(task), Pending)


def _fields(task: object) -> dict[str, Any]:
    found: dict[str, Any] = object.__getattribute__(task, "__dict__")
    return found


def resolve(task: Any) -> Any:
    """Make a pending task real. One that is real already is left alone. Returns it."""
    if not is_pending(task):
        return task
    recipe = _fields(task).get("recipe")
    if recipe is not None:
        # Reading the configuration may import modules: not while others wait for the lock.
        recipe[0].conf.load()
    with _lock:
        if is_pending(task):
            _become(task)
    return task


def _become(task: Any) -> None:
    pending = type(task)
    fields = _fields(task)
    recipe = fields["recipe"]
    owner, function, options = recipe
    # Bound twice: annotations are on the class before anybody sees it, and what refers to the task itself
    # (its body with automatic retries) is made for the object that others hold.
    made = owner.make(function, options).bind(owner)
    del fields["recipe"]
    fields.update({name: value for name, value in made.__dict__.items() if name != "run"})
    object.__setattr__(task, "__class__", type(made))
    try:
        owner.adopt(task)
    except BaseException:
        object.__setattr__(task, "__class__", pending)
        fields.clear()
        fields["recipe"] = recipe
        raise


def task_from_function(
    base: type[Task[..., Any]], name: str, function: Callable[..., Any], options: Mapping[str, Any]
) -> Task[..., Any]:
    """An unregistered task whose body is ``function``; with ``bind`` the task is its first argument."""
    members = {option: value for option, value in options.items() if option not in _DECORATOR}
    members |= {
        "name": name,
        "run": function if options.get("bind") else staticmethod(function),
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
        "__wrapped__": staticmethod(function),
    }
    kind: type[Task[..., Any]] = type(function.__name__, (base,), members)
    return kind()


def check_definition(base: type[Any], function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Find mistakes where they are made, not when the task is first used.

    Raises UnknownOption, with the near name, for an option that tasks of class ``base`` do not have, and
    TypeError for what cannot be a task.
    """
    if not callable(function) or not hasattr(function, "__name__"):
        raise TypeError(f"a task is made of a function, not of {function!r}: wrap it in a def")
    for name in options:
        if name in _DECORATOR or hasattr(base, name):
            continue
        if name in _LATER:
            raise UnknownOption(f"the task option {name!r} is not in this version: {_LATER[name]}")
        known = [*_DECORATOR, *(known for known in dir(base) if not known.startswith("_"))]
        raise UnknownOption(
            f"a task has no option {name!r}{did_you_mean(name, known)}. For attributes of your own make a "
            "subclass of Task that has them, and pass it as base="
        )

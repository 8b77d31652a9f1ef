"""The tasks of one app, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from cicely_transports.near import near

from .exceptions import AlreadyRegistered, InvalidTaskError, NotRegistered

if TYPE_CHECKING:
    from .task import Task


class TaskRegistry(dict[str, "Task[..., Any]"]):
    """Tasks by name. Reading an unknown name raises NotRegistered, with the near name as its note."""

    def __missing__(self, name: str) -> NoReturn:
        error = NotRegistered(name)
        meant = near(name, self) if isinstance(name, str) else None
        if meant is not None:
            error.add_note(f"Did you mean {meant!r}?")
        raise error

    def register(self, task: Any) -> Task[..., Any]:
        """Add a task, or a task class, under its name.

        The same function or class again replaces the one that is there. Raises AlreadyRegistered for a
        different one and InvalidTaskError for a task without a name.
        """
        if inspect.isclass(task):
            task = task()
        if not task.name:
            raise InvalidTaskError(
                f"task class {type(task).__name__!r} must have a name: set its attribute name"
            )
        known = self.get(task.name)
        if known is not None and known is not task and not _same(_source(known), _source(task)):
            raise AlreadyRegistered(
                f"two different tasks are called {task.name!r}: {_place(_source(known))} and "
                f"{_place(_source(task))}. Rename one, or give it a name of its own: @app.task(name=...)"
            )
        self[task.name] = task
        return task  # type: ignore[no-any-return]  # a task by its name

    def unregister(self, task: Any) -> None:
        """Remove a task, given itself or its name. Raises NotRegistered."""
        name = getattr(task, "name", task)
        if name not in self:
            self.__missing__(name)
        del self[name]


def _source(task: Any) -> Callable[..., Any]:
    """What the user wrote: the decorated function, or the class."""
    source: Callable[..., Any] = getattr(task, "__wrapped__", None) or type(task)
    unwrapped: Callable[..., Any] = inspect.unwrap(source)
    return unwrapped


def _same(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    if one is other:
        return True
    if (one.__module__, one.__qualname__) != (other.__module__, other.__qualname__):
        return False
    code, new = getattr(one, "__code__", None), getattr(other, "__code__", None)
    if code is None or new is None:
        return code is new  # classes: their qualified name is all there is
    if _typed_in(new.co_filename):
        return True
    return bool((code.co_filename, code.co_firstlineno) == (new.co_filename, new.co_firstlineno))


def _typed_in(filename: str) -> bool:
    """Whether code comes from an interactive session, where a second definition means an improved one."""
    return filename.startswith("<") or "ipykernel_" in filename


def _place(source: Callable[..., Any]) -> str:
    code = getattr(source, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{source.__module__}.{source.__qualname__}{where}"

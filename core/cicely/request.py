"""What a running task knows about itself: ``task.request``, and which task runs here."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from cicely_transports.message import Properties

from .moments import from_wire


class Context:
    """The request of one run of a task (names of Celery's ``task.request``).

    Every field has a default, so that a task that is called like a function finds them too, with
    :attr:`called_directly` true. Custom message headers are in :attr:`headers` and, where no field
    has their name, readable as attributes.

    ``timelimit`` is ``[hard, soft]`` in seconds (wire-compat section 1.1). ``attempt`` counts the
    deliveries of this message, 1 for the first; ``queue`` is the queue that it came from.
    """

    id: str | None = None
    task: str | None = None
    args: Any = None
    kwargs: Any = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    retries: int = 0
    eta: str | None = None
    expires: str | None = None
    shadow: str | None = None
    lang: str | None = None
    origin: str | None = None
    utc: bool = True
    timelimit: Any = None
    ignore_result: bool = False
    root_id: str | None = None
    parent_id: str | None = None
    group: str | None = None
    group_index: int | None = None
    callbacks: list[Any] | None = None
    errbacks: list[Any] | None = None
    chain: list[Any] | None = None
    chord: Any = None
    taskset: str | None = None
    replaced_task_nesting: int = 0
    stamped_headers: list[str] | None = None
    stamps: Mapping[str, Any] | None = None
    headers: Mapping[str, Any] | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    delivery_info: Mapping[str, Any] | None = None
    queue: str | None = None
    attempt: int = 1
    hostname: str | None = None
    loglevel: int | None = None
    logfile: str | None = None
    is_eager: bool = False
    called_directly: bool = True
    message_properties: Properties | None = None
    _children: list[Any] | None = None
    #: Messages that go out when this run ends: the republished task of a retry.
    _deferred: tuple[Any, ...] = ()

    def __init__(self, *args: Mapping[str, Any], **fields: Any) -> None:
        for mapping in args:
            self.__dict__.update(mapping)
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        headers = self.__dict__.get("headers")
        if headers and name in headers:
            return headers[name]
        raise AttributeError(f"the request has no field and the message no header {name!r}")

    @property
    def children(self) -> list[Any]:
        """Results of what this run has sent; filled when the task has ``trail`` set."""
        if self._children is None:
            self._children = []
        return self._children

    @property
    def time_limit(self) -> float | None:
        """Hard time limit of this run in seconds."""
        return self.timelimit[0] if self.timelimit else None

    @property
    def soft_time_limit(self) -> float | None:
        """Soft time limit of this run in seconds."""
        return self.timelimit[1] if self.timelimit else None

    @property
    def properties(self) -> dict[str, Any]:
        """The message's properties as a map, without those that are not set."""
        found = self.message_properties
        if found is None:
            return {}
        known = {name: getattr(found, name) for name in Properties.__slots__ if name != "extra"}
        return {name: value for name, value in known.items() if value is not None} | dict(found.extra)

    def update(self, *args: Mapping[str, Any], **fields: Any) -> None:
        """Set fields."""
        self.__dict__.update(*args, **fields)

    def clear(self) -> None:
        """Set every field back to its default."""
        self.__dict__.clear()

    def get(self, name: str, default: Any = None) -> Any:
        """A field by name, or ``default``."""
        return getattr(self, name, default)

    def as_execution_options(self) -> dict[str, Any]:
        """The publish options that send this very task again."""
        return {
            "task_id": self.id,
            "root_id": self.root_id,
            "parent_id": self.parent_id,
            "group_id": self.group,
            "group_index": self.group_index,
            "shadow": self.shadow,
            "chord": self.chord,
            "chain": self.chain,
            "link": self.callbacks,
            "link_error": self.errbacks,
            "expires": from_wire(self.expires) if isinstance(self.expires, str) else self.expires,
            "time_limit": self.time_limit,
            "soft_time_limit": self.soft_time_limit,
            "headers": self.headers,
            "retries": self.retries,
            "reply_to": self.reply_to,
            "replaced_task_nesting": self.replaced_task_nesting,
            "origin": self.origin,
            "ignore_result": self.ignore_result,
            "priority": (self.delivery_info or {}).get("priority"),
            "stamped_headers": self.stamped_headers,
            **(self.stamps or {}),
        }

    def __repr__(self) -> str:
        return f"<Context: {self.__dict__!r}>"


class Running:
    """One entry of the stack of running tasks: a task, its request, and what it interrupted."""

    __slots__ = ("context", "entered", "previous", "task")

    def __init__(self, task: Any, context: Context, previous: Running | None) -> None:
        self.task = task
        self.context = context
        self.previous = previous
        #: A ``__call__`` that the user overrode may call the original: that is no nested call.
        self.entered = False


#: The innermost task that runs in this thread, greenlet or asyncio task.
running_task: Final[ContextVar[Running | None]] = ContextVar("cicely_running_task", default=None)


def push(task: Any, context: Context) -> Running:
    """Make ``task`` the one that runs here."""
    entry = Running(task, context, running_task.get())
    running_task.set(entry)
    return entry


def pop() -> Context | None:
    """Undo the last :func:`push`. Returns its request, None when nothing runs."""
    entry = running_task.get()
    if entry is None:
        return None
    running_task.set(entry.previous)
    return entry.context


def request_of(task: Any) -> Context | None:
    """The request of the innermost run of ``task`` here."""
    entry = running_task.get()
    while entry is not None:
        if entry.task is task:
            return entry.context
        entry = entry.previous
    return None


def executing() -> Running | None:
    """The innermost task here that came as a message: the parent of what is sent now."""
    entry = running_task.get()
    while entry is not None and entry.context.called_directly:
        entry = entry.previous
    return entry


class RequestStack:
    """The stack as one task sees it (``task.request_stack``)."""

    __slots__ = ("_task",)

    def __init__(self, task: Any) -> None:
        self._task = task

    @property
    def top(self) -> Context | None:
        """The request of the innermost run of the task."""
        return request_of(self._task)

    def push(self, context: Context) -> None:
        """Make ``context`` the request of a run that begins now."""
        push(self._task, context)

    def pop(self) -> Context | None:
        """End the innermost run."""
        return pop()

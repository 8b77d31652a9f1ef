"""The app: configuration, tasks, and the way to broker and results."""

from __future__ import annotations

import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

from cicely_transports.near import did_you_mean

from . import sending
from .addresses import Addresses
from .batch import send_many
from .canvas.signature import Signature, signature
from .clock import Clock
from .connected import Connected
from .current import apps
from .definition import check_definition, pending_kind, resolve, task_from_function
from .exceptions import CicelyWarning, ImproperlyConfigured, UnknownOption
from .loader import Loader, Packages, autodiscover
from .naming import task_name
from .queues import Queues
from .registry import TaskRegistry
from .request import running_task
from .result import AsyncResult, GroupResult
from .routes import Router
from .settings.names import setting_name
from .settings.settings import Settings
from .settings.table import TABLE
from .task import Task as BaseTask
from .utils.dispatch import Signal
from .utils.symbols import import_object

P = ParamSpec("P")
R = TypeVar("R")
AnyTask = BaseTask[..., Any]

_PARAMETERS = (
    "main",
    "broker",
    "backend",
    "include",
    "strict",
    "set_as_current",
    "config_source",
    "namespace",
)


class Cicely(Connected):
    """An application: what its producers, workers and tools share.

    ``main`` is the name of its main module: tasks of a module that is run as a program are named after it.
    ``broker`` and ``backend`` are URLs; without them an SQLite file of the user serves as both. ``include``
    are modules that the worker imports. ``strict`` makes unknown settings errors. Other keywords are
    settings, which are stronger than ``config_source`` (see :meth:`config_from_object`).

    May be used from several threads, and in processes that were forked from its own. Raises UnknownOption,
    with the near name, for a keyword that is no setting, and ImproperlyConfigured for a wrong value.
    """

    #: Base class of the app's tasks, or its import path.
    task_cls: str | type[AnyTask] = BaseTask

    def __init__(
        self,
        main: str | None = None,
        *,
        broker: str | Sequence[str] | None = None,
        backend: str | None = None,
        include: str | Iterable[str] | None = None,
        strict: bool = False,
        set_as_current: bool = True,
        config_source: object = None,
        namespace: str | None = None,
        task_cls: str | type[AnyTask] | None = None,
        autofinalize: bool = True,
        changes: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.main = main
        self.autofinalize = autofinalize
        if task_cls is not None:
            self.task_cls = task_cls
        self.on_configure = Signal(name="app.on_configure")
        self.on_after_configure = Signal({"source"}, name="app.on_after_configure")
        self.on_after_finalize = Signal(name="app.on_after_finalize")
        self.on_after_fork = Signal(name="app.on_after_fork")
        self.conf = Settings(
            strict=strict,
            before=lambda: self.on_configure.send(self),
            after=lambda: self.on_after_configure.send(self, source=self.conf),
        )
        self._include = [include] if isinstance(include, str) else list(include or ())
        given = {"broker_url": broker, "result_backend": backend, **(changes or {}), **settings}
        for name, value in given.items():
            if name in settings and setting_name(name) is None:
                known = [*TABLE, *_PARAMETERS]
                raise UnknownOption(f"Cicely() has no option or setting {name!r}{did_you_mean(name, known)}")
            if value is not None or name in settings:
                self.conf[name] = value
        if config_source is not None:
            self.conf.from_object(config_source, namespace=namespace)
        self.queues = Queues(self.conf)
        self.router = Router(self.conf, self.queues)
        self.loader = Loader(self, lambda: [*self.conf.imports, *self.conf.include, *self._include])
        self._clock = Clock(self.conf)
        self._connect(Addresses(self.conf, main), self.conf, self.queues)
        self._tasks = TaskRegistry()
        self._task_base: type[AnyTask] | None = None
        self._pending: deque[AnyTask] = deque()
        self._pending_kinds: dict[type[AnyTask], type[Any]] = {}
        self._lock = threading.RLock()
        self._finalized = self._finalizing = False
        apps.born(self)
        if set_as_current:
            self.set_current()

    # --- configuration

    def config_from_object(
        self, obj: object, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> bool:
        """Configure from an object, class, module, dict, or the import path of one.

        It is read when a setting is first asked for, or now with ``force``. With ``namespace="CELERY"`` its
        names are ``CELERY_TASK_SERIALIZER`` and so on. ``silent`` ignores one that does not exist; then
        False is returned.
        """
        self.conf.from_object(obj, namespace=namespace)
        if not (silent or force):
            return True
        try:
            self.conf.load()
        except (ImproperlyConfigured, ImportError):
            if not silent:
                raise
            self.conf.from_object({})
            return False
        return True

    def config_from_envvar(self, variable_name: str, silent: bool = False, force: bool = False) -> bool:
        """:meth:`config_from_object` with the import path that an environment variable has."""
        path = os.environ.get(variable_name)
        if not path:
            if silent:
                return False
            raise ImproperlyConfigured(
                f"environment variable {variable_name!r} is not set: it must name the configuration module"
            )
        return self.config_from_object(path, silent=silent, force=force)

    def add_defaults(self, values: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Values for settings that nobody gives."""
        self.conf.add_defaults(values() if callable(values) else values)

    # --- tasks

    @property
    def Task(self) -> type[AnyTask]:  # noqa: N802 - the public name of Celery's API
        """The base class of this app's tasks, bound to it. May be assigned."""
        if self._task_base is None:
            cls = import_object(self.task_cls) if isinstance(self.task_cls, str) else self.task_cls
            self._task_base = type("Task", (cls,), {"bound_app": self, "__module__": cls.__module__})
        return self._task_base

    @Task.setter
    def Task(self, cls: type[AnyTask]) -> None:  # noqa: N802 - see above
        self._task_base = cls

    @overload
    def task(self, function: Callable[P, R], /) -> BaseTask[P, R]: ...

    @overload
    def task(self, **options: Any) -> Callable[[Callable[..., Any]], AnyTask]: ...

    def task(self, *args: Any, lazy: bool = True, shared: bool = False, **options: Any) -> Any:
        """Make a task of a function: ``@app.task`` or ``@app.task(name=..., bind=True, ...)``.

        ``name``: by default that of module and function. ``bind``: the task is the first argument of the
        function. ``base``: the class of the task. ``shared``: every app gets the task. Others are
        attributes of :class:`cicely.task.Task`. With ``lazy`` the task is made when it is first used.

        Raises UnknownOption, with the near name, for an attribute that tasks do not have, and
        AlreadyRegistered, when the task is made, if a different one has its name.
        """
        if len(args) > 1 or (args and not callable(args[0])):
            raise TypeError("app.task takes one function, and options by name: @app.task(name='proj.add')")

        def define(function: Callable[..., Any]) -> AnyTask:
            base = options.get("base") or self.Task
            check_definition(base, function, options)
            if shared:
                apps.share(lambda app: None if app is self else app.take(function, options))
            if base not in self._pending_kinds:
                self._pending_kinds[base] = pending_kind(base)
            task: AnyTask = self._pending_kinds[base](self, function, options)
            if lazy and not self._finalized:
                self._pending.append(task)
                return task
            return cast(AnyTask, resolve(task))

        return define(args[0]) if args else define

    def make(self, function: Callable[..., Any], options: Mapping[str, Any]) -> AnyTask:
        """A task of this app's kind that is not registered."""
        name = options.get("name") or self.gen_task_name(function.__name__, function.__module__)
        return task_from_function(options.get("base") or self.Task, name, function, options)

    def take(self, function: Callable[..., Any], options: Mapping[str, Any]) -> AnyTask:
        """Make a task and register it, now."""
        check_definition(options.get("base") or self.Task, function, options)
        return self.adopt(self.make(function, options))

    def adopt(self, task: AnyTask) -> AnyTask:
        """Bind and register a task. Raises AlreadyRegistered."""
        task.bind(self)
        return self._tasks.register(task)

    def register_task(self, task: Any, **options: Any) -> AnyTask:
        """Register an instance of a task class, or the class. ``options`` are set on it."""
        made: AnyTask = task() if isinstance(task, type) else task
        if not made.name:
            kind: type = type(made)
            made.name = self.gen_task_name(kind.__name__, kind.__module__)
        for name, value in options.items():
            setattr(made, name, value)
        return self.adopt(made)

    def gen_task_name(self, name: str, module: str) -> str:
        """The name of a task that is given none. To be overridden by those who want other names."""
        return task_name(self.main, name, module)

    @property
    def tasks(self) -> TaskRegistry:
        """Tasks by name. Finalizes the app."""
        if not self._finalized:
            self.finalize(auto=True)
        return self._tasks

    @property
    def finalized(self) -> bool:
        """Whether the tasks that were defined have been made."""
        return self._finalized

    def finalize(self, auto: bool = False) -> None:
        """Make all tasks that were defined, and take those that are shared. Done once.

        ``auto`` is for implied calls: raises RuntimeError when ``autofinalize`` is off.
        """
        with self._lock:
            if self._finalized or self._finalizing:
                return
            if auto and not self.autofinalize:
                raise RuntimeError("the app was made with autofinalize=False: call app.finalize() first")
            self._finalizing = True
            try:
                apps.equip(self)
                while self._pending:
                    resolve(self._pending[0])
                    self._pending.popleft()
                self._finalized = True
            finally:
                self._finalizing = False
        self.on_after_finalize.send(self)

    def autodiscover_tasks(
        self, packages: Packages = None, related_name: str | None = "tasks", force: bool = False
    ) -> None:
        """Import the modules called ``related_name`` of packages when the worker starts, or now (``force``).

        ``packages`` may be a function that returns them; None: the apps of Django.
        """
        if force:
            autodiscover(packages, related_name)
        else:
            self.loader.autodiscover(packages, related_name)

    # --- calling

    def send_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Send a task by its name, which need not be known here.

        ``options`` are those of :class:`cicely.options.Options`; those that the task itself has are not
        looked up. Raises as ``Task.apply_async`` does.
        """
        if self.conf.task_always_eager:
            warnings.warn(
                "task_always_eager has no effect on send_task, which does not need the task's code",
                CicelyWarning,
                stacklevel=2,
            )
        return sending.send_task(self, name, args, kwargs, options)

    def send_many(self, signatures: Iterable[Any]) -> list[AsyncResult]:
        """Send calls in one batch; returns their results in order. See :func:`cicely.batch.send_many`."""
        return send_many(self, signatures)

    def signature(self, *args: Any, **kwargs: Any) -> Signature:
        """A call of a task of this app as data; see :func:`cicely.canvas.signature`."""
        return signature(*args, **{"app": self, **kwargs})

    def AsyncResult(self, task_id: str, **options: Any) -> AsyncResult:  # noqa: N802 - Celery's public name
        """The result of the task with this id."""
        return AsyncResult(task_id, **{"app": self, **options})

    def GroupResult(self, *args: Any, **options: Any) -> GroupResult:  # noqa: N802 - Celery's public name
        """The result of a group."""
        return GroupResult(*args, **{"app": self, **options})

    # --- time

    @property
    def timezone(self) -> tzinfo:
        """The time zone of naive times and schedules."""
        return self._clock.timezone

    def now(self) -> datetime:
        """The present, aware, in the app's time zone."""
        return self._clock.now()

    def uses_utc_timezone(self) -> bool:
        """Whether the time zone is UTC."""
        return self.timezone is UTC

    # --- current app

    def close(self) -> None:
        """Close connections. The app is no longer the current one; it connects again if it is used."""
        super().close()
        apps.forget(self)

    def after_fork(self) -> None:
        """Let go of what belongs to the parent process; called in the child."""
        super().after_fork()
        if self.on_after_fork.receivers:
            self.on_after_fork.send(self)

    def set_current(self) -> None:
        """Make this the current app of the thread."""
        apps.set_current(self)

    def set_default(self) -> None:
        """Make this the current app of every thread that has none of its own."""
        apps.set_default(self)

    @property
    def current_task(self) -> AnyTask | None:
        """The task that runs here."""
        running = running_task.get()
        return None if running is None else cast(AnyTask, running.task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        origin, namespace = self.conf.source
        return _rebuild, (type(self), self.main, self._include, dict(self.conf.changes), origin, namespace)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.main or '__main__'} at {id(self):#x}>"


def _rebuild(
    cls: type[Cicely],
    main: str | None,
    include: list[str],
    changes: Any,
    origin: object,
    namespace: str | None,
) -> Cicely:
    return cls(
        main,
        include=include,
        changes=changes,
        config_source=origin,
        namespace=namespace,
        set_as_current=False,
    )


apps.install(lambda: Cicely("default", set_as_current=False))
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=apps.after_fork)

"""A task: what users define with ``@app.task`` or by subclassing, and call."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, ParamSpec, Self, TypeVar

from . import eager
from .arguments import argument_check
from .canvas.signature import Signature
from .exceptions import MaxRetriesExceededError, Retry
from .ports import default_app
from .recording import Recorder
from .request import Context, RequestStack, pop, push, request_of, running_task
from .result import AsyncResult, EagerResult
from .retry import retry, with_autoretry
from .sending import send_task
from .task_hooks import TaskHooks
from .task_settings import (
    CALL_OPTIONS,
    CARRIED,
    FROM_SETTINGS,
    FromSetting,
    annotations_for,
    check_attributes,
)

if TYPE_CHECKING:
    from .backends.spi import ResultBackend
    from .ports import App

P = ParamSpec("P")
R = TypeVar("R")


class Task(TaskHooks, Generic[P, R]):
    """Base class of all tasks. ``run`` is the body; an instance is called like it.

    Attributes made with FromSetting have the value of a setting unless the task has its own.

    ``throws``: exceptions that are expected, so that they are reported without a traceback. ``typing``:
    arguments are checked when the task is sent. ``trail``: results of tasks that it sends are kept as
    its children. ``max_retries``: None retries for ever. Times are in seconds.
    """

    MaxRetriesExceededError: ClassVar[type[Exception]] = MaxRetriesExceededError

    name: str = ""
    bound_app: App | None = None

    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    delivery_mode: int | str | None = None
    compression: str | None = None
    expires: float | datetime | None = None
    shadow: str | None = None
    throws: Sequence[type[BaseException]] = ()
    typing: bool = True
    trail: bool = True
    send_events: bool = True
    resultrepr_maxsize: int = 1024

    max_retries: int | None = 3
    default_retry_delay: float = 180
    autoretry_for: Sequence[type[Exception]] = ()
    dont_autoretry_for: Sequence[type[Exception]] = ()
    retry_kwargs: Mapping[str, Any] = {}
    retry_backoff: bool | float = False
    retry_backoff_max: float = 600
    retry_jitter: bool = True

    serializer: Any = FromSetting("task_serializer")
    priority: Any = FromSetting("task_default_priority")
    rate_limit: Any = FromSetting("task_default_rate_limit")
    time_limit: Any = FromSetting("task_time_limit")
    soft_time_limit: Any = FromSetting("task_soft_time_limit")
    track_started: Any = FromSetting("task_track_started")
    ignore_result: Any = FromSetting("task_ignore_result")
    store_errors_even_if_ignored: Any = FromSetting("task_store_errors_even_if_ignored")
    store_eager_result: Any = FromSetting("task_store_eager_result")
    acks_late: Any = FromSetting("task_acks_late")
    acks_on_failure_or_timeout: Any = FromSetting("task_acks_on_failure_or_timeout")
    acks_on_failure: Any = FromSetting("task_acks_on_failure", "acks_on_failure_or_timeout")
    acks_on_timeout: Any = FromSetting("task_acks_on_timeout", "acks_on_failure_or_timeout")
    reject_on_worker_lost: Any = FromSetting("task_reject_on_worker_lost")

    _options: tuple[int, Mapping[str, Any]] | None = None
    _check: Callable[..., None] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in FROM_SETTINGS & cls.__dict__.keys():
            if cls.__dict__[name] is None:
                delattr(cls, name)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__["_options"] = None

    def bind(self, app: App) -> Self:
        """Make the task belong to ``app``; done once, when it is registered. Returns itself.

        Applies ``task_annotations`` and puts the automatic retries around the body.
        """
        self.bound_app = app
        for name, value in annotations_for(self.name, app.conf.task_annotations):
            setattr(type(self), name, value)
        if self.autoretry_for and "run" not in self.__dict__:
            self.__dict__["run"] = with_autoretry(self, self.run)
        self._check = argument_check(self.run, self.name.rpartition(".")[2]) if self.typing else None
        return self

    # --- the body

    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The body of the task."""
        raise NotImplementedError(f"task {self.name} has no body: define run()")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the body here and now, as a function; ``request.called_directly`` is true inside."""
        entry = running_task.get()
        mine = entry is not None and not entry.entered and entry.task is self
        if entry is not None and mine:
            # An override of this method, called for a message, has called the original.
            entry.entered = True
            return self.run(*args, **kwargs)
        push(self, Context(args=args, kwargs=kwargs)).entered = True
        try:
            return self.run(*args, **kwargs)
        finally:
            pop()

    # --- calling

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult:
        """Send the task with these arguments. :meth:`apply_async` takes options as well."""
        return self.apply_async(args, kwargs)

    async def adelay(self, *args: P.args, **kwargs: P.kwargs) -> AsyncResult:
        """:meth:`delay` for coroutines: publishing does not hold up the event loop."""
        from asyncio import to_thread  # here, so that an app without coroutines starts without it

        return await to_thread(self.delay, *args, **kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult:
        """Send the task. Options are the fields of :class:`cicely.options.Options`.

        Returning means that the broker has stored the message durably. Raises TypeError for arguments
        that the body does not take, UnknownOption, EncodeError for arguments that cannot be written,
        OperationalError when the broker cannot be reached in time.
        """
        if self._check is not None:
            self._check(*(args or ()), **(kwargs or {}))
        app = self.bound_app or self.app
        if app.conf.task_always_eager:
            return self.apply(args, kwargs, **options)
        defaults = self.call_options()
        # A caller of this method hands over a list where a call has a tuple.
        merged = {**defaults, **{k: v for k, v in options.items() if v is not None}} if options else defaults
        return send_task(app, self.name, tuple(args or ()), kwargs, merged)

    def apply(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        throw: bool | None = None,
        **options: Any,
    ) -> EagerResult:
        """Run the task in this process, through the same code and serializers as in a worker.

        Retries run at once, without their delay. ``throw`` (default ``task_eager_propagates``) raises
        what the task raises.
        """
        app = self.bound_app or self.app
        given = {name: value for name, value in options.items() if value is not None}
        return eager.apply(
            app, self, tuple(args or ()), kwargs or {}, {**self.call_options(), **given}, throw=throw
        )

    def call_options(self) -> Mapping[str, Any]:
        """The publish options that the task's own attributes stand for."""
        app = self.bound_app or self.app
        version = app.conf.version
        known = self._options
        if known is not None and known[0] == version:
            return known[1]
        values = {name: getattr(self, name) for name in CALL_OPTIONS if not self.left_to_setting(name)}
        values |= {name: getattr(self, name) for name in CARRIED}
        options = {name: value for name, value in values.items() if value is not None}
        self.__dict__["_options"] = (version, options)
        return options

    def left_to_setting(self, name: str) -> bool:
        """Whether an attribute that may have the value of a setting has it."""
        if name in self.__dict__:
            return False
        return isinstance(
            next((base.__dict__[name] for base in type(self).__mro__ if name in base.__dict__), None),
            FromSetting,
        )

    # --- as data

    def signature(self, args: Sequence[Any] | None = None, *starargs: Any, **starkwargs: Any) -> Signature:
        """The call as data; arguments as of :class:`cicely.canvas.Signature`."""
        starkwargs.setdefault("app", self.app)
        return Signature(self, args, *starargs, **starkwargs)

    subtask = signature

    def s(self, *args: Any, **kwargs: Any) -> Signature:
        """The call with these arguments as data."""
        return self.signature(args, kwargs)

    def si(self, *args: Any, **kwargs: Any) -> Signature:
        """The same, ignoring further arguments that it is applied with."""
        return self.signature(args, kwargs, immutable=True)

    def signature_from_request(
        self,
        request: Context | None = None,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        queue: str | None = None,
        **options: Any,
    ) -> Signature:
        """The call that is running, as data."""
        request = self.request if request is None else request
        own = {name: value for name, value in request.as_execution_options().items() if value is not None}
        where = {"queue": queue or request.queue} if queue or request.queue else {}
        return self.signature(
            request.args if args is None else args,
            request.kwargs if kwargs is None else kwargs,
            options={**own, **where, **options},
        )

    # --- inside a running task

    @property
    def request(self) -> Context:
        """The request of this run; defaults when the task does not run here."""
        return request_of(self) or Context()

    @property
    def request_stack(self) -> RequestStack:
        """The runs of the task here, which may be nested."""
        return RequestStack(self)

    def push_request(self, *args: Mapping[str, Any], **fields: Any) -> None:
        """Pretend that the task runs with this request: for tests of a body."""
        push(self, Context(*args, **fields)).entered = True

    def pop_request(self) -> None:
        """Undo :meth:`push_request`."""
        pop()

    def retry(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: datetime | str | None = None,
        countdown: float | None = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """Run the task again, after ``countdown`` seconds, at ``eta``, or after ``default_retry_delay``.

        The new message goes out before the present one is settled. Raises Retry, to be let through
        (``throw=False`` returns it); when ``max_retries`` are used up, ``exc``, or MaxRetriesExceededError
        without one; Reject when the new message cannot be made. ``options`` as of :meth:`apply_async`.
        """
        return retry(
            self.app,
            self,
            self.request,
            args=args,
            kwargs=kwargs,
            exc=exc,
            throw=throw,
            eta=eta,
            countdown=countdown,
            max_retries=max_retries,
            **options,
        )

    def replace(self, sig: Any) -> NoReturn:
        """Let another call take the place of this one: comes with chains, groups and chords."""
        raise NotImplementedError(
            f"task {self.name} cannot be replaced yet: replace() comes with chains, groups and chords"
        )

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **_: Any
    ) -> None:
        """Store a state of your own with ``meta`` as its result, for ``AsyncResult.state`` and ``info``.

        Raises BackendStoreError, EncodeError for a ``meta`` that cannot be written, ValueError without id.
        """
        request = self.request
        task_id = task_id or request.id
        if not task_id:
            raise ValueError(f"update_state of {self.name} needs a task_id: the task runs without one here")
        if request.is_eager and not self.store_eager_result:
            return
        self.backend.put_many([Recorder(self.app).record(task_id, state or "", meta, request)])

    def send_event(self, type_: str, retry: bool = True, retry_policy: Any = None, **fields: Any) -> None:
        """Send a monitoring event. Without an event dispatcher, as in this version, nothing is sent."""

    def add_trail(self, result: Any) -> Any:
        """Note a result as a child of this run. Returns it."""
        if self.trail:
            self.request.children.append(result)
        return result

    def overrides(self, name: str) -> bool:
        """Whether the user has replaced the hook or method ``name``."""
        return name in self.__dict__ or getattr(type(self), name) is not getattr(Task, name)

    # --- where it belongs

    @property
    def app(self) -> App:
        """The task's app; the current one while it belongs to none."""
        return self.bound_app or default_app()

    @property
    def backend(self) -> ResultBackend:
        """The app's result backend."""
        return self.app.backend

    def AsyncResult(self, task_id: str, **options: Any) -> AsyncResult:  # noqa: N802 - Celery's public name
        """The result of an earlier call of this task."""
        return AsyncResult(task_id, app=self.app, task_name=self.name, **options)

    @property
    def __name__(self) -> str:
        kind: type = type(self)
        return kind.__name__

    def __reduce__(self) -> Any:
        return _find, (self.name, type(self).__module__)

    def __repr__(self) -> str:
        where = f" of {self.bound_app.main}" if self.bound_app is not None and self.bound_app.main else ""
        return f"<@task: {self.name}{where}>"


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


def _find(name: str, module: str) -> Any:
    """Unpickle a task: the one of that name in the current app."""
    app = default_app()
    if name not in app.tasks:
        importlib.import_module(module)
    return app.tasks[name]

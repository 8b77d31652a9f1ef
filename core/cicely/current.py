"""The current app, and tasks that are defined without one.

Nothing inside the engine imports this module except for the app itself: the engine is given its app.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar, overload

from . import ports
from .exceptions import ImproperlyConfigured
from .request import running_task
from .utils.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .task import Task

P = ParamSpec("P")
R = TypeVar("R")


class CurrentApp(ports.App, Protocol):
    """What this module asks of an app."""

    @property
    def finalized(self) -> bool:
        """Whether the app has taken its tasks already."""

    def take(self, function: Callable[..., Any], options: Mapping[str, Any]) -> Any:
        """Make a task and register it, now."""

    def after_fork(self) -> None:
        """Let go of what belongs to the parent process."""

    def gen_task_name(self, name: str, module: str) -> str:
        """The name of a task that is given none."""


class _Own(threading.local):
    app: CurrentApp | None = None


class Apps:
    """Which app is the current one, and what every app is to be given.

    The current app of a thread is the one last made current in it; else the default that was set; else
    the app last made current in any thread; else a new one, on the embedded broker.
    """

    def __init__(self) -> None:
        self._own = _Own()
        self._default: CurrentApp | None = None
        self._latest: CurrentApp | None = None
        self._make: Callable[[], CurrentApp] | None = None
        self._lock = threading.RLock()
        self._alive: weakref.WeakSet[CurrentApp] = weakref.WeakSet()
        self._shared: list[Callable[[CurrentApp], object]] = []

    def install(self, make: Callable[[], CurrentApp]) -> None:
        """Say how an app is made where one is needed and none exists."""
        self._make = make

    def get(self) -> CurrentApp:
        """The current app. Raises ImproperlyConfigured when there is none and none can be made."""
        app = self._own.app or self._default or self._latest
        return app if app is not None else self._make_default()

    def _make_default(self) -> CurrentApp:
        with self._lock:
            if self._default is None:
                if self._make is None:
                    raise ImproperlyConfigured("no app exists yet: make one with app = cicely.Cicely(...)")
                self._default = self._make()
            return self._default

    def set_current(self, app: CurrentApp | None) -> None:
        """Make an app the current one of this thread; None: none."""
        self._own.app = app
        if app is not None:
            self._latest = app

    def set_default(self, app: CurrentApp | None) -> None:
        """Make an app the current one of every thread that has none of its own."""
        self._default = app

    def forget(self, app: CurrentApp) -> None:
        """The app is closed: nobody is to get it any more who did not ask for it."""
        if self._own.app is app:
            self._own.app = None
        if self._default is app:
            self._default = None
        if self._latest is app:
            self._latest = None
        self._alive.discard(app)

    def born(self, app: CurrentApp) -> None:
        """Know a new app, so that it gets the shared tasks that are defined later."""
        self._alive.add(app)

    def share(self, give: Callable[[CurrentApp], object]) -> None:
        """Call ``give`` with every app: now with those that are finalized, with others when they are."""
        with self._lock:
            self._shared.append(give)
            ready = [app for app in self._alive if app.finalized]
        for app in ready:
            give(app)

    def after_fork(self) -> None:
        """Tell every app that this is a new process."""
        for app in list(self._alive):
            app.after_fork()

    def equip(self, app: CurrentApp) -> None:
        """Give an app that is being finalized everything that is shared."""
        with self._lock:
            shared = list(self._shared)
        for give in shared:
            give(app)


apps: Final = Apps()
ports.default_app.install(apps.get)

#: The current app, looked up on every use.
current_app: Any = Proxy(apps.get)


def get_current_app() -> Any:
    """The current app itself."""
    return apps.get()


def set_default_app(app: Any) -> None:
    """Make an app the current one of every thread that has none of its own."""
    apps.set_default(app)


def get_current_task() -> Any:
    """The task that runs here, None outside of tasks."""
    running = running_task.get()
    return None if running is None else running.task


#: The task that runs here, looked up on every use.
current_task: Any = Proxy(get_current_task)


@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def shared_task(**options: Any) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def shared_task(*args: Any, **options: Any) -> Any:
    """Define a task for every app, those of now and those to come: for libraries and Django apps.

    Takes what ``app.task`` takes and returns a stand-in for the current app's task. An unknown option is
    reported when an app takes the task.
    """
    if len(args) > 1 or (args and not callable(args[0])):
        raise TypeError("shared_task takes one function, and options by name: @shared_task(name='proj.add')")

    def define(function: Callable[..., Any]) -> Any:
        apps.share(lambda app: app.take(function, options))
        return _stand_in(function, options.get("name"))

    return define(args[0]) if args else define


def _stand_in(function: Callable[..., Any], name: str | None) -> Proxy:
    def find() -> Any:
        app = apps.get()
        return app.tasks[name or app.gen_task_name(function.__name__, function.__module__)]

    return Proxy(find)

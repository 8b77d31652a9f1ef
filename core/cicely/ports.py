"""What the engine asks of an app, of a task and of a result, so that nothing below imports them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from .exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from .backends.spi import ResultBackend
    from .publisher import Publisher
    from .queues import Queues
    from .request import Context
    from .routes import Router
    from .settings.settings import Settings


class TaskLike(Protocol):
    """A registered task, as the code that runs it sees it. The attributes are those of
    :class:`cicely.task.Task`, where they are explained.
    """

    name: str
    throws: Any
    trail: bool
    max_retries: int | None
    default_retry_delay: float
    acks_late: bool | None
    acks_on_failure: bool | None
    acks_on_timeout: bool | None
    track_started: bool | None
    ignore_result: bool | None
    store_errors_even_if_ignored: bool | None
    store_eager_result: bool | None
    resultrepr_maxsize: int

    @property
    def run(self) -> Callable[..., Any]:
        """The body."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None: ...
    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None: ...
    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None: ...
    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None: ...
    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
    ) -> None: ...
    def call_options(self) -> Mapping[str, Any]:
        """The publish options that the task's own attributes stand for."""

    def left_to_setting(self, name: str) -> bool:
        """Whether an attribute that may have the value of a setting has it."""

    def overrides(self, name: str) -> bool:
        """Whether the user has replaced the hook or method ``name``."""

    @property
    def request(self) -> Context:
        """The request of the innermost run of the task here."""


class App(Protocol):
    """The app, as everything below it sees it."""

    @property
    def main(self) -> str | None: ...
    @property
    def conf(self) -> Settings: ...
    @property
    def tasks(self) -> Mapping[str, Any]:
        """Tasks by name; an unknown name raises NotRegistered."""

    @property
    def backend(self) -> ResultBackend: ...
    @property
    def publisher(self) -> Publisher: ...
    @property
    def router(self) -> Router: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def oid(self) -> str:
        """Name of this process and thread: ``reply_to`` of what it sends."""

    def now(self) -> datetime:
        """The present, aware, in the app's time zone."""

    def finalize(self) -> None: ...


class DefaultApp:
    """Finds the app for what was made without one (``Signature("name")``, ``AsyncResult(id)``).

    The module that keeps the current app puts its look-up in here when it is imported, which happens
    before there can be any app.
    """

    __slots__ = ("_find",)

    def __init__(self) -> None:
        self._find: Callable[[], App] | None = None

    def install(self, find: Callable[[], App]) -> None:
        """Use ``find`` from now on."""
        self._find = find

    def __call__(self) -> App:
        """The current app. Raises ImproperlyConfigured when there cannot be one."""
        if self._find is None:
            raise ImproperlyConfigured(
                "no app exists yet: make one with app = cicely.Cicely(...), or pass it with app="
            )
        return self._find()


default_app = DefaultApp()

"""The result of one task as far as it is stored: state, value, and what else the record says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from . import states
from .backends.record import decode_record
from .ports import default_app
from .result_base import ResultBase, result_from_tuple

if TYPE_CHECKING:
    from .backends.spi import ResultBackend
    from .ports import App


class StoredResult(ResultBase):
    """What is known about the task ``id``.

    What a ready result says is remembered; everything else is asked anew each time.
    """

    __slots__ = (
        "__weakref__",
        "_app",
        "_backend",
        "_callbacks",
        "_meta",
        "id",
        "ignored",
        "parent",
        "task_name",
    )

    #: Set on results of tasks that store none: ``get()`` is None at once.
    ignored: bool

    def __init__(
        self,
        id: str,  # noqa: A002 - the public name of Celery's API
        backend: ResultBackend | None = None,
        task_name: str | None = None,
        app: App | None = None,
        parent: ResultBase | None = None,
    ) -> None:
        if not id:
            raise ValueError(f"a result needs the id of a task, not {id!r}")
        self.id = id
        self.task_name = task_name
        self.parent = parent
        self.ignored = False
        self._app = app
        self._backend = backend
        self._meta: dict[str, Any] | None = None
        self._callbacks: list[Callable[[], None]] | None = None

    # --- where

    @property
    def app(self) -> App:
        """The app; the current one if none was given."""
        return self._app if self._app is not None else default_app()

    @property
    def backend(self) -> ResultBackend:
        """The backend; the app's if none was given."""
        return self._backend if self._backend is not None else self.app.backend

    @property
    def task_id(self) -> str:
        """The same as ``id``."""
        return self.id

    @property
    def supports_native_join(self) -> bool:
        """Whether many results are read in one round trip: always."""
        return True

    # --- what is stored

    @property
    def state(self) -> str:
        """A name of :mod:`cicely.states` or a custom one. PENDING is what nothing is stored for."""
        status: str = self._read()["status"]
        return status

    status = state

    @property
    def result(self) -> Any:
        """The return value, the exception (FAILURE, RETRY, REVOKED), or what a custom state tells."""
        return self._read()["result"]

    info = result

    @property
    def traceback(self) -> str | None:
        """Text of the traceback of a failure or retry."""
        found: str | None = self._field("traceback")
        return found

    @property
    def date_done(self) -> datetime | None:
        """When the task ended, aware."""
        found = self._field("date_done")
        return datetime.fromisoformat(found) if isinstance(found, str) else found

    @property
    def children(self) -> Sequence[ResultBase] | None:
        """Results of what the task has sent; None when that is not known (yet)."""
        found = self._field("children")
        return None if found is None else [result_from_tuple(child, self._app) for child in found]

    @property
    def name(self) -> str | None:
        """Name of the task, with ``result_extended``; else what this object was made with."""
        return self._field("name") or self.task_name

    @property
    def args(self) -> Sequence[Any] | None:
        """Arguments of the call, with ``result_extended``."""
        found: Sequence[Any] | None = self._field("args")
        return found

    @property
    def kwargs(self) -> Mapping[str, Any] | None:
        """Keyword arguments of the call, with ``result_extended``."""
        found: Mapping[str, Any] | None = self._field("kwargs")
        return found

    @property
    def worker(self) -> str | None:
        """Node name of the worker, with ``result_extended``."""
        found: str | None = self._field("worker")
        return found

    @property
    def retries(self) -> int | None:
        """How often the task was retried, with ``result_extended``."""
        found: int | None = self._field("retries")
        return found

    @property
    def queue(self) -> str | None:
        """Routing key of the delivery, with ``result_extended``."""
        found: str | None = self._field("queue")
        return found

    def exists(self) -> bool:
        """Whether anything is stored now: tells a PENDING task from an id that nobody knows, once a
        worker has it (``task_track_started``) or it ended, and a result from one that expired.
        """
        return bool(self.backend.get_many((self.id,)))

    def ready(self) -> bool:
        """Whether the task ended: SUCCESS, FAILURE or REVOKED."""
        return self.state in states.READY_STATES

    def successful(self) -> bool:
        """Whether the task returned."""
        return self.state == states.SUCCESS

    def failed(self) -> bool:
        """Whether the task raised."""
        return self.state == states.FAILURE

    # --- forms

    def as_tuple(self) -> tuple[tuple[str, Any], None]:
        """``((id, parent), None)`` (wire-compat section 6.2)."""
        return (self.id, self.parent and self.parent.as_tuple()), None

    def as_list(self) -> list[str]:
        """The id, and those of the earlier steps of the chain."""
        return [self.id, *(node.id for node in self.ancestors())]

    def tasks(self) -> Iterable[ResultBase]:
        """Only this one."""
        return (self,)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StoredResult):
            return self.id == other.id
        return self.id == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.id}>"

    def __copy__(self) -> Self:
        return type(self)(self.id, self._backend, self.task_name, self._app, self.parent)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        made = type(self), (self.id, None, self.task_name, self._app, self.parent)
        return (*made, (None, {"ignored": True})) if self.ignored else made

    # --- inside

    def known(self) -> bool:
        """Whether this object knows the end of the task, so that nothing needs to be asked."""
        return self._meta is not None

    def learn(self, payload: bytes) -> dict[str, Any]:
        """Read a record that arrived; a ready one is remembered, and the callbacks of ``then`` run."""
        if self._app is None and self._backend is not None:
            meta = decode_record(payload)
        else:
            conf = self.app.conf
            accept = conf.result_accept_content or conf.accept_content
            meta = decode_record(payload, accept, serializer=conf.result_serializer)
        if meta["status"] in states.READY_STATES:
            self._meta = meta
            callbacks, self._callbacks = self._callbacks, None
            for callback in callbacks or ():
                callback()
        return meta

    def _read(self) -> dict[str, Any]:
        if self._meta is not None:
            return self._meta
        payload = self.backend.get_many((self.id,)).get(self.id)
        return self.learn(payload) if payload is not None else {"status": states.PENDING, "result": None}

    def _field(self, name: str) -> Any:
        return self._read().get(name)

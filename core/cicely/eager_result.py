"""The result of a task that was run on the spot by ``apply()``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from . import states
from .async_result import AsyncResult
from .result_errors import stored_exception


class EagerResult(AsyncResult):
    """What the task returned or raised. Nothing is stored, and no method waits."""

    __slots__ = ()

    def __init__(
        self,
        id: str,  # noqa: A002 - the public name of Celery's API
        ret_value: Any,
        state: str,
        traceback: str | None = None,
        name: str | None = None,
        *,
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        """``meta`` may add further fields of a record (wire-compat section 6.1)."""
        super().__init__(id, task_name=name)
        self._meta = {**(meta or {}), "status": state, "result": ret_value, "traceback": traceback}

    def ready(self) -> bool:
        """Always."""
        return True

    def exists(self) -> bool:
        """Always."""
        return True

    def get(
        self,
        timeout: float | None = None,
        propagate: bool = True,
        interval: float = 0.5,
        no_ack: bool = True,
        follow_parents: bool = True,
        callback: Callable[[str, Any], object] | None = None,
        on_message: Callable[[dict[str, Any]], object] | None = None,
        on_interval: Callable[[], object] | None = None,
        disable_sync_subtasks: bool = True,
    ) -> Any:
        """The return value; a failure is raised, or returned with ``propagate=False``.

        None when the task ended in another way (ignored, rejected). Options are as in AsyncResult.
        """
        state, value = self.state, self.result
        if state in states.PROPAGATE_STATES:
            if propagate:
                raise stored_exception(self.id, state, value)
        elif state != states.SUCCESS:
            value = None
        if callback is not None:
            callback(self.id, value)
        return value

    wait = get

    async def aget(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the same arguments as get()
        propagate: bool = True,
        *,
        follow_parents: bool = True,
    ) -> Any:
        """As :meth:`get`."""
        return self.get(propagate=propagate)

    def forget(self) -> None:
        """There is nothing to forget."""

    def revoke(self, *args: Any, **options: Any) -> None:
        """It has run; from now on it counts as revoked."""
        self._meta = {**(self._meta or {}), "status": states.REVOKED}

    def __copy__(self) -> Self:
        _, args = self.__reduce__()
        return type(self)(*args, meta=self._meta)

    def __reduce__(self) -> tuple[Any, ...]:
        meta = self._meta or {}
        return type(self), (self.id, meta.get("result"), self.state, meta.get("traceback"), self.task_name)

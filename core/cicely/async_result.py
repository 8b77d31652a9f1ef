"""The result of one task: waiting for it, and acting on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, ClassVar, Self

from . import exceptions, states
from .joins import refuse_to_block
from .result_base import KINDS
from .result_errors import RemoteTraceback, stored_exception, timeout_text
from .stored_result import StoredResult

#: Longest single wait, in seconds, so that signals are handled on every platform.
SLICE = 1.0

#: Pauses of a coroutine between two looks, in seconds: a tenth of the wait so far, within these bounds.
MIN_PAUSE, MAX_PAUSE = 0.001, 0.1


class AsyncResult(StoredResult):
    """The result of the task ``id``, stored or to come.

    ``backend`` or ``app`` say where; without either, the current app. What a ready result says is
    remembered; everything else is asked anew each time. Equal to other results of the same id, and to
    the id. Methods raise ImproperlyConfigured when no result backend is configured, BackendGetMetaError
    when it fails, and DecodeError, ContentDisallowed or SecurityError for a record that cannot be read.
    """

    __slots__ = ()

    TimeoutError: ClassVar[type[exceptions.TimeoutError]] = exceptions.TimeoutError

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
        """Wait until the task has ended, and return its value.

        A failure is raised (with ``propagate=False``: returned), and so is one of an earlier step of the
        chain, with ``follow_parents``. ``timeout`` is in seconds; None waits as long as it takes.
        ``on_message`` gets the record of every change of state; ``on_interval`` is called about every
        ``interval`` seconds meanwhile; ``callback`` gets id and value in the end. ``no_ack`` is accepted
        for Celery's sake.

        Raises TimeoutError, RuntimeError inside a task (``disable_sync_subtasks``), and TaskRevokedError
        for a task that was revoked or expired.
        """
        if self.ignored:
            return None
        if disable_sync_subtasks:
            refuse_to_block()
        if self._meta is None:
            self._wait(timeout, interval, follow_parents and propagate, on_message, on_interval)
        return self.maybe_throw(propagate=propagate, callback=callback)

    wait = get

    async def aget(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the same arguments as get()
        propagate: bool = True,
        *,
        follow_parents: bool = True,
    ) -> Any:
        """As :meth:`get`, for coroutines; ``await result`` is the same. May be used inside async tasks.

        Looks again and again, in a thread, at intervals of a tenth of the wait so far, 0.1 s at most: any
        number of coroutines may wait at once without a connection each.
        """
        if self.ignored:
            return None
        if self._meta is None:
            # Here and not above: an app that never awaits a result starts without loading asyncio.
            from asyncio import sleep, to_thread

            start = time.monotonic()
            targets = self._targets(follow_parents and propagate)
            get_many, ids = self.backend.get_many, list(targets)
            while not self._take(targets, await to_thread(get_many, ids), None):
                waited = time.monotonic() - start
                if timeout is not None and waited >= timeout:
                    raise self._timed_out(timeout)
                pause = min(max(waited / 10, MIN_PAUSE), MAX_PAUSE)
                await sleep(pause if timeout is None else min(pause, timeout - waited))
        return self.maybe_throw(propagate=propagate)

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.aget().__await__()

    def maybe_throw(
        self, propagate: bool = True, callback: Callable[[str, Any], object] | None = None
    ) -> Any:
        """The value as it is now. Raises the exception of a task that failed or was revoked."""
        meta = self._read()
        value, state = meta["result"], meta["status"]
        if propagate and state in states.PROPAGATE_STATES:
            text = meta.get("traceback")
            raise stored_exception(self.id, state, value).with_traceback(None) from (
                RemoteTraceback(text) if text else None
            )
        if callback is not None:
            callback(self.id, value)
        return value

    maybe_reraise = maybe_throw

    def then(
        self,
        callback: Callable[[Self], object],
        on_error: Callable[[BaseException], object] | None = None,
        weak: bool = False,
    ) -> Self:
        """Call ``callback(result)`` when this object learns that the task has ended.

        That is at once if it is known, else inside a later :meth:`get`, :meth:`ready` or the like: nothing
        runs in the background. ``on_error`` gets what ``callback`` raises. ``weak`` has no effect.
        """

        def call() -> None:
            try:
                callback(self)
            except Exception as error:
                if on_error is None:
                    raise
                on_error(error)

        if self._meta is not None:
            call()
        else:
            self._callbacks = [*(self._callbacks or ()), call]
        return self

    def forget(self) -> None:
        """Remove what is stored about the task, and about the earlier steps of its chain."""
        self._meta = None
        if self.parent is not None:
            self.parent.forget()
        self.backend.forget((self.id,))

    def revoke(
        self,
        connection: Any = None,
        terminate: bool = False,
        signal: str | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Tell the workers to drop the task, or with ``terminate`` to kill the process that runs it."""
        self._control().revoke(
            self.id, connection=connection, terminate=terminate, signal=signal, reply=wait, timeout=timeout
        )

    def revoke_by_stamped_headers(
        self,
        headers: Mapping[str, Any],
        connection: Any = None,
        terminate: bool = False,
        signal: str | None = None,
        wait: bool = False,
        timeout: float | None = None,
    ) -> None:
        """The same for all tasks that carry these stamps."""
        self._control().revoke_by_stamped_headers(
            headers, connection=connection, terminate=terminate, signal=signal, reply=wait, timeout=timeout
        )

    def _control(self) -> Any:
        control = getattr(self.app, "control", None)
        if control is None:
            raise NotImplementedError(
                "revoking needs app.control, the remote control, which this version of cicely does not have"
            )
        return control

    def _wait(
        self,
        timeout: float | None,
        interval: float,
        follow: bool,
        on_message: Callable[[dict[str, Any]], object] | None,
        on_interval: Callable[[], object] | None,
    ) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        longest = SLICE if on_interval is None else interval
        targets = self._targets(follow)
        with self.backend.watch(list(targets)) as watch:
            left = longest if timeout is None else timeout
            while not self._take(targets, watch.wait(max(min(left, longest), 0.0)), on_message):
                if on_interval is not None:
                    on_interval()
                if deadline is not None and timeout is not None:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise self._timed_out(timeout)

    def _targets(self, follow: bool) -> dict[str, StoredResult]:
        """What to watch, by id: this result and, to learn of their failure, the earlier steps."""
        targets: dict[str, StoredResult] = {self.id: self}
        for ancestor in self.ancestors() if follow else ():
            for node in ancestor.tasks():
                if isinstance(node, StoredResult):
                    targets.setdefault(node.id, node)
        return targets

    def _take(
        self,
        targets: Mapping[str, StoredResult],
        payloads: Mapping[str, bytes],
        on_message: Callable[[dict[str, Any]], object] | None,
    ) -> bool:
        """Whether the wait is over. Raises the failure of an earlier step."""
        for task_id, payload in payloads.items():
            meta = targets[task_id].learn(payload)
            if on_message is not None and task_id == self.id:
                on_message(meta)
        if self._meta is not None:
            return True
        for node in targets.values():
            if node is not self and node.known() and isinstance(node, AsyncResult):
                node.maybe_throw()
        return False

    def _timed_out(self, timeout: float) -> exceptions.TimeoutError:
        return exceptions.TimeoutError(timeout_text(self.id, self.task_name, self.state, timeout))


KINDS.task = AsyncResult

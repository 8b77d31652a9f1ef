"""Running one task message: the steps in their order, which is also the specification (wire-compat 1.8)."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from cicely_transports.errors import TransportError
from cicely_transports.near import did_you_mean
from cicely_transports.spi import Verdict

from . import endings, signals, states
from .attempt import Attempt, Plan, request_of_message
from .einfo import ExceptionInfo
from .exceptions import (
    Ignore,
    InvalidTaskError,
    NotRegistered,
    Reject,
    Retry,
    TaskRevokedError,
    WorkerShutdown,
    WorkerTerminate,
)
from .followups import FAILURE_HEADER, unsupported, with_details
from .outcome import Outcome
from .protocol import decode_task
from .recording import Recorder
from .reprs import saferepr
from .request import Running, running_task

if TYPE_CHECKING:
    import asyncio

    from cicely_transports.spi import Delivery

    from .ports import App

logger = logging.getLogger("cicely.execution")

Step = Callable[[Attempt], Outcome | None]


class Execution:
    """Runs messages of one app in this process. Any thread may run; each runs one task at a time.

    ``hostname`` is the node name of the worker. ``eager``: the caller of a task runs it on the spot.
    """

    def __init__(
        self,
        app: App,
        *,
        hostname: str,
        eager: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.app = app
        self.hostname = hostname
        self.eager = eager
        self.records = Recorder(app)
        self._clock = clock
        self._plans: dict[str, Plan] = {}
        self._local = threading.local()
        self._steps: tuple[Step, ...] = (
            self._decode,
            self._look_up,
            self._check,
            self._begin,
            self._call,
        )

    @cached_property
    def _tasks(self) -> Mapping[str, Any]:
        return self.app.tasks

    def run(self, delivery: Delivery, attempt: Attempt | None = None) -> Outcome:
        """Run the task of a message to its outcome.

        Whatever the task, its hooks or the message do becomes an outcome; only WorkerShutdown and
        WorkerTerminate pass through. Publishes and stores nothing but what the task itself asks for,
        and STARTED where ``track_started`` is set. What happened is left in ``attempt`` if one is given.
        """
        current = Attempt() if attempt is None else attempt
        current.delivery = delivery
        before = running_task.get()
        try:
            for step in self._steps:
                outcome = step(current)
                if outcome is not None:
                    return outcome
            raise AssertionError("the last step always has an outcome")
        except (WorkerShutdown, WorkerTerminate):
            raise
        except BaseException as exc:  # noqa: BLE001 - reported; a worker must survive whatever a task does
            return self._internal_error(current, exc)
        finally:
            running_task.set(before)
            if attempt is None:
                # The exception refers to frames that refer to the attempt: a circle that keeps both alive.
                current.retval = current.einfo = None

    # --- the steps; one that returns an outcome is the last

    def _decode(self, attempt: Attempt) -> Outcome | None:
        try:
            attempt.message = decode_task(attempt.delivery.message, self.app.conf.accept_content)
        except (InvalidTaskError, TransportError) as exc:
            signals.task_rejected.send(self, message=attempt.delivery.message, exc=exc)
            return self._refuse(attempt, exc, str(exc))
        return None

    def _look_up(self, attempt: Attempt) -> Outcome | None:
        message = attempt.message
        try:
            task = self._tasks[message.name]
        except KeyError:
            error = NotRegistered(message.name)
            signals.task_unknown.send(
                self, message=attempt.delivery.message, exc=error, name=message.name, id=message.id
            )
            hint = did_you_mean(message.name, self._tasks)
            return self._refuse(attempt, error, f"no task named {message.name!r} is registered here{hint}")
        plan = self._plans.get(message.name)
        if plan is None or plan.task is not task:
            plan = self._plans[message.name] = Plan(task)
        attempt.task, attempt.plan = task, plan
        return None

    def _check(self, attempt: Attempt) -> Outcome | None:
        """Refuse what would be lost, discard what has expired."""
        message = attempt.message
        if message.callbacks or message.chain or message.errbacks or message.chord:
            reason = unsupported(message)
            if reason is not None:
                return self._refuse(attempt, InvalidTaskError(reason), reason)
        if message.expires_at is not None and message.expires_at <= self._clock():
            return self._expired(attempt)
        return None

    def _begin(self, attempt: Attempt) -> None:
        app, task, message, plan = self.app, attempt.task, attempt.message, attempt.plan
        request = attempt.request = request_of_message(
            message, attempt.delivery, self.hostname, task, self.eager
        )
        entry = Running(task, request, running_task.get())
        entry.entered = not plan.own_call
        running_task.set(entry)
        attempt.begun = True
        if app.conf.task_track_started if plan.tracks is None else plan.tracks:
            endings.store_started(self.records, app, attempt)
        if signals.task_prerun.receivers:
            signals.task_prerun.send(
                task, task_id=message.id, task=task, args=message.args, kwargs=message.kwargs
            )

    def _call(self, attempt: Attempt) -> Outcome:
        records, plan, message = self.records, attempt.plan, attempt.message
        args = message.args
        attempt.started = time.monotonic()
        try:
            if message.custom is not None and FAILURE_HEADER in message.custom:
                args = with_details(args, message.custom[FAILURE_HEADER])
            if plan.before_start:
                attempt.task.before_start(message.id, args, message.kwargs)
            retval = plan.function(*args, **message.kwargs)
            if type(retval) is CoroutineType:
                retval = self._run_coroutine(retval)
        except (WorkerShutdown, WorkerTerminate):
            raise
        except Retry as exc:
            return endings.retried(self.app, records, attempt, exc)
        except Ignore:
            return endings.ignored(attempt)
        except Reject as exc:
            return endings.rejected(self.app, records, attempt, exc)
        except BaseException as exc:  # noqa: BLE001 - SystemExit and the like fail the task as well
            return endings.failed(self.app, records, attempt, exc)
        return endings.succeeded(self.app, records, attempt, retval)

    # --- what steps use

    def _expired(self, attempt: Attempt) -> Outcome:
        delivery, task = attempt.delivery, attempt.task
        if signals.task_revoked.receivers:
            request = request_of_message(attempt.message, delivery, self.hostname, task, self.eager)
            signals.task_revoked.send(task, request=request, terminated=False, signum=None, expired=True)
        error = attempt.retval = TaskRevokedError("expired")
        return self.abandon(
            delivery, error=error, state=states.REVOKED, verdict=Verdict.DONE, reason="expired"
        )

    def _refuse(self, attempt: Attempt, error: Exception, reason: str) -> Outcome:
        attempt.retval = error
        return self.abandon(
            attempt.delivery, error=error, state=states.FAILURE, verdict=Verdict.DEAD, reason=reason
        )

    def _internal_error(self, attempt: Attempt, exc: BaseException) -> Outcome:
        """Our own code, or a record that cannot be written: the message is kept as a dead letter."""
        logger.error("Running a message failed outside of the task", exc_info=exc)
        if attempt.begun and signals.task_internal_error.receivers:
            einfo = ExceptionInfo.of(exc, internal=True)
            request = attempt.request
            signals.task_internal_error.send(
                attempt.task,
                task_id=request.id,
                args=request.args,
                kwargs=request.kwargs,
                request=request,
                exception=exc,
                traceback=exc.__traceback__,
                einfo=einfo,
            )
        attempt.retval = exc
        reason = f"internal error: {saferepr(exc, 200)}"
        return self.abandon(
            attempt.delivery, error=exc, state=states.FAILURE, verdict=Verdict.DEAD, reason=reason
        )

    def _run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run it in this thread's event loop, which lives as long as the execution."""
        runner: asyncio.Runner | None = getattr(self._local, "runner", None)
        if runner is None:
            from asyncio import Runner  # here, so that an app without coroutines starts without it

            runner = self._local.runner = Runner()
        return runner.run(coroutine, context=contextvars.copy_context())

    # --- without running

    def abandon(
        self,
        delivery: Delivery,
        *,
        error: BaseException,
        state: str,
        verdict: Verdict,
        reason: str | None = None,
    ) -> Outcome:
        """The outcome of a message that is not run (any more), with everything that waits for it told.

        For a FAILURE the errbacks are sent, and the rest of its chain and the body of its chord fail with
        it. User code is not called; a body that cannot be decoded is told of by its headers alone. Never
        raises.
        """
        try:
            return endings.abandoned(
                self.app, self.records, delivery, self.hostname, error, state, verdict, reason
            )
        except Exception:
            logger.exception("The result of an abandoned message cannot be made")
            headers = delivery.message.headers
            task_id, name = str(headers.get("id") or ""), str(headers.get("task") or "")
            return Outcome(task_id, name, state, verdict, reason=reason, summary=saferepr(error, 200))

    def close(self) -> None:
        """Close the calling thread's event loop. Threads that ran async tasks call it before they end."""
        runner: asyncio.Runner | None = getattr(self._local, "runner", None)
        if runner is not None:
            self._local.runner = None
            runner.close()

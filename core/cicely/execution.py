"""Running one task message: the steps in their order, which is also the specification (wire-compat 1.8)."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Coroutine
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
from .reprs import saferepr
from .request import Context, pop, push

if TYPE_CHECKING:
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
        self._clock = clock
        self._plans: dict[str, Plan] = {}
        self._local = threading.local()
        self._steps: tuple[Step, ...] = (
            self._decode,
            self._look_up,
            self._check_supported,
            self._check_expired,
            self._begin,
            self._announce,
            self._call,
        )

    def run(self, delivery: Delivery) -> Outcome:
        """Run the task of a message to its outcome.

        Whatever the task, its hooks or the message do becomes an outcome; only WorkerShutdown and
        WorkerTerminate pass through. Publishes and stores nothing but what the task itself asks for,
        and STARTED where ``track_started`` is set.
        """
        attempt = Attempt(delivery)
        try:
            return self.attempt(attempt)
        finally:
            # The exception refers to frames that refer to the attempt: a circle that keeps both alive.
            attempt.retval = attempt.einfo = None

    def attempt(self, attempt: Attempt) -> Outcome:
        """As :meth:`run`, leaving what happened in ``attempt``."""
        try:
            for step in self._steps:
                outcome = step(attempt)
                if outcome is not None:
                    return outcome
            raise AssertionError("the last step always has an outcome")
        except (WorkerShutdown, WorkerTerminate):
            raise
        except BaseException as exc:  # noqa: BLE001 - reported; a worker must survive whatever a task does
            return self._internal_error(attempt, exc)
        finally:
            if attempt.request is not None:
                pop()

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
            task = self.app.tasks[message.name]
        except KeyError:
            error = NotRegistered(message.name)
            signals.task_unknown.send(
                self, message=attempt.delivery.message, exc=error, name=message.name, id=message.id
            )
            hint = did_you_mean(message.name, self.app.tasks)
            return self._refuse(attempt, error, f"no task named {message.name!r} is registered here{hint}")
        plan = self._plans.get(message.name)
        if plan is None or plan.task is not task:
            plan = self._plans[message.name] = Plan(task)
        attempt.task, attempt.plan = task, plan
        return None

    def _check_supported(self, attempt: Attempt) -> Outcome | None:
        message = attempt.message
        if message.callbacks or message.chain or message.errbacks or message.chord:
            reason = unsupported(message)
            if reason is not None:
                return self._refuse(attempt, InvalidTaskError(reason), reason)
        return None

    def _check_expired(self, attempt: Attempt) -> Outcome | None:
        expires_at = attempt.message.expires_at
        if expires_at is None or expires_at > self._clock():
            return None
        if signals.task_revoked.receivers:
            request = self._context(attempt)
            signals.task_revoked.send(
                attempt.task, request=request, terminated=False, signum=None, expired=True
            )
        error = TaskRevokedError("expired")
        return self.abandon(
            attempt.delivery, error=error, state=states.REVOKED, verdict=Verdict.DONE, reason="expired"
        )

    def _begin(self, attempt: Attempt) -> None:
        attempt.request = self._context(attempt)
        push(attempt.task, attempt.request).entered = not attempt.plan.own_call

    def _announce(self, attempt: Attempt) -> None:
        task, message = attempt.task, attempt.message
        if task.track_started and endings.keeps_result(self.app, attempt, error=False):
            # Nothing depends on it: a failure to store it must not keep the task from running.
            endings.guarded(
                "Storing STARTED", lambda: self.app.backend.put_many([endings.started(self.app, attempt)])
            )
        if signals.task_prerun.receivers:
            signals.task_prerun.send(
                task, task_id=message.id, task=task, args=message.args, kwargs=message.kwargs
            )

    def _call(self, attempt: Attempt) -> Outcome:
        app, plan, message = self.app, attempt.plan, attempt.message
        attempt.started = time.monotonic()
        try:
            if plan.before_start:
                attempt.task.before_start(message.id, message.args, message.kwargs)
            args = message.args
            if message.custom is not None and FAILURE_HEADER in message.custom:
                args = with_details(args, message.custom[FAILURE_HEADER])
            retval = plan.function(*args, **message.kwargs)
            if type(retval) is CoroutineType:
                retval = self._run_coroutine(retval)
        except (WorkerShutdown, WorkerTerminate):
            raise
        except Retry as exc:
            return endings.retried(app, attempt, exc)
        except Ignore:
            return endings.ignored(app, attempt)
        except Reject as exc:
            return endings.rejected(app, attempt, exc)
        except BaseException as exc:  # noqa: BLE001 - SystemExit and the like fail the task as well
            return endings.failed(app, attempt, exc)
        return endings.succeeded(app, attempt, retval)

    # --- what steps use

    def _context(self, attempt: Attempt) -> Context:
        message = attempt.message
        ignores = endings.ignores_result(message, attempt.task)
        return request_of_message(message, attempt.delivery, self.hostname, ignores, self.eager)

    def _refuse(self, attempt: Attempt, error: Exception, reason: str) -> Outcome:
        return self.abandon(
            attempt.delivery, error=error, state=states.FAILURE, verdict=Verdict.DEAD, reason=reason
        )

    def _internal_error(self, attempt: Attempt, exc: BaseException) -> Outcome:
        """Our own code, or a record that cannot be written: the message is kept as a dead letter."""
        logger.error("Running a message failed outside of the task", exc_info=exc)
        if attempt.request is not None and signals.task_internal_error.receivers:
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
        reason = f"internal error: {saferepr(exc, 200)}"
        return self.abandon(
            attempt.delivery, error=exc, state=states.FAILURE, verdict=Verdict.DEAD, reason=reason
        )

    def _run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run it in this thread's event loop, which lives as long as the execution."""
        runner: asyncio.Runner | None = getattr(self._local, "runner", None)
        if runner is None:
            runner = self._local.runner = asyncio.Runner()
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
            return endings.abandoned(self.app, delivery, self.hostname, error, state, verdict, reason)
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

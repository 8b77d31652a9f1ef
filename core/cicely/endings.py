"""How an attempt ends: hooks and signals in Celery's order, and the outcome (wire-compat 1.8, 12)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cicely_transports.errors import TransportError
from cicely_transports.spi import Verdict

from . import signals, states
from .attempt import Attempt, request_of_message
from .einfo import ExceptionInfo
from .exceptions import InvalidTaskError, Reject, Retry, WorkerShutdown, WorkerTerminate
from .followups import after_failure, after_success, dependents
from .outcome import Outcome
from .protocol import decode_task
from .recording import Recorder
from .reprs import saferepr
from .retry import plan_retry, too_often

if TYPE_CHECKING:
    from cicely_transports.spi import Delivery

    from .backends.spi import StoredRecord
    from .ports import App
    from .protocol import TaskMessage

logger = logging.getLogger("cicely.execution")

#: States whose tasks have not returned, so that after_return is not called.
_NOT_RETURNED = frozenset({states.IGNORED, states.REJECTED})


def succeeded(app: App, records: Recorder, attempt: Attempt, retval: Any) -> Outcome:
    """The body returned. It has failed after all if its result or its follow-ups cannot be written."""
    message, plan, request = attempt.message, attempt.plan, attempt.request
    attempt.runtime = time.monotonic() - attempt.started
    attempt.state, attempt.retval = states.SUCCESS, retval
    record = None
    try:
        if message.callbacks or message.chain:
            attempt.sends = after_success(app, request, retval)
        if records.enabled and not request.ignore_result:
            record = records.record(message.id, states.SUCCESS, retval, request)
    except (WorkerShutdown, WorkerTerminate):
        raise
    except BaseException as exc:  # noqa: BLE001 - whatever it is, it fails the task
        attempt.sends = []
        return failed(app, records, attempt, exc)
    if plan.on_success:
        guarded("on_success", attempt.task.on_success, retval, message.id, message.args, message.kwargs)
    if signals.task_success.receivers:
        signals.task_success.send(attempt.task, result=retval, runtime=attempt.runtime)
    return _finished(attempt, Verdict.DONE, record)


def failed(app: App, records: Recorder, attempt: Attempt, exc: BaseException) -> Outcome:
    """The body raised."""
    task, message, request = attempt.task, attempt.message, attempt.request
    einfo = _ended(attempt, states.FAILURE, exc)
    record = None
    if _keeps_error(records, attempt):
        record = records.record(message.id, states.FAILURE, exc, request, einfo.traceback)
    more = _of_dependents(records, message, states.FAILURE, exc, einfo.traceback)
    if message.errbacks:
        attempt.sends = after_failure(app, request, exc, einfo.traceback, here=True)
    guarded("on_failure", task.on_failure, exc, message.id, message.args, message.kwargs, einfo)
    if signals.task_failure.receivers:
        signals.task_failure.send(
            task,
            task_id=message.id,
            exception=exc,
            args=message.args,
            kwargs=message.kwargs,
            traceback=exc.__traceback__,
            einfo=einfo,
        )
    summary = saferepr(exc, task.resultrepr_maxsize)
    expected = isinstance(exc, tuple(task.throws))
    kept = task.acks_late and task.acks_on_failure is False
    return _finished(
        attempt,
        Verdict.DEAD if kept else Verdict.DONE,
        record,
        reason=f"the task failed, and acks_on_failure is off: {summary}" if kept else None,
        summary=summary,
        traceback=None if expected else einfo.traceback,
        more=more,
    )


def retried(app: App, records: Recorder, attempt: Attempt, answer: Retry) -> Outcome:
    """The task is to run again; the message for that was made by ``self.retry()``, or is made here."""
    task, message, request = attempt.task, attempt.message, attempt.request
    if answer.sig is None:
        if task.max_retries is not None and request.retries >= task.max_retries:
            spent = answer.exc or too_often(task, request, task.max_retries)
            return failed(app, records, attempt, spent)
        when = answer.when
        delay: dict[str, Any] = {"countdown": when} if isinstance(when, (int, float)) else {"eta": when}
        try:
            attempt.sends = [plan_retry(app, task, request, **delay)]
        except Exception as exc:  # noqa: BLE001 - the reason of the rejection
            return rejected(app, records, attempt, Reject(exc, requeue=False))
    einfo = _ended(attempt, states.RETRY, answer)
    record = None
    if _keeps_error(records, attempt):
        record = records.record(message.id, states.RETRY, answer.exc, request, einfo.traceback)
    guarded("on_retry", task.on_retry, answer.exc, message.id, message.args, message.kwargs, einfo)
    if signals.task_retry.receivers:
        signals.task_retry.send(task, request=request, reason=answer, einfo=einfo)
    return _finished(attempt, Verdict.DONE, record, summary=str(answer), traceback=einfo.traceback)


def ignored(attempt: Attempt) -> Outcome:
    """The task asked for nothing to be stored."""
    attempt.runtime = time.monotonic() - attempt.started
    attempt.state, attempt.retval = states.IGNORED, None
    return _finished(attempt, Verdict.DONE, None)


def rejected(app: App, records: Recorder, attempt: Attempt, answer: Reject) -> Outcome:
    """The task refused its message: back into the queue, or a dead letter that counts as a failure."""
    message, request = attempt.message, attempt.request
    einfo = _ended(attempt, states.REJECTED, answer)
    summary = saferepr(answer.reason, 200)
    if answer.requeue:
        return _finished(attempt, Verdict.RETURN, None, reason=f"rejected by the task: {summary}")
    record = None
    if _keeps_error(records, attempt):
        record = records.record(message.id, states.FAILURE, answer, request, einfo.traceback)
    more = _of_dependents(records, message, states.FAILURE, answer, einfo.traceback)
    if message.errbacks:
        attempt.sends = after_failure(app, request, answer, einfo.traceback, here=True)
    reason = f"rejected by the task: {summary}"
    return _finished(attempt, Verdict.DEAD, record, reason=reason, summary=summary, more=more)


def abandoned(
    app: App,
    records: Recorder,
    delivery: Delivery,
    hostname: str,
    error: BaseException,
    state: str,
    verdict: Verdict,
    reason: str | None,
) -> Outcome:
    """See :meth:`cicely.execution.Execution.abandon`."""
    message = _readable(app, delivery)
    summary = saferepr(error, 200)
    if message is None:
        headers = delivery.message.headers
        task_id = str(headers.get("id") or delivery.message.properties.correlation_id or "")
        name = str(headers.get("task") or "")
        kept: tuple[StoredRecord, ...] = ()
        if task_id and records.enabled and headers.get("ignore_result") is not True:
            kept = (records.record(task_id, state, error),)
        return Outcome(task_id, name, state, verdict, (), kept, reason=reason, summary=summary)
    task = app.tasks.get(message.name)
    request = request_of_message(message, delivery, hostname, task)
    kept = _of_dependents(records, message, state, error, None)
    if records.enabled and (
        not request.ignore_result or (task is not None and task.store_errors_even_if_ignored)
    ):
        kept = (records.record(message.id, state, error, request), *kept)
    sends = after_failure(app, request, error, None, here=False) if state == states.FAILURE else []
    return Outcome(
        message.id,
        message.name,
        state,
        verdict,
        tuple(sends),
        kept,
        reason=reason,
        summary=summary,
    )


def store_started(records: Recorder, app: App, attempt: Attempt) -> None:
    """Store that the task runs. Nothing depends on it: a failure must not keep the task from running."""
    request = attempt.request
    if records.enabled and not request.ignore_result:
        about = {"pid": os.getpid(), "hostname": request.hostname}
        record = records.record(attempt.message.id, states.STARTED, about, request)
        guarded("Storing STARTED", app.backend.put_many, [record])


def _keeps_error(records: Recorder, attempt: Attempt) -> bool:
    if not records.enabled:
        return False
    return not attempt.request.ignore_result or bool(attempt.task.store_errors_even_if_ignored)


def guarded(what: str, function: Callable[..., object], *args: Any) -> None:
    """Call a hook. What it raises is logged and changes nothing: the result is settled already."""
    try:
        function(*args)
    except (WorkerShutdown, WorkerTerminate):
        raise
    except BaseException as exc:
        logger.error("%s failed", what, exc_info=exc)


def _ended(attempt: Attempt, state: str, exc: BaseException) -> ExceptionInfo:
    """Note how the body ended; the first frame of the traceback is ours."""
    attempt.runtime = time.monotonic() - attempt.started
    attempt.state, attempt.retval = state, exc
    einfo = attempt.einfo = ExceptionInfo.of(exc, skip=1)
    return einfo


def _of_dependents(
    records: Recorder, message: TaskMessage, state: str, exc: BaseException, traceback: str | None
) -> tuple[StoredRecord, ...]:
    """Records of the tasks that cannot run any more: who waits for the end of a chain must learn of it."""
    if not (message.chain or message.chord) or not records.enabled:
        return ()
    return tuple(records.record(task_id, state, exc, None, traceback) for task_id in dependents(message))


def _readable(app: App, delivery: Delivery) -> TaskMessage | None:
    try:
        return decode_task(delivery.message, app.conf.accept_content)
    except (InvalidTaskError, TransportError):
        return None


def _finished(
    attempt: Attempt,
    verdict: Verdict,
    record: StoredRecord | None,
    *,
    reason: str | None = None,
    summary: str | None = None,
    traceback: str | None = None,
    more: tuple[StoredRecord, ...] = (),
) -> Outcome:
    """The last hook and signal, and the outcome."""
    task, message, state, retval = attempt.task, attempt.message, attempt.state, attempt.retval
    if attempt.plan.after_return and state not in _NOT_RETURNED:
        info = (state, retval, message.id, message.args, message.kwargs, attempt.einfo)
        guarded("after_return", task.after_return, *info)
    if signals.task_postrun.receivers:
        signals.task_postrun.send(
            task,
            task_id=message.id,
            task=task,
            args=message.args,
            kwargs=message.kwargs,
            retval=retval,
            state=state,
        )
    return Outcome(
        message.id,
        message.name,
        state,
        verdict,
        (*attempt.request._deferred, *attempt.sends),
        more if record is None else (record, *more),
        None,
        True,
        reason,
        attempt.runtime,
        saferepr(retval, task.resultrepr_maxsize) if summary is None else summary,
        traceback,
    )

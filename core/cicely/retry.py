"""Running a task again: ``self.retry()`` and the automatic retries of a task's options."""

from __future__ import annotations

import functools
import inspect
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cicely_transports.serialization import registry

from .exceptions import MaxRetriesExceededError, Reject, Retry, TaskPredicate
from .reprs import saferepr
from .sending import prepare

if TYPE_CHECKING:
    from cicely_transports.spi import Send

    from .ports import App, TaskLike
    from .request import Context


def plan_retry(
    app: App,
    task: TaskLike,
    request: Context,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    countdown: float | None = None,
    eta: datetime | str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Send:
    """The message that runs ``task`` once more: same id, one retry more, nothing published.

    It goes to the very queue that the running message came from, and keeps links, group, limits,
    stamps, headers, priority and expiry, unless ``options`` say otherwise (wire-compat section 1.8).
    Without ``countdown`` and ``eta`` the task's ``default_retry_delay`` counts.
    """
    if countdown is None and eta is None:
        countdown = task.default_retry_delay
    given = {name: value for name, value in request.as_execution_options().items() if value is not None}
    given["parent_id"] = request.id
    if request.message_properties is not None:
        given["serializer"] = _serializer(request.message_properties.content_type)
    if args is None and kwargs is None:
        # The caller may have hidden a secret with these.
        given.update(argsrepr=request.argsrepr, kwargsrepr=request.kwargsrepr)
    given.update(options or {})
    given.update(retries=request.retries + 1, countdown=countdown, eta=eta)
    rerouted = options and not options.keys().isdisjoint(("queue", "exchange", "routing_key"))
    _, send, _ = prepare(
        app,
        task.name,
        tuple(request.args if args is None else args),
        request.kwargs if kwargs is None else kwargs,
        given,
        to=None if rerouted or request.queue is None else ("", request.queue),
    )
    return send


def _serializer(content_type: str) -> str | None:
    """What the message was written in: its arguments may not fit into anything else."""
    return next((name for name in registry.names() if registry.content_type(name) == content_type), None)


def retry(
    app: App,
    task: TaskLike,
    request: Context,
    *,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    exc: BaseException | None = None,
    throw: bool = True,
    eta: datetime | str | None = None,
    countdown: float | None = None,
    max_retries: int | None = None,
    **options: Any,
) -> Retry:
    """See :meth:`cicely.task.Task.retry`."""
    if request.called_directly:
        # A function call has no message that could be sent again: the reason is all there is.
        raise exc or _handled() or Retry("Task can be retried")
    most = task.max_retries if max_retries is None else max_retries
    if most is not None and request.retries >= most:
        raise exc or too_often(task, request, most)
    exc = exc or _handled()
    if countdown is None and eta is None:
        countdown = task.default_retry_delay
    answer = Retry(
        exc=None if exc is None else saferepr(exc, 1000),
        when=countdown if eta is None else _moment(eta),
        is_eager=request.is_eager,
    )
    # Set afterwards: the constructor takes the repr of an exception, which may fail.
    answer.exc = exc
    try:
        send = plan_retry(
            app, task, request, args=args, kwargs=kwargs, countdown=countdown, eta=eta, options=options
        )
    except Exception as error:
        raise Reject(error, requeue=False) from error
    answer.sig = send
    request._deferred = (*request._deferred, send)
    if throw:
        raise answer
    return answer


def _moment(eta: datetime | str) -> datetime:
    return datetime.fromisoformat(eta) if isinstance(eta, str) else eta


def _handled() -> Exception | None:
    """The exception that the caller is in the middle of handling."""
    current = sys.exc_info()[1]
    return current if isinstance(current, Exception) else None


def too_often(task: TaskLike, request: Context, most: int) -> MaxRetriesExceededError:
    """The error for a task without retries left."""
    return MaxRetriesExceededError(
        f"{task.name}[{request.id}] was retried {most} times, which is its max_retries",
        task_args=request.args,
        task_kwargs=request.kwargs,
    )


def backoff(factor: float, retries: int, maximum: float, *, jitter: bool) -> float:
    """Seconds to wait: ``factor`` doubled with every retry, at most ``maximum``; jitter: up to that."""
    # A large power is a very large number before it is cut down to the maximum.
    seconds = min(maximum, factor * 2**retries) if retries < 64 else maximum
    if jitter:
        seconds = random.uniform(0, seconds)
    return max(0, seconds)


def with_autoretry(task: Any, run: Callable[..., Any]) -> Callable[..., Any]:
    """The body of ``task``, which is retried when it raises one of ``autoretry_for``."""
    wanted = tuple(task.autoretry_for)
    spared = tuple(task.dont_autoretry_for)

    def again(exc: Exception) -> Exception:
        if isinstance(exc, (TaskPredicate, *spared)):
            return exc
        options = dict(task.retry_kwargs)
        if task.retry_backoff:
            options["countdown"] = backoff(
                max(1.0, float(task.retry_backoff)),
                task.request.retries,
                task.retry_backoff_max,
                jitter=task.retry_jitter,
            )
        answer: Retry = task.retry(exc=exc, **{**options, "throw": False})
        return answer

    if inspect.iscoroutinefunction(run):

        @functools.wraps(run)
        async def run_async(*args: Any, **kwargs: Any) -> Any:
            try:
                return await run(*args, **kwargs)
            except wanted as exc:
                raise again(exc) from exc

        return run_async

    @functools.wraps(run)
    def run_again(*args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        except wanted as exc:
            raise again(exc) from exc

    return run_again

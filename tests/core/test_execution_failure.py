"""A task that does not return: failure, refusal by the task itself, and exceptions of every kind."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from cicely import Cicely, Task, signals, states
from cicely.backends.record import decode_record
from cicely.exceptions import Ignore, Reject, WorkerShutdown, WorkerTerminate
from cicely.execution import Execution
from cicely.protocol import encode_task
from cicely.testing.inprocess import Drain
from cicely_transports.spi import Delivery, Verdict


def delivery(name: str, *args: Any, **options: Any) -> Delivery:
    message = encode_task(name, "the-id", args, {}, **options)
    return Delivery("tag", "celery", message, 1, None, "", "celery")


class NoRepr(Exception):
    def __repr__(self) -> str:
        raise ValueError("no repr")

    __str__ = __repr__


class OddConstructor(Exception):
    def __init__(self, a: int, *, b: int) -> None:
        super().__init__(f"{a}-{b}")
        self.lock = object()


def recurse() -> None:
    recurse()


def leave() -> None:
    sys.exit(3)


def test_a_failure_is_stored_with_its_traceback(app: Cicely, drain: Drain) -> None:
    @app.task(name="fail")
    def fail() -> None:
        raise ValueError("boom", 42)

    result = fail.delay()
    outcome = drain.run_one()
    assert outcome is not None
    assert (outcome.state, outcome.verdict) == (states.FAILURE, Verdict.DONE)
    assert outcome.summary == "ValueError('boom', 42)"
    with pytest.raises(ValueError, match="boom"):
        result.get(timeout=1)
    text = result.traceback
    assert text is not None
    assert text == outcome.traceback
    assert "in fail" in text
    assert "execution.py" not in text


def raiser(exc: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise exc

    return body


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (raiser(NoRepr()), "NoRepr"),
        (raiser(OddConstructor(1, b=2)), "OddConstructor"),
        (raiser(KeyboardInterrupt()), "KeyboardInterrupt"),
        (raiser(MemoryError()), "MemoryError"),
        (raiser(ExceptionGroup("many", [ValueError(1)])), "ExceptionGroup"),
        (raiser(GeneratorExit()), "GeneratorExit"),
        (recurse, "RecursionError"),
        (leave, "SystemExit"),
    ],
)
def test_whatever_is_raised_fails_the_task_only(
    app: Cicely, drain: Drain, body: Callable[[], None], name: str
) -> None:
    task = app.task(name="any")(body)
    result = task.delay()
    outcome = drain.run_one()
    assert outcome is not None
    assert outcome.state == states.FAILURE
    record = decode_record(app.backend.get_many([result.id])[result.id])
    assert type(record["result"]).__name__ == name


@pytest.mark.parametrize("kind", [WorkerShutdown, WorkerTerminate])
def test_an_order_to_the_worker_passes_through(app: Cicely, kind: type[BaseException]) -> None:
    @app.task(name="stop")
    def stop() -> None:
        raise kind

    with pytest.raises(kind):
        Execution(app, hostname="w").run(delivery("stop"))
    assert app.current_task is None


def test_hooks_and_signals_in_order(app: Cicely, drain: Drain) -> None:
    seen: list[Any] = []

    class Noted(Task[..., Any]):
        def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
            seen.append(("on_failure", str(exc), einfo.type, "boom" in einfo.traceback))

        def after_return(
            self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
        ) -> None:
            seen.append(("after_return", status, str(retval)))

    @app.task(name="noted", base=Noted)
    def noted() -> None:
        raise ValueError("boom")

    def listen(signal: Any, sender: Any, **named: Any) -> None:
        seen.append((signal.name, sorted(named)))

    for signal in (signals.task_failure, signals.task_postrun):
        signal.connect(listen)
    try:
        noted.delay()
        drain.run_one()
    finally:
        for signal in (signals.task_failure, signals.task_postrun):
            signal.disconnect(listen)
    assert seen == [
        ("on_failure", "boom", ValueError, True),
        ("task_failure", ["args", "einfo", "exception", "kwargs", "task_id", "traceback"]),
        ("after_return", "FAILURE", "boom"),
        ("task_postrun", ["args", "kwargs", "retval", "state", "task", "task_id"]),
    ]


def test_before_start_may_fail_the_task(app: Cicely, drain: Drain) -> None:
    class Guarded(Task[..., Any]):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            raise PermissionError("not now")

    @app.task(name="guarded", base=Guarded)
    def guarded() -> None: ...

    result = guarded.delay()
    drain.run_one()
    assert isinstance(result.result, PermissionError)


def test_expected_failures_are_reported_without_traceback(app: Cicely, drain: Drain) -> None:
    @app.task(name="known", throws=(KeyError,))
    def known() -> None:
        raise KeyError("x")

    known.delay()
    outcome = drain.run_one()
    assert outcome is not None
    assert (outcome.state, outcome.traceback) == (states.FAILURE, None)


@pytest.mark.parametrize(("even", "stored"), [(False, False), (True, True)])
def test_errors_of_ignored_results(app: Cicely, drain: Drain, even: bool, stored: bool) -> None:
    @app.task(name="quiet", ignore_result=True, store_errors_even_if_ignored=even)
    def quiet() -> None:
        raise ValueError

    result = quiet.delay()
    drain.run_one()
    assert bool(app.backend.get_many([result.id])) is stored


def test_failed_messages_may_be_kept(app: Cicely, drain: Drain) -> None:
    @app.task(name="kept", acks_on_failure_or_timeout=False)
    def kept() -> None:
        raise ValueError("boom")

    result = kept.delay()
    drain.run_one()
    (letter,) = app.transport.dead_letters("celery")
    assert "acks_on_failure is off: ValueError('boom')" in letter.reason
    assert result.state == states.FAILURE


def test_ignore_stores_nothing(app: Cicely, drain: Drain) -> None:
    seen: list[str] = []

    class Noted(Task[..., Any]):
        def after_return(self, *_: Any) -> None:
            seen.append("after_return")

    @app.task(name="ignored", base=Noted)
    def ignored() -> None:
        raise Ignore

    result = ignored.delay()
    outcome = drain.run_one()
    assert outcome is not None
    assert (outcome.state, outcome.verdict, outcome.records) == (states.IGNORED, Verdict.DONE, ())
    assert result.state == states.PENDING
    assert seen == []


def test_reject_makes_a_dead_letter_and_a_failure(app: Cicely, drain: Drain) -> None:
    @app.task(name="rejected")
    def rejected() -> None:
        raise Reject("not mine", requeue=False)

    result = rejected.delay()
    outcome = drain.run_one()
    assert outcome is not None
    assert (outcome.state, outcome.verdict) == (states.REJECTED, Verdict.DEAD)
    (letter,) = app.transport.dead_letters("celery")
    assert letter.reason == "rejected by the task: 'not mine'"
    assert result.state == states.FAILURE
    assert isinstance(result.result, Reject)
    assert result.result.args == ("not mine", False)


def test_reject_with_requeue_returns_the_message(app: Cicely, drain: Drain) -> None:
    attempts: list[int] = []

    @app.task(name="rejected", bind=True)
    def rejected(self: Task[..., Any]) -> None:
        attempts.append(self.request.attempt)
        raise Reject("later", requeue=len(attempts) < 2)

    result = rejected.delay()
    outcome = drain.run_one()
    assert outcome is not None
    assert (outcome.verdict, outcome.records) == (Verdict.RETURN, ())
    assert result.state == states.PENDING
    drain.run_one()
    assert attempts == [1, 2]


def test_a_failed_attempt_leaves_no_circle_behind(app: Cicely) -> None:
    class Big:
        pass

    alive: list[weakref.ref[Big]] = []

    @app.task(name="big")
    def big() -> None:
        thing = Big()
        alive.append(weakref.ref(thing))
        raise ValueError

    execution = Execution(app, hostname="w")
    gc.collect()
    gc.disable()
    try:
        execution.run(delivery("big"))
        assert alive[0]() is None
    finally:
        gc.enable()


def test_an_error_of_our_own_keeps_the_message(
    app: Cicely, drain: Drain, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    class Unreadable(Task[..., Any]):
        @property
        def resultrepr_maxsize(self) -> int:  # type: ignore[override]  # breaks what follows the body
            raise LookupError("broken task class")

    def listen(**named: Any) -> None:
        seen.append(named["exception"])

    @app.task(name="unreadable", base=Unreadable)
    def unreadable() -> int:
        return 1

    signals.task_internal_error.connect(listen)
    try:
        result = unreadable.delay()
        outcome = drain.run_one()
    finally:
        signals.task_internal_error.disconnect(listen)
    assert outcome is not None
    assert (outcome.state, outcome.verdict) == (states.FAILURE, Verdict.DEAD)
    assert outcome.reason == "internal error: LookupError('broken task class')"
    assert isinstance(seen[0], LookupError)
    assert result.state == states.FAILURE
    assert "failed outside of the task" in caplog.text

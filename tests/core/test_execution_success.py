"""A task that returns: what it sees, what is recorded, what follows (wire-compat section 1.8)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cicely import Cicely, Task, signals, states
from cicely.backends.record import decode_record
from cicely.execution import Execution
from cicely.protocol import encode_task
from cicely.testing.inprocess import Drain
from cicely_transports.spi import Delivery, Verdict


def delivery(name: str, *args: Any, **options: Any) -> Delivery:
    message = encode_task(name, "the-id", args, {}, **options)
    return Delivery("tag", "celery", message, 1, None, "", "celery")


def test_from_call_to_result(app: Cicely, drain: Drain) -> None:
    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    result = add.delay(1, 2)
    assert result.state == states.PENDING
    outcome = drain.run_one()
    assert outcome is not None
    assert (outcome.task_id, outcome.task_name) == (result.id, "add")
    assert (outcome.state, outcome.verdict, outcome.summary) == (states.SUCCESS, Verdict.DONE, "3")
    assert outcome.runtime > 0
    assert result.get(timeout=1) == 3
    assert app.transport.sizes(["celery"])["celery"].leased == 0
    assert drain.run_one() is None


def test_the_request(app: Cicely, drain: Drain) -> None:
    seen: dict[str, Any] = {}

    @app.task(name="look", bind=True)
    def look(self: Task[..., Any], *args: int, **kwargs: int) -> None:
        request = self.request
        names = (
            "id task args kwargs retries root_id parent_id group group_index hostname is_eager queue attempt"
        )
        seen.update({name: getattr(request, name) for name in names.split()})
        seen.update(called_directly=request.called_directly, info=dict(request.delivery_info or {}))
        seen.update(headers=request.headers, time_limit=request.time_limit, custom=request.tenant)

    options = {"headers": {"tenant": "a"}, "time_limit": 9, "group_id": "g", "group_index": 1, "priority": 4}
    result = look.apply_async((1,), {"a": 2}, **options)
    drain.run_one()
    info = seen.pop("info")
    assert seen == {
        "id": result.id,
        "task": "look",
        "args": [1],
        "kwargs": {"a": 2},
        "retries": 0,
        "root_id": result.id,
        "parent_id": None,
        "group": "g",
        "group_index": 1,
        "hostname": "w1@here",
        "is_eager": False,
        "queue": "celery",
        "attempt": 1,
        "called_directly": False,
        "headers": {"tenant": "a"},
        "time_limit": 9,
        "custom": "a",
    }
    assert info == {"exchange": "", "routing_key": "celery", "priority": 4, "redelivered": False}
    assert look.request.called_directly


def test_a_task_called_inside_a_task_has_a_request_of_its_own(app: Cicely, drain: Drain) -> None:
    seen: list[bool] = []

    @app.task(name="both", bind=True)
    def both(self: Task[..., Any], again: bool) -> None:
        seen.append(self.request.called_directly)
        if again:
            self(False)
            seen.append(self.request.called_directly)

    both.delay(True)
    drain.run_one()
    assert seen == [False, True, False]


def test_an_overridden_call_sees_the_request_of_the_message(app: Cicely, drain: Drain) -> None:
    seen: list[Any] = []

    class Wrapped(Task[..., Any]):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            seen.append("before")
            return super().__call__(*args, **kwargs)

    @app.task(name="wrapped", base=Wrapped, bind=True)
    def wrapped(self: Task[..., Any]) -> None:
        seen.append(self.request.id)

    result = wrapped.delay()
    drain.run_one()
    assert seen == ["before", result.id]


def test_hooks_and_signals_in_order(app: Cicely, drain: Drain) -> None:
    seen: list[Any] = []

    class Noted(Task[..., Any]):
        def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
            seen.append(("before_start", args))

        def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
            seen.append(("on_success", retval))

        def after_return(
            self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any
        ) -> None:
            seen.append(("after_return", status, retval, einfo))

    @app.task(name="noted", base=Noted)
    def noted(x: int) -> int:
        seen.append("body")
        return x

    def listen(signal: Any, sender: Any, **named: Any) -> None:
        assert sender.name == "noted"
        seen.append((signal.name, sorted(named)))

    watched = (signals.task_prerun, signals.task_success, signals.task_postrun)
    for signal in watched:
        signal.connect(listen)
    try:
        noted.delay(1)
        drain.run_one()
    finally:
        for signal in watched:
            signal.disconnect(listen)
    assert seen == [
        ("task_prerun", ["args", "kwargs", "task", "task_id"]),
        ("before_start", [1]),
        "body",
        ("on_success", 1),
        ("task_success", ["result", "runtime"]),
        ("after_return", "SUCCESS", 1, None),
        ("task_postrun", ["args", "kwargs", "retval", "state", "task", "task_id"]),
    ]


def test_a_failing_hook_does_not_change_the_result(
    app: Cicely, drain: Drain, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Task[..., Any]):
        def on_success(self, *_: Any) -> None:
            raise SystemExit("in a hook")

    @app.task(name="fine", base=Broken)
    def fine() -> int:
        return 1

    result = fine.delay()
    drain.run_one()
    assert result.get(timeout=1) == 1
    assert "on_success failed" in caplog.text


def test_started_is_stored_when_tracked(app: Cicely, drain: Drain) -> None:
    seen: list[Any] = []

    @app.task(name="tracked", bind=True, track_started=True)
    def tracked(self: Task[..., Any]) -> None:
        found = self.AsyncResult(self.request.id or "")
        seen.append((found.state, found.info["hostname"]))

    tracked.delay()
    drain.run_one()
    assert seen == [(states.STARTED, "w1@here")]


def test_own_states(app: Cicely, drain: Drain) -> None:
    seen: list[Any] = []

    @app.task(name="progress", bind=True)
    def progress(self: Task[..., Any]) -> None:
        self.update_state(state="PROGRESS", meta={"done": 3})
        found = self.AsyncResult(self.request.id or "")
        seen.append((found.state, found.info))

    progress.delay()
    drain.run_one()
    assert seen == [("PROGRESS", {"done": 3})]


@pytest.mark.parametrize(
    ("own", "said", "stored"),
    [(False, None, True), (True, None, False), (False, True, False), (True, False, True)],
)
def test_results_are_stored_unless_somebody_said_not_to(
    app: Cicely, drain: Drain, own: bool, said: bool | None, stored: bool
) -> None:
    @app.task(name="maybe", ignore_result=own)
    def maybe() -> int:
        return 1

    result = maybe.apply_async(ignore_result=said)
    drain.run_one()
    assert bool(app.backend.get_many([result.id])) is stored


def test_a_caller_that_knows_only_the_name_leaves_it_to_the_task(app: Cicely, drain: Drain) -> None:
    @app.task(name="quiet", ignore_result=True)
    def quiet() -> int:
        return 1

    result = app.send_task("quiet")
    drain.run_one()
    assert app.backend.get_many([result.id]) == {}


def test_extended_records(app: Cicely, drain: Drain) -> None:
    app.conf.result_extended = True

    @app.task(name="ext")
    def ext(x: int, y: int) -> int:
        return x

    result = ext.apply_async((1,), {"y": 2}, stamped_headers=["color"], color="red", group_id="g")
    drain.run_one()
    record = decode_record(app.backend.get_many([result.id])[result.id])
    expected = {
        "name": "ext",
        "args": [1],
        "kwargs": {"y": 2},
        "worker": "w1@here",
        "retries": 0,
        "queue": "celery",
        "stamped_headers": ["color"],
        "color": "red",
        "group_id": "g",
        "children": [],
    }
    assert {name: record[name] for name in expected} == expected


def test_a_result_that_cannot_be_written_is_a_failure(app: Cicely, drain: Drain) -> None:
    @app.task(name="odd")
    def odd() -> object:
        return object()

    result = odd.delay()
    outcome = drain.run_one()
    assert outcome is not None
    assert (outcome.state, outcome.verdict) == (states.FAILURE, Verdict.DONE)
    assert result.state == states.FAILURE
    assert "object" in str(result.result)


def test_nothing_is_encoded_without_a_result_backend() -> None:
    with Cicely("none", broker="memory://none", set_as_current=False) as app:

        @app.task(name="odd")
        def odd() -> object:
            return object()

        outcome = Execution(app, hostname="w").run(delivery("odd"))
    assert outcome.state == states.SUCCESS
    assert outcome.records == ()


def test_coroutines_run_in_one_loop_per_thread(app: Cicely) -> None:
    loops: list[Any] = []

    @app.task(name="coro", bind=True)
    async def coro(self: Task[..., Any], x: int) -> Any:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return [x, self.request.id]

    execution = Execution(app, hostname="w")
    outcomes = [execution.run(delivery("coro", 1)) for _ in range(2)]
    assert [outcome.summary for outcome in outcomes] == ["[1, 'the-id']"] * 2

    def elsewhere() -> None:
        execution.run(delivery("coro", 1))
        execution.close()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert loops[0] is loops[1]
    assert loops[2] is not loops[0]
    execution.close()
    assert loops[0].is_closed()
    assert loops[2].is_closed()


@pytest.fixture
def chatty() -> Iterator[None]:
    def listen(**_: Any) -> None:
        raise ValueError("from a receiver")

    watched = (signals.task_prerun, signals.task_success, signals.task_postrun)
    for signal in watched:
        signal.connect(listen)
    yield
    for signal in watched:
        signal.disconnect(listen)


@pytest.mark.usefixtures("chatty")
def test_failing_receivers_do_no_harm(app: Cicely) -> None:
    @app.task(name="fine")
    def fine() -> int:
        return 1

    assert Execution(app, hostname="w").run(delivery("fine")).state == states.SUCCESS

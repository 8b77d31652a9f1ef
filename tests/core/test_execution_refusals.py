"""Messages that are not run: unreadable, unknown, expired, beyond this version, abandoned by the worker."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cicely import Cicely, Task, signals, states
from cicely.backends.record import decode_record
from cicely.exceptions import NotRegistered, TaskRevokedError, WorkerLostError
from cicely.execution import Execution
from cicely.outcome import Outcome
from cicely.protocol import encode_task
from cicely.testing.inprocess import Drain
from cicely_transports.message import Message, Properties
from cicely_transports.spi import Delivery, Send, Verdict

WIRE = Path(__file__).parent.parent / "wire"


def deliver(message: Message) -> Delivery:
    return Delivery("tag", "celery", message, 1, None, "", "celery")


def captured(name: str) -> Message:
    envelope = json.loads(json.loads((WIRE / f"{name}.json").read_text("utf-8"))["raw"])
    body = envelope["body"]
    raw = b64decode(body) if envelope["properties"].get("body_encoding") else body.encode()
    content_type = envelope.get("content-type", "application/data")
    return Message(raw, envelope["headers"], Properties(content_type, "utf-8"))


def error_of(outcome: Outcome) -> BaseException:
    found: BaseException = decode_record(outcome.records[0].payload)["result"]
    return found


@pytest.fixture
def execution(app: Cicely) -> Execution:
    @app.task(name="t.add")
    def add(x: int, y: int) -> int:
        return x + y

    return Execution(app, hostname="w")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tolerance-two-tuple", "2 items"),
        ("tolerance-kwargs-list", "no map"),
        ("tolerance-bad-eta", "eta cannot be read"),
        ("tolerance-no-ct", "no task message"),
        ("tolerance-garbage-body", "not application/json"),
        ("tolerance-pickle-ct", "is refused"),
    ],
)
def test_unreadable_messages_become_dead_letters_and_failures(
    execution: Execution, name: str, reason: str
) -> None:
    outcome = execution.run(deliver(captured(name)))
    assert (outcome.state, outcome.verdict) == (states.FAILURE, Verdict.DEAD)
    assert reason in (outcome.reason or "")
    assert outcome.task_id == name.removeprefix("tolerance-")
    assert reason in str(error_of(outcome))


def test_a_message_without_id_is_refused_without_record(execution: Execution) -> None:
    outcome = execution.run(deliver(captured("tolerance-no-id")))
    assert (outcome.verdict, outcome.records, outcome.task_name) == (Verdict.DEAD, (), "t.add")


def test_a_tolerated_message_runs(execution: Execution) -> None:
    assert execution.run(deliver(captured("tolerance-hybrid"))).summary == "3"


def test_an_unknown_task_names_the_near_one(execution: Execution) -> None:
    seen: list[Any] = []

    def listen(**named: Any) -> None:
        seen.append((named["name"], named["id"]))

    signals.task_unknown.connect(listen)
    try:
        outcome = execution.run(deliver(encode_task("t.ad", "x", (), {})))
    finally:
        signals.task_unknown.disconnect(listen)
    assert outcome.verdict is Verdict.DEAD
    assert outcome.reason == "no task named 't.ad' is registered here; did you mean 't.add'?"
    error = error_of(outcome)
    assert isinstance(error, NotRegistered)
    assert error.args == ("t.ad",)
    assert seen == [("t.ad", "x")]


def test_an_expired_task_is_revoked(app: Cicely, execution: Execution) -> None:
    seen: list[Any] = []

    def listen(sender: Any, **named: Any) -> None:
        seen.append((sender.name, named["request"].id, named["expired"], named["terminated"]))

    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    signals.task_revoked.connect(listen)
    try:
        outcome = execution.run(deliver(encode_task("t.add", "x", (1, 2), {}, expires=past)))
    finally:
        signals.task_revoked.disconnect(listen)
    assert (outcome.state, outcome.verdict, outcome.reason) == (states.REVOKED, Verdict.DONE, "expired")
    error = error_of(outcome)
    assert isinstance(error, TaskRevokedError)
    assert error.args == ("expired",)
    assert seen == [("t.add", "x", True, False)]


def test_a_task_that_expires_later_runs(execution: Execution) -> None:
    future = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    outcome = execution.run(deliver(encode_task("t.add", "x", (1, 2), {}, expires=future)))
    assert outcome.state == states.SUCCESS


def test_a_part_of_a_chord_is_refused_and_its_body_fails(execution: Execution) -> None:
    message = captured("canvas-chord2-0")
    outcome = execution.run(deliver(message))
    assert outcome.verdict is Verdict.DEAD
    assert "part of a chord" in (outcome.reason or "")
    body = json.loads(message.body)[2]["chord"]["options"]["task_id"]
    assert [record.task_id for record in outcome.records[1:]] == [body]


def test_what_cannot_be_started_afterwards_is_refused_before(execution: Execution) -> None:
    group = {"task": "celery.group", "args": [], "kwargs": {}, "options": {}, "subtask_type": "group"}
    body = [[1, 2], {}, {"callbacks": [group], "errbacks": None, "chain": None, "chord": None}]
    message = Message(
        json.dumps(body).encode(), {"task": "t.add", "id": "x"}, Properties("application/json", "utf-8")
    )
    outcome = execution.run(deliver(message))
    assert outcome.verdict is Verdict.DEAD
    assert outcome.reason == "a group follows it, which this version cannot start"


def abandon(execution: Execution, message: Message) -> Outcome:
    return execution.abandon(
        deliver(message),
        error=WorkerLostError("signal 9"),
        state=states.FAILURE,
        verdict=Verdict.DEAD,
        reason="lost",
    )


def test_abandoning_tells_the_errbacks_and_fails_the_chain(app: Cicely, drain: Drain) -> None:
    told: list[Any] = []

    @app.task(name="work")
    def work() -> None:
        raise AssertionError("must not run")

    @app.task(name="by_id")
    def by_id(task_id: str) -> None:
        told.append(("id", task_id))

    @app.task(name="by_details")
    def by_details(request: Any, exc: BaseException, traceback: str | None, more: str) -> None:
        told.append(("details", request.id, request.task, type(exc), exc.args, traceback, more))

    errbacks = [by_id.s(), by_details.s("more")]
    rest = [by_id.s().set(task_id="rest-1")]
    work.apply_async(task_id="x", link_error=errbacks, chain=rest, root_id="root")
    receiver = app.transport.receiver(["celery"], credit=1, lease=60)
    (found,) = receiver.receive(1, 1.0)
    outcome = abandon(Execution(app, hostname="w"), found.message)
    assert told == []
    assert isinstance(error_of(outcome), WorkerLostError)
    assert [record.task_id for record in outcome.records[1:]] == ["rest-1"]
    for send in outcome.sends:
        assert send.message.headers["parent_id"] == "x"
        assert send.message.headers["root_id"] == "root"
    app.publisher.publish(outcome.sends)
    drain.run_all()
    assert sorted(told) == [
        ("details", "x", "work", WorkerLostError, ("signal 9",), None, "more"),
        ("id", "x"),
    ]


def test_abandoning_respects_ignored_results(app: Cicely) -> None:
    execution = Execution(app, hostname="w")
    outcome = abandon(execution, encode_task("gone", "x", (), {}, ignore_result=True))
    assert outcome.records == ()


@pytest.mark.parametrize(
    "message",
    [
        Message(b"\xff\x00", {"task": "t", "id": "x"}, Properties("application/json", "utf-8")),
        Message(b"[]", {"task": ["t"], "id": {}}, Properties("application/json", "utf-8")),
        Message(b"", {}, Properties("no/such")),
    ],
)
def test_abandoning_never_raises(app: Cicely, message: Message) -> None:
    outcome = abandon(Execution(app, hostname="w"), message)
    assert (outcome.verdict, outcome.reason) == (Verdict.DEAD, "lost")


def test_refusal_ends_in_the_dead_letters_of_the_queue(app: Cicely, drain: Drain) -> None:
    app.publisher.publish([Send(captured("tolerance-two-tuple"), "celery")])
    drain.run_all()
    (letter,) = app.transport.dead_letters("celery")
    assert "2 items" in letter.reason
    assert app.AsyncResult("two-tuple").state == states.FAILURE


def test_refused_tasks_of_a_task_class(app: Cicely, drain: Drain) -> None:
    class Typed(Task[..., Any]):
        name = "typed"

        def run(self, x: int) -> int:
            return x

    typed = app.register_task(Typed())
    result = typed.delay(1)
    drain.run_one()
    assert result.get(timeout=1) == 1

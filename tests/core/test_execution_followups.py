"""Callbacks, chains and errbacks (wire-compat section 1.8)."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from cicely import Cicely, Task, states
from cicely.execution import Execution
from cicely.testing.inprocess import Drain
from cicely_transports.message import Message, Properties
from cicely_transports.spi import Send

WIRE = Path(__file__).parent.parent / "wire"


@pytest.fixture
def add(app: Cicely) -> Task[[int, int], int]:
    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    return add


@pytest.fixture
def fail(app: Cicely) -> Task[[], None]:
    @app.task(name="fail")
    def fail() -> None:
        raise ValueError("boom")

    return fail


def sends(app: Cicely) -> list[Send]:
    """What running the next message leads to, without carrying it out."""
    receiver = app.transport.receiver(["celery"], credit=1, lease=60)
    (found,) = receiver.receive(1, 1.0)
    return list(Execution(app, hostname="w").run(found).sends)


def test_a_callback_gets_the_result(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    result = add.apply_async((1, 2), link=add.s(10))
    drain.run_all()
    children = result.children
    assert children is not None
    (child,) = children
    assert child.get(timeout=1) == 13


def test_a_callback_knows_where_it_comes_from(app: Cicely, add: Task[..., int]) -> None:
    result = add.apply_async((1, 2), link=add.s(10), root_id="root")
    (send,) = sends(app)
    headers = send.message.headers
    assert (headers["root_id"], headers["parent_id"], headers["group"]) == ("root", result.id, None)
    assert send.message.body.startswith(b"[[3, 10], {}, ")


def test_an_immutable_callback_does_not(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1, 2), link=add.si(10, 20))
    (send,) = sends(app)
    assert send.message.body.startswith(b"[[10, 20], {}, ")


def test_several_callbacks_are_a_group(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1, 2), link=[add.s(10), add.s(20)])
    headers = [send.message.headers for send in sends(app)]
    assert [found["group_index"] for found in headers] == [0, 1]
    assert len({found["group"] for found in headers}) == 1
    assert headers[0]["group"]


def test_a_callback_that_is_not_known_here_is_sent_by_name(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1, 2), link=app.signature("elsewhere", (5,)).set(queue="other"))
    (send,) = sends(app)
    assert (send.routing_key, send.message.headers["task"]) == ("other", "elsewhere")


def test_a_chain_goes_on_with_its_last_element(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    final = add.s(100).set(task_id="final")
    following = add.s(10).set(task_id="following")
    add.apply_async((1, 2), chain=[final, following])
    outcomes = drain.run_all()
    assert [outcome.summary for outcome in outcomes] == ["3", "13", "113"]
    assert app.AsyncResult("final").get(timeout=1) == 113


def test_the_rest_of_a_chain_travels_on_even_if_empty(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1, 2), chain=[add.s(10)])
    (send,) = sends(app)
    assert b'"chain": []' in send.message.body


def test_a_chain_of_protocol_1_is_nested_callbacks(app: Cicely, drain: Drain) -> None:
    @app.task(name="t.add")
    def add(x: int, y: int) -> int:
        return x + y

    envelope = json.loads(json.loads((WIRE / "redis-chain-protocol1.json").read_text("utf-8"))["raw"])
    body = b64decode(envelope["body"])
    app.publisher.publish([Send(Message(body, {}, Properties("application/json", "utf-8")), "celery")])
    assert [outcome.summary for outcome in drain.run_all()] == ["3", "6"]


def test_the_rest_of_a_chain_fails_with_a_step(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    @app.task(name="bad")
    def bad() -> None:
        raise KeyError("x")

    final = add.s(100).set(task_id="final")
    following = add.s(10).set(task_id="following")
    bad.apply_async(chain=[final, following])
    drain.run_all()
    for task_id in ("final", "following"):
        with pytest.raises(KeyError):
            app.AsyncResult(task_id).get(timeout=1)


def test_callbacks_that_cannot_be_sent_fail_the_task(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    @app.task(name="none")
    def none() -> None: ...

    result = add.apply_async((1, 2), link=none.s())
    outcome = drain.run_one()
    assert outcome is not None
    assert outcome.sends == ()
    assert isinstance(result.result, TypeError)


def test_errbacks_with_details_are_called_here(app: Cicely, drain: Drain, fail: Task[..., None]) -> None:
    seen: list[Any] = []

    @app.task(name="errback")
    def errback(request: Any, exc: BaseException, traceback: str, more: int) -> None:
        seen.append((request.id, str(exc), "boom" in traceback, more))

    result = fail.apply_async(link_error=errback.s(5))
    outcome = drain.run_one()
    assert outcome is not None
    assert outcome.sends == ()
    assert seen == [(result.id, "boom", True, 5)]


def test_errbacks_with_the_id_are_sent(app: Cicely, fail: Task[..., None]) -> None:
    @app.task(name="old")
    def old(task_id: str) -> None: ...

    result = fail.apply_async(link_error=[old.s(), app.signature("unknown.errback")], root_id="root")
    found = sends(app)
    assert [send.message.headers["task"] for send in found] == ["old", "unknown.errback"]
    for index, send in enumerate(found):
        assert send.message.body.startswith(f'[["{result.id}"], {{}}, '.encode())
        headers = send.message.headers
        assert (headers["parent_id"], headers["root_id"]) == (result.id, "root")
        assert headers["group_index"] == index
        assert headers["group"]


def test_async_errbacks_are_sent_with_the_details(app: Cicely, drain: Drain, fail: Task[..., None]) -> None:
    seen: list[Any] = []

    @app.task(name="errback")
    async def errback(request: Any, exc: BaseException, traceback: str) -> None:
        seen.append((request.id, type(exc), "boom" in traceback))

    result = fail.apply_async(link_error=errback.s())
    drain.run_all()
    assert seen == [(result.id, ValueError, True)]


def test_a_failing_errback_does_no_harm(
    app: Cicely, drain: Drain, fail: Task[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    @app.task(name="errback")
    def errback(request: Any, exc: BaseException, traceback: str) -> None:
        raise LookupError("in the errback")

    result = fail.apply_async(link_error=errback.s())
    outcome = drain.run_one()
    assert outcome is not None
    assert outcome.state == states.FAILURE
    assert isinstance(result.result, ValueError)
    assert "Errback errback" in caplog.text


def test_errbacks_are_not_called_on_success(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    @app.task(name="old")
    def old(task_id: str) -> None: ...

    add.apply_async((1, 2), link_error=old.s())
    assert len(drain.run_all()) == 1

from __future__ import annotations

from typing import Any

import pytest
from jobs import delivery

from cicely import states
from cicely.exceptions import (
    ContentDisallowed,
    InvalidTaskError,
    NotRegistered,
    TaskRevokedError,
    WorkerLostError,
)
from cicely_transports.message import Message, Properties
from cicely_transports.spi import Delivery, Verdict
from cicely_worker.admission import Abandon, Admission, Refusal, Return

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def admission(**changes: Any) -> Admission:
    rules: dict[str, Any] = {"max_deliveries": 5} | changes
    return Admission({"add": 1, "mul": 2}, frozenset({"application/json"}), **rules)


def refusal(one: Delivery, **changes: Any) -> Refusal:
    run, refused = admission(**changes).sort([one], NOW)
    assert run == []
    ((found, decision),) = refused
    assert found is one
    return decision


@pytest.mark.parametrize(
    "one",
    [
        delivery(),
        delivery(attempt=5),
        delivery(expires="2023-11-14T22:13:21+00:00"),
        delivery(eta="2023-11-14T22:13:20Z"),
        delivery(eta="2023-11-14T23:13:19.5+01:00"),
        Delivery("t", "q", Message(b'{"task": "add"}', {}, Properties("application/json", "utf-8")), 1, None),
    ],
    ids=["plain", "last attempt", "expires later", "eta now", "eta with offset", "protocol 1"],
)
def test_runs(one: Delivery) -> None:
    assert admission().sort([one], NOW) == ([one], [])


@pytest.mark.parametrize(
    ("one", "error", "said"),
    [
        (delivery(attempt=6), WorkerLostError, "5 deliveries"),
        (
            delivery(task="ad"),
            NotRegistered,
            "task named 'ad' is registered in this worker; did you mean 'add'?",
        ),
        (delivery(properties=Properties("application/x-python-serialize")), ContentDisallowed, "pickle"),
        (delivery(eta="tomorrow"), InvalidTaskError, "eta"),
        (delivery(expires=5), InvalidTaskError, "expires"),
        (delivery(task=["add"]), InvalidTaskError, "task"),
        (delivery(id=None), InvalidTaskError, "id"),
        (
            Delivery("t", "q", Message(b"", [], Properties("application/json")), 1, None),  # type: ignore[arg-type]
            InvalidTaskError,
            "headers",
        ),
    ],
    ids=["attempts", "unknown task", "content", "eta", "expires", "task", "id", "headers"],
)
def test_dead(one: Delivery, error: type[Exception], said: str) -> None:
    decision = refusal(one)
    assert isinstance(decision, Abandon)
    assert type(decision.error) is error
    assert said in decision.reason
    assert (decision.state, decision.verdict) == (states.FAILURE, Verdict.DEAD)


def test_not_registered_carries_the_name_alone() -> None:
    decision = refusal(delivery(task="ad"))
    assert isinstance(decision, Abandon)
    assert decision.error.args == ("ad",)


def test_expired_is_revoked_and_done() -> None:
    decision = refusal(delivery(expires="2023-11-14T22:13:20+00:00"))
    assert isinstance(decision, Abandon)
    assert isinstance(decision.error, TaskRevokedError)
    assert (decision.state, decision.verdict, decision.reason) == (states.REVOKED, Verdict.DONE, "expired")


def test_eta_of_the_future_goes_back_until_then() -> None:
    assert refusal(delivery(eta="2023-11-14T22:13:21")) == Return(NOW + 1)  # naive is UTC


def test_eta_beyond_what_the_transport_keeps_is_served_in_parts() -> None:
    assert refusal(delivery(eta="2024-01-01T00:00:00Z"), max_delay=900.0) == Return(NOW + 900)


def test_expired_wins_over_eta_and_attempts_over_all() -> None:
    late = "2020-01-01T00:00:00Z"
    assert isinstance(refusal(delivery(eta="2030-01-01T00:00:00Z", expires=late)), Abandon)
    decision = refusal(delivery(attempt=9, expires=late))
    assert isinstance(decision, Abandon)
    assert decision.verdict is Verdict.DEAD


def test_sorts_a_batch_in_order() -> None:
    batch = [delivery(1), delivery(2, task="nope"), delivery(3), delivery(4, attempt=7)]
    run, refused = admission().sort(batch, NOW)
    assert run == [batch[0], batch[2]]
    assert [one for one, _ in refused] == [batch[1], batch[3]]

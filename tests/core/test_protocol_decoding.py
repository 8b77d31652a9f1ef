"""Messages as they arrive: from Celery, from older ones, and broken in every way (wire-compat 13.1)."""

from __future__ import annotations

import contextlib
import json
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely.exceptions import InvalidTaskError
from cicely.protocol import TaskMessage, decode_task, encode_task
from cicely_transports.errors import ContentDisallowed, DecodeError, PoisonError
from cicely_transports.message import Message, Properties

WIRE = Path(__file__).parent.parent / "wire"


def captured(name: str) -> Message:
    envelope = json.loads(json.loads((WIRE / f"{name}.json").read_text("utf-8"))["raw"])
    properties = envelope.get("properties", {})
    body: str = envelope["body"]
    raw = b64decode(body) if properties.get("body_encoding") == "base64" else body.encode()
    return Message(
        raw,
        envelope["headers"],
        Properties(
            envelope.get("content-type", "application/data"), envelope.get("content-encoding", "utf-8")
        ),
    )


def read(name: str) -> TaskMessage:
    return decode_task(captured(name), ("json",))


def message(body: Any, **headers: Any) -> Message:
    return Message(
        json.dumps(body).encode(),
        {"task": "t", "id": "x", **headers},
        Properties("application/json", "utf-8"),
    )


def test_simple() -> None:
    found = read("redis-task-simple")
    assert (found.name, found.id) == ("t.add", "e95c9fb9-a5bb-4734-97c3-29ec2c2dd9da")
    assert (found.args, found.kwargs, found.retries) == ([2, 3], {}, 0)
    assert (found.callbacks, found.errbacks, found.chain, found.chord) == (None, None, None, None)
    assert list(found.timelimit) == [None, None]
    assert found.custom is None
    assert found.expires_at is None


def test_every_option() -> None:
    found = read("redis-task-alloptions")
    assert found.custom == {"my": "hdr"}
    assert list(found.timelimit) == [30, 20]
    assert found.expires_at == datetime(2026, 11, 20, 6, 52, 34, 43351, tzinfo=UTC).timestamp()
    assert found.callbacks is not None
    assert found.callbacks[0]["args"] == [10]
    assert found.errbacks is not None
    assert found.errbacks[0]["task"] == "t.errback_old"
    assert found.meta["shadow"] == "shadowed"


def test_a_naive_expiry_is_utc() -> None:
    expected = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()
    assert read("redis-task-expires-naive").expires_at == expected


def test_chain_and_chord() -> None:
    chain = read("canvas-chain3").chain
    assert chain is not None
    assert [step["task"] for step in chain] == ["t.mul", "t.add"]
    chord = read("canvas-chord2-0").chord
    assert chord is not None
    assert chord["task"] == "t.tsum"


@pytest.mark.parametrize(
    ("name", "links"),
    [
        ("redis-task-eta-naive", (None, None, None)),
        ("redis-task-ignore-result", (None, None, None)),
        ("canvas-chain2-links", (None, 1, 1)),
        ("redis-chain-protocol1", (1, None, None)),
    ],
)
def test_other_messages_of_celery(name: str, links: tuple[int | None, ...]) -> None:
    found = read(name)
    lists = (found.callbacks, found.errbacks, found.chain)
    assert tuple(None if entries is None else len(entries) for entries in lists) == links


def test_protocol_1() -> None:
    found = read("redis-task-protocol1")
    assert (found.name, found.args, found.kwargs) == ("t.add", [1], {"y": 2})
    assert found.callbacks is not None
    assert found.callbacks[0]["args"] == [3]
    assert found.expires_at is not None
    assert found.meta["eta"].startswith("2026-11-20T06:51:52")


def test_protocol_1_taskset_is_the_group() -> None:
    body = {"task": "t", "id": "x", "taskset": "g"}
    found = decode_task(Message(json.dumps(body).encode(), {}, Properties("application/json")), ("json",))
    assert found.meta["group"] == "g"


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("tolerance-min-ok", [5, 6]),
        ("tolerance-embed-null", [5, 6]),
        ("tolerance-eta-Z", [5, 6]),
        ("tolerance-unknown-hdr", [5, 6]),
        ("tolerance-timelimit-none", [5, 6]),
        ("tolerance-hybrid", [1, 2]),
        ("tolerance-proto1", [1, 2]),
        ("tolerance-proto1-min", []),
    ],
)
def test_tolerated(name: str, args: list[int]) -> None:
    found = read(name)
    assert found.name == "t.add"
    assert found.args == args


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("tolerance-two-tuple", InvalidTaskError, "2 items instead of"),
        ("tolerance-kwargs-list", InvalidTaskError, "keyword arguments of t.add are no map"),
        ("tolerance-bad-eta", InvalidTaskError, "eta cannot be read: not an ISO 8601 time: 'notadate'"),
        ("tolerance-no-id", InvalidTaskError, "the message for t.add has no id"),
        ("tolerance-no-ct", InvalidTaskError, "no task message"),
        ("tolerance-garbage-body", DecodeError, "application/json"),
        ("tolerance-pickle-ct", ContentDisallowed, "application/x-python-serialize"),
    ],
)
def test_refused_with_the_reason(name: str, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        read(name)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (message("text"), "no task message"),
        (message({"kwargs": {}}), "no task message"),
        (message([1, {}, {}]), "arguments of t are no list"),
        (message([[], {}, 3]), "links of t are no map"),
        (message([[], {}, {"callbacks": "x"}]), "callbacks is no list"),
        (message([[], {}, {"errbacks": [3]}]), "errbacks holds something that is no signature"),
        (message([[], {}, {"chain": [{}]}]), "chain holds something"),
        (message([[], {}, {"chord": 1}]), "chord holds something"),
        (message([[], {}, {}], task=3), "names no task"),
        (message([[], {}, {}], id=3), "has no id"),
        (message([[], {}, {}], retries="many"), "retries is no count"),
        (message([[], {}, {}], timelimit=[1]), "timelimit is not"),
        (message([[], {}, {}], timelimit=["a", None]), "timelimit is not"),
        (message([[], {}, {}], expires=3), "expires cannot be read"),
        (message([[], {}, {}], eta="2026-13-01"), "eta cannot be read"),
    ],
)
def test_malformed(sent: Message, reason: str) -> None:
    with pytest.raises(InvalidTaskError, match=reason):
        decode_task(sent, ("json",))


def test_broken_compression() -> None:
    with pytest.raises(PoisonError):
        decode_task(message([[], {}, {}], compression="application/x-gzip"), ("json",))


def test_what_is_written_can_be_read() -> None:
    sent = encode_task("t", "x", (1, "é"), {"a": [1]}, serializer="pickle", compression="zlib")
    found = decode_task(sent, ("pickle",))
    assert (found.args, found.kwargs) == ((1, "é"), {"a": [1]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(["task", "id", "eta", "expires", "timelimit", "retries", "compression", "group"])


@given(
    body=st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()),
    headers=st.dictionaries(NAMES, JSON),
)
def test_nothing_else_than_a_refusal_comes_of_any_message(body: bytes, headers: dict[str, Any]) -> None:
    sent = Message(body, headers, Properties("application/json", "utf-8"))
    with contextlib.suppress(InvalidTaskError, PoisonError):
        decode_task(sent, ("json",))

"""What is written equals, byte for byte, what Celery 5.7 wrote for the same call (samples in tests/wire)."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from cicely.options import Options
from cicely.protocol import encode_task
from cicely_transports.errors import EncodeError
from cicely_transports.message import Message

WIRE = Path(__file__).parent.parent / "wire"


def captured(name: str) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(json.loads((WIRE / f"{name}.json").read_text("utf-8"))["raw"])
    return envelope


def same_call(envelope: dict[str, Any], message: Message) -> None:
    """Headers with their order, body bytes and properties; the process that wrote them differs."""
    headers = {**message.headers, "origin": envelope["headers"]["origin"]}
    assert list(headers.items()) == list(envelope["headers"].items())
    assert message.body == b64decode(envelope["body"])
    properties, expected = message.properties, envelope["properties"]
    assert properties.content_type == envelope["content-type"]
    assert properties.content_encoding == envelope["content-encoding"]
    for name in ("correlation_id", "reply_to", "delivery_mode", "priority"):
        assert getattr(properties, name) == expected[name]
    assert properties.expiration == expected.get("expiration")


def test_simple_call() -> None:
    envelope = captured("redis-task-simple")
    message = encode_task(
        "t.add",
        envelope["headers"]["id"],
        (2, 3),
        {},
        ignore_result=False,
        reply_to=envelope["properties"]["reply_to"],
    )
    same_call(envelope, message)
    assert message.headers["origin"].startswith("gen")


def test_every_option() -> None:
    envelope = captured("redis-task-alloptions")
    link: dict[str, Any] = {
        "task": "t.add",
        "args": [10],
        "kwargs": {},
        "options": {},
        "subtask_type": None,
        "immutable": False,
    }
    options = Options.of(
        {
            "shadow": "shadowed",
            "time_limit": 30,
            "soft_time_limit": 20,
            "headers": {"my": "hdr"},
            "link": link,
            "link_error": [{**link, "task": "t.errback_old", "args": []}],
        }
    )
    message = encode_task(
        "t.add",
        "11111111-1111-1111-1111-111111111111",
        (2,),
        {"y": 3},
        options,
        eta="2026-11-20T06:51:34.043351+00:00",
        expires="2026-11-20T06:52:34.043351+00:00",
        expiration="120000",
        ignore_result=True,
        reply_to=envelope["properties"]["reply_to"],
        priority=3,
    )
    same_call(envelope, message)


def test_sending_by_name_leaves_ignore_result_open() -> None:
    envelope = captured("redis-send-task")
    headers = envelope["headers"]
    reply_to = envelope["properties"]["reply_to"]
    message = encode_task("remote.name", headers["id"], [1], {"a": "é"}, reply_to=reply_to)
    same_call(envelope, message)


def test_stamps() -> None:
    envelope = captured("task-stamped-kwargs")
    stamped = {"stamped_headers": ["other", "monitoring_id"], "other": [1, 2], "monitoring_id": "abc"}
    message = encode_task(
        "t.add",
        envelope["headers"]["id"],
        (1, 2),
        {},
        Options.of(stamped),
        ignore_result=False,
        reply_to=envelope["properties"]["reply_to"],
    )
    same_call(envelope, message)


def test_a_chain_travels_in_the_body() -> None:
    envelope = captured("canvas-chain3")
    chain = json.loads(b64decode(envelope["body"]))[2]["chain"]
    message = encode_task(
        "t.add",
        envelope["headers"]["id"],
        (1, 2),
        {},
        Options.of({"chain": chain}),
        ignore_result=False,
        reply_to=envelope["properties"]["reply_to"],
    )
    same_call(envelope, message)


def test_protocol_1() -> None:
    envelope = captured("redis-task-protocol1")
    body = json.loads(b64decode(envelope["body"]))
    message = encode_task(
        "t.add",
        body["id"],
        (1,),
        {"y": 2},
        Options.of({"link": body["callbacks"]}),
        eta=body["eta"],
        expires=body["expires"],
        protocol=1,
    )
    assert message.headers == {}
    assert message.body == b64decode(envelope["body"])


def test_compression_is_noted_after_the_other_headers() -> None:
    message = encode_task("t.add", "x", (1,), {}, compression="gzip")
    assert list(message.headers)[-1] == "compression"
    assert message.headers["compression"] == "application/x-gzip"
    assert message.body[:2] == b"\x78\x9c"


def test_text_of_arguments_can_be_replaced() -> None:
    options = Options.of({"argsrepr": "(***)", "kwargsrepr": "{***}"})
    headers = encode_task("t", "x", ("secret",), {"a": "secret"}, options).headers
    assert headers["argsrepr"] == "(***)"
    assert headers["kwargsrepr"] == "{***}"


def test_what_cannot_be_written_is_named_with_its_path() -> None:
    with pytest.raises(EncodeError, match=r"t\.add cannot be sent: args\[1\]\.user is an object"):
        encode_task("t.add", "x", (1, {"user": object()}), {})


def test_listeners_may_change_headers_and_properties() -> None:
    def announce(headers: dict[str, Any], body: Any, properties: dict[str, Any]) -> None:
        assert body[0] == (1,)
        headers["tenant"] = "a"
        properties["priority"] = 7

    message = encode_task("t", "x", (1,), {}, announce=announce)
    assert message.headers["tenant"] == "a"
    assert message.properties.priority == 7

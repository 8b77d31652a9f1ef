"""Bodies captured from Celery 5.7: we read the documented values and write the same bytes."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cicely_transports.serialization import Encoded, Serializers

WIRE = Path(__file__).parent.parent / "wire"
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

TYPES = (
    datetime(2026, 1, 2, 3, 4, 5, 678901),  # noqa: DTZ001  # the sample holds a naive one
    datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    date(2026, 1, 2),
    time(1, 2, 3, 4),
    Decimal("1.50"),
    UUID("12345678123456781234567812345678"),
    b"abc",
    b"\xff\x00",
)


def captured(name: str) -> Encoded:
    envelope = json.loads(json.loads((WIRE / f"{name}.json").read_text())["raw"])
    return Encoded(envelope["content-type"], envelope["content-encoding"], b64decode(envelope["body"]))


CASES: list[tuple[str, str, Any]] = [
    ("redis-task-simple", "json", ((2, 3), {}, EMBED)),
    ("redis-task-json-types", "json", ((*TYPES, (1, 2)), {}, EMBED)),
    ("redis-task-serializer-msgpack", "msgpack", ((1, "é"), {}, EMBED)),
    ("redis-task-serializer-pickle", "pickle", ((1, "é"), {}, EMBED)),
    ("redis-task-serializer-yaml", "yaml", ((1, "é"), {}, EMBED)),
]


def lists(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [lists(item) for item in value]
    return {key: lists(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize(("name", "serializer", "body"), CASES)
def test_read(name: str, serializer: str, body: Any) -> None:
    sample = captured(name)
    got = Serializers().loads(sample.body, sample.content_type, sample.content_encoding, accept=[serializer])
    assert lists(got) == lists(body)
    if serializer == "pickle":
        assert got == body


@pytest.mark.parametrize(("name", "serializer", "body"), CASES)
def test_write_the_same_bytes(name: str, serializer: str, body: Any) -> None:
    assert Serializers().dumps(body, serializer) == captured(name)


def test_links_and_options() -> None:
    sample = captured("redis-task-alloptions")
    got = Serializers().loads(sample.body)
    assert got[2]["callbacks"][0]["task"] == "t.add"
    assert Serializers().dumps(got).body == sample.body

"""JSON with wrapped types: what goes in comes out, and Celery's rules on the way."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely_transports.errors import DecodeError, EncodeError, MisuseError
from cicely_transports.serialization import Encoded, Serializers, dumps, loads

zones = st.none() | st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.times()
    | st.datetimes(timezones=zones)
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=5
)
values = st.recursive(
    scalars | st.sets(hashables, max_size=3) | st.frozensets(hashables, max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_round_trip(value: Any) -> None:
    encoded = dumps(value)
    assert encoded.body.isascii()
    assert loads(*_args(encoded)) == value


@given(plain)
def test_plain_data_is_written_as_the_standard_library_does(value: Any) -> None:
    assert dumps(value).body == json.dumps(value).encode()


def _args(encoded: Encoded) -> tuple[bytes, str, str]:
    return encoded.body, encoded.content_type, encoded.content_encoding


def test_nan_and_infinity() -> None:
    body = dumps([math.nan, math.inf, -math.inf]).body
    assert body == b"[NaN, Infinity, -Infinity]"
    got = loads(body)
    assert math.isnan(got[0])
    assert got[1:] == [math.inf, -math.inf]


def test_huge_integers() -> None:
    assert loads(dumps(2**4000).body) == 2**4000


def test_tuples_become_lists_and_keys_text() -> None:
    assert loads(dumps({"t": (1, (2,)), 3: None}).body) == {"t": [1, [2]], "3": None}


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_like(kind: Callable[[bytes], Any]) -> None:
    assert loads(dumps([kind(b"abc"), kind(b"\xff")]).body) == [b"abc", b"\xff"]
    assert loads(kind(b'{"a": [1]}')) == {"a": [1]}


def test_sets_are_a_wrapper_that_a_peer_refuses_rather_than_takes_for_a_list() -> None:
    assert dumps({1}).body == b'{"__type__": "set", "__value__": [1]}'
    assert dumps(frozenset([1])).body == b'{"__type__": "frozenset", "__value__": [1]}'
    assert loads(dumps({("a", ("b",)), frozenset([1])}).body) == {("a", ("b",)), frozenset([1])}


def test_only_exactly_two_keys_are_a_wrapper() -> None:
    for plain in ({"__type__": "date"}, {"__type__": "date", "__value__": "x", "a": 1}, {"a": "__type__"}):
        assert loads(dumps(plain).body) == plain


@pytest.mark.parametrize(
    "body",
    [
        '{"__type__": "nothing", "__value__": 1}',
        '{"__type__": ["date"], "__value__": 1}',
        '{"__type__": "date", "__value__": "yesterday"}',
        '{"__type__": "date", "__value__": 5}',
        '{"__type__": "decimal", "__value__": "one"}',
        '{"__type__": "uuid", "__value__": {"nothex": "1"}}',
        '{"__type__": "base64", "__value__": "*"}',
        '{"__type__": "set", "__value__": [{}]}',
        "",
        " ",
        "{",
        "[1] [2]",
        "nope",
        "[" * 100_000,
        b"\xff",
    ],
)
def test_bad_bodies(body: str | bytes) -> None:
    with pytest.raises(DecodeError):
        loads(body)


def test_unknown_wrapper_is_named() -> None:
    with pytest.raises(DecodeError, match=r"unknown __type__ 'money'.*register_type"):
        loads('[{"__type__": "money", "__value__": 1}]')


def test_uuid_with_more_keys_or_as_text() -> None:
    text = "12345678-1234-4678-8234-567812345678"
    assert loads(f'{{"__type__": "uuid", "__value__": {{"hex": "{text}", "version": 4}}}}') == UUID(text)
    assert loads(f'{{"__type__": "uuid", "__value__": "{text}"}}') == UUID(text)


def test_white_space_around() -> None:
    assert loads(' \n{"a": 1}\n ') == {"a": 1}


def test_utc_designator() -> None:
    got = loads('{"__type__": "datetime", "__value__": "2026-01-02T03:04:05Z"}')
    assert got == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents


class Euro(Money):
    pass


class Plan:
    def __json__(self) -> dict[str, Any]:
        return {"task": "t.add", "at": datetime(2026, 1, 2, tzinfo=UTC)}


def test_registered_type_and_its_subclasses() -> None:
    mine = Serializers()
    mine.json.register_type(Money, "money", lambda money: money.cents, Money)
    body = mine.dumps([Money(150), Euro(1)]).body
    assert body == b'[{"__type__": "money", "__value__": 150}, {"__type__": "money", "__value__": 1}]'
    assert mine.loads(body) == [Money(150), Money(1)]
    with pytest.raises(EncodeError):
        Serializers().dumps(Money(1))
    with pytest.raises(MisuseError, match="bytes"):
        mine.json.register_type(Money, "bytes", lambda money: money.cents, Money)


def test_json_method() -> None:
    assert loads(dumps([Plan()]).body) == [{"task": "t.add", "at": datetime(2026, 1, 2, tzinfo=UTC)}]


def test_frame_budget() -> None:
    """The cost of a body in Python frames, which does not depend on the machine."""
    data = ((1, 2), {"a": "x"}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None})
    body = dumps(data).body
    accept = frozenset({"json"})
    assert _frames(lambda: dumps(data)) <= 3
    assert _frames(lambda: loads(body, "application/json", "utf-8", accept=accept)) <= 3


def _frames(call: Callable[[], object]) -> int:
    count = 0

    def profile(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    return count - 1  # the lambda itself

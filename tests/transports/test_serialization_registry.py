"""Which serializers there are, and which may be read."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely_transports import serialization
from cicely_transports.errors import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    MissingDependency,
    MisuseError,
)
from cicely_transports.serialization import Serializers

integers = st.integers(-(2**63), 2**64 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False) | st.binary() | st.text()
keys = integers | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


@given(value=values)
@pytest.mark.parametrize("serializer", ["msgpack", "pickle", "yaml"])
def test_round_trip(serializer: str, value: Any) -> None:
    encoded = serialization.dumps(value, serializer)
    got = serialization.loads(
        memoryview(encoded.body), encoded.content_type, encoded.content_encoding, accept={serializer}
    )
    assert got == value


@pytest.mark.parametrize("name", ["pickle", "yaml", "msgpack"])
def test_only_json_is_read_unless_accepted(name: str) -> None:
    mine = Serializers()
    body, content_type = mine.dumps([1], name).body, mine.content_type(name)
    refused: list[Collection[str] | None] = [None, [], ["json"], frozenset({"application/json"})]
    accepted: list[Collection[str]] = [[name], {content_type}, ("json", name)]
    for accept in refused:
        with pytest.raises(ContentDisallowed, match=rf"{content_type} \({name}\) is refused: accepted are"):
            mine.loads(body, content_type, accept=accept)
    for accept in accepted:
        assert mine.loads(body, content_type, accept=accept) == [1]
    mine.enable(name)
    assert mine.loads(body, content_type) == [1]
    mine.disable(content_type)
    with pytest.raises(ContentDisallowed):
        mine.loads(body, content_type)


def test_json_can_be_refused_too() -> None:
    mine = Serializers()
    with pytest.raises(ContentDisallowed, match="accepted are msgpack"):
        mine.loads(b"1", "application/json", accept=["msgpack"])
    with pytest.raises(ContentDisallowed, match="accepted are none"):
        mine.loads(b"1", "application/json", accept=[])


@pytest.mark.parametrize("content_type", ["application/data", "application/text", None, ""])
@pytest.mark.parametrize("accept", [None, [], ["json"]])
def test_raw_bodies_always_pass_unparsed(content_type: str | None, accept: list[str] | None) -> None:
    assert serialization.loads(b"[1]", content_type, "binary", accept=accept) == b"[1]"
    assert serialization.loads(b"[1]", content_type, "utf-8", accept=accept) == "[1]"
    assert serialization.loads("[1]", content_type, None, accept=accept) == "[1]"


def test_unknown_content_type_is_refused_and_accepted_as_text() -> None:
    with pytest.raises(ContentDisallowed, match="application/x-else"):
        serialization.loads(b"1", "application/x-else", accept=["json"])
    assert serialization.loads(b"1", "application/x-else", accept=["application/x-else"]) == "1"


@pytest.mark.parametrize(
    ("data", "serializer", "expected"),
    [
        (b"\xff", "raw", ("application/data", "binary", b"\xff")),
        (bytearray(b"x"), "none", ("application/data", "binary", b"x")),
        ("é", "raw", ("application/data", "utf-8", b"\xc3\xa9")),
        ("é", None, ("text/plain", "utf-8", b"\xc3\xa9")),
        (b"\xff", None, ("application/data", "binary", b"\xff")),
        ([1], None, ("application/json", "utf-8", b"[1]")),
    ],
)
def test_raw_and_plain(data: Any, serializer: str | None, expected: tuple[str, str, bytes]) -> None:
    encoded = serialization.dumps(data, serializer)
    assert encoded == expected
    assert serialization.loads(encoded.body, encoded.content_type, encoded.content_encoding) == data


def test_raw_needs_bytes_or_text() -> None:
    with pytest.raises(EncodeError, match="bytes or text, not list"):
        serialization.dumps([1], "raw")


def test_unknown_name() -> None:
    with pytest.raises(MisuseError, match="no serializer is called 'jsom'; did you mean 'json'"):
        serialization.dumps(1, "jsom")
    with pytest.raises(MisuseError, match="there are json, msgpack, pickle, yaml"):
        serialization.dumps("text", "zzzzzz")
    with pytest.raises(MisuseError, match="did you mean 'msgpack'"):
        serialization.content_types(["json", "mspack"])


def test_accept_list_as_content_types() -> None:
    assert serialization.content_types(["json", "text/plain", "raw"]) == {
        "application/json",
        "text/plain",
        "application/data",
    }


def test_own_serializer() -> None:
    mine = Serializers()
    mine.register("upper", str.upper, str.lower, "application/x-upper")
    assert mine.dumps("abc", "upper") == ("application/x-upper", "utf-8", b"ABC")
    assert mine.loads(b"ABC", "application/x-upper") == "abc"
    assert "upper" in mine.names()
    with pytest.raises(EncodeError, match="the data is an int"):
        mine.dumps(1, "upper")
    mine.unregister("upper")
    with pytest.raises(MisuseError, match="upper"):
        mine.dumps("abc", "upper")
    with pytest.raises(ContentDisallowed):
        mine.loads(b"ABC", "application/x-upper")
    with pytest.raises(MisuseError, match="upper"):
        mine.unregister("upper")
    with pytest.raises(MisuseError, match="is taken"):
        mine.register("raw", str.upper, str.lower, "application/x-upper")


def test_own_serializer_replaces_and_may_raise_anything() -> None:
    class Odd(Exception):
        pass

    def fail(_value: Any) -> Any:
        raise Odd("no")

    mine = Serializers()
    mine.register("mine", fail, fail, "application/json", "binary")
    assert "json" not in mine.names()
    with pytest.raises(EncodeError):
        mine.dumps(1, "mine")
    with pytest.raises(DecodeError, match="Odd: no"):
        mine.loads(b"1", "application/json")


def test_registries_are_independent() -> None:
    mine = Serializers()
    mine.unregister("yaml")
    assert "yaml" in Serializers().names()


@pytest.mark.parametrize(("name", "module"), [("msgpack", "msgpack"), ("yaml", "yaml")])
def test_missing_library_names_the_extra(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    mine = Serializers()
    with pytest.raises(MissingDependency, match=rf"pip install 'cicely\[{name}\]'"):
        mine.dumps([1], name)
    with pytest.raises(MissingDependency, match=rf"cicely\[{name}\]"):
        mine.loads(b"1", mine.content_type(name), accept=[name])


def test_encoding_told_by_the_sender() -> None:
    assert serialization.loads(b'["\xe9"]', "application/json", "latin-1") == ["é"]
    assert serialization.loads(b'["\xc3\xa9"]', "application/json", "binary") == ["é"]
    assert serialization.loads(b'["\xc3\xa9"]', "application/json", None) == ["é"]
    with pytest.raises(DecodeError, match="LookupError"):
        serialization.loads(b"[]", "application/json", "no-such-encoding")

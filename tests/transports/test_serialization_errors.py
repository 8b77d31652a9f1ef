"""Encode errors give the path of what is at fault."""

from __future__ import annotations

from typing import Any

import pytest

from cicely_transports.errors import DecodeError, EncodeError
from cicely_transports.serialization import Serializers, dumps, loads

ROOTS = ("args", "kwargs", "embed")


class User:
    pass


class Holder:
    def __json__(self) -> dict[str, Any]:
        return {"owner": User()}


class Broken:
    def __json__(self) -> Any:
        raise ValueError("cannot")


class Endless:
    def __json__(self) -> Any:
        return Endless()


circle: list[Any] = [1]
circle.append({"again": circle})
deep: Any = []
for _ in range(100_000):
    deep = [deep]


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((1, {"user": User()}), {}, "args[1].user is a User, which json cannot write: pass an id"),
        ((), {"a b": [User()]}, "kwargs['a b'][0] is a User"),
        ((User(),), {}, "args[0] is a User"),
        ((), {"x": {(1, 2): 3}}, "kwargs.x has a key that is a tuple"),
        ((circle,), {}, "args[0][1].again contains itself"),
        (({1, 2j},), {}, "args[0]{...} is a complex"),
        ((), {"h": [Holder()]}, "kwargs.h[0].owner is a User"),
        ((), {"b": Broken()}, "kwargs.b is a Broken"),
        ((Endless(),), {}, "args[0] is nested too deeply"),
        ((10**5000,), {}, "args[0] is an int"),
        ((deep,), {}, "is nested too deeply"),
    ],
)
def test_path(args: Any, kwargs: Any, text: str) -> None:
    with pytest.raises(EncodeError) as caught:
        dumps((args, kwargs, {}), roots=ROOTS)
    assert text in str(caught.value)


def test_path_without_roots() -> None:
    with pytest.raises(EncodeError, match=r"^\[0\]\.user is a User"):
        dumps([{"user": User()}])
    with pytest.raises(EncodeError, match=r"^the data is a User"):
        dumps(User())


@pytest.mark.parametrize(
    ("serializer", "value", "text"),
    [
        ("msgpack", [{"s": {1}}], "[0].s is a set"),
        ("msgpack", [2**70], "[0] is an int"),
        ("msgpack", ["\ud800"], "[0] is a str"),
        ("yaml", {"u": [User()]}, ".u[0] is a User"),
        ("pickle", [0, {"f": lambda: None}], "[1].f is a function"),
    ],
)
def test_path_with_other_serializers(serializer: str, value: Any, text: str) -> None:
    with pytest.raises(EncodeError) as caught:
        dumps(value, serializer)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("serializer", ["json", "msgpack", "yaml", "pickle"])
def test_endless_depth(serializer: str) -> None:
    with pytest.raises(EncodeError):
        dumps(deep, serializer)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-msgpack", b"\x91" * 100_000),
        ("application/x-yaml", b"[" * 20_000),
        ("application/x-msgpack", b"\xc1"),
        ("application/x-msgpack", b""),
        ("application/x-msgpack", b"\x01\x01"),
        ("application/x-yaml", b"a: ["),
        ("application/x-yaml", b"!!python/object/apply:os.getcwd []"),
        ("application/x-python-serialize", b"\x80\x04"),
        ("application/x-python-serialize", b"cno_such_module\nX\n."),
    ],
)
def test_bad_bodies(content_type: str, body: bytes) -> None:
    with pytest.raises(DecodeError, match=content_type):
        loads(body, content_type, accept=[content_type])


class TimeUp(Exception):
    """Raised by a signal handler in the middle of whatever runs."""


class Interrupted:
    def __json__(self) -> Any:
        raise TimeUp


def test_errors_that_are_not_about_the_data_pass() -> None:
    """A soft time limit that strikes during an encode must not become an encode error."""
    with pytest.raises(TimeUp):
        dumps([Interrupted()])


def test_values_are_not_shown() -> None:
    class Secret:
        def __repr__(self) -> str:
            return "topsecret"

    with pytest.raises(EncodeError) as caught:
        Serializers().dumps({"k": Secret()})
    assert "topsecret" not in str(caught.value)

"""Exceptions as data and back: whatever they do, writing works and reading imports nothing."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cicely import exceptions
from cicely.backends.exception_map import exception_to_map, map_to_exception
from cicely_transports import errors
from cicely_transports.serialization import dumps, loads


class Coded(Exception):
    """Words its own message from other arguments."""

    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(f"code {code}: {hint}")
        self.code = code


class Wordy(Exception):
    def __init__(self, code: object) -> None:
        super().__init__(f"code {code}")


class NeedsState(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__("x")
        self.a, self.b = a, b

    def __str__(self) -> str:
        return f"{self.a}/{self.b}"


class Broken(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")


class NoArgs(Exception):
    args = None  # type: ignore[assignment]  # a mistake that user code can make


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError("no")


class Outer:
    class Inner(Exception):
        pass

    attribute = 1


def round_trip(exc: BaseException) -> BaseException:
    encoded = dumps(exception_to_map(exc))
    return map_to_exception(loads(encoded.body, encoded.content_type, encoded.content_encoding))


def test_keys_and_their_order_are_celerys() -> None:
    assert list(exception_to_map(ValueError("boom", 42)).items()) == [
        ("exc_type", "ValueError"),
        ("exc_message", ["boom", 42]),
        ("exc_module", "builtins"),
    ]


@pytest.mark.parametrize("exc", [ValueError("boom", 42), KeyError("k"), Outer.Inner(1), OSError(2, "gone")])
def test_round_trip_keeps_class_and_args(exc: Exception) -> None:
    back = round_trip(exc)
    assert type(back) is type(exc)
    assert back.args == exc.args


def test_args_that_cannot_be_written_become_their_repr() -> None:
    data = exception_to_map(ValueError("fine", {"a": object}, Unprintable()))
    assert data["exc_message"][:2] == ["fine", "{'a': <class 'object'>}"]
    assert "Unprintable" in data["exc_message"][2]
    assert round_trip(ValueError(object)).args == ("<class 'object'>",)


def test_a_foreign_constructor_keeps_the_class() -> None:
    back = round_trip(Coded(7, hint="ouch"))
    assert type(back) is Coded
    assert str(back) == "code 7: ouch"


def test_a_constructor_does_not_word_the_message_twice() -> None:
    assert str(round_trip(Wordy(5))) == "code 5"


def test_a_str_that_needs_the_constructor_is_replaced() -> None:
    back = round_trip(NeedsState(1, 2))
    assert isinstance(back, NeedsState)
    assert str(back) == "x"
    assert repr(back) == "NeedsState('x')"


@pytest.mark.parametrize("exc", [Broken(), NoArgs()])
def test_broken_exceptions_are_carried(exc: Exception) -> None:
    assert type(round_trip(exc)).__name__ == type(exc).__name__


def test_notes_and_groups() -> None:
    inner = KeyError("k")
    inner.add_note("look here")
    back = round_trip(ExceptionGroup("several", [inner, ExceptionGroup("deep", [ValueError(object)])]))
    assert isinstance(back, ExceptionGroup)
    assert back.message == "several"
    first, second = back.exceptions
    assert isinstance(first, KeyError)
    assert first.__notes__ == ["look here"]
    assert isinstance(second, ExceptionGroup)
    assert second.exceptions[0].args == ("<class 'object'>",)


def test_groups_of_endless_depth_end() -> None:
    exc: Exception = ValueError("x")
    for _ in range(40):
        exc = ExceptionGroup("g", [exc])
    assert isinstance(round_trip(exc), ExceptionGroup)


@pytest.mark.parametrize(
    ("exc", "module", "name"),
    [
        (exceptions.TaskRevokedError("revoked"), "celery.exceptions", "TaskRevokedError"),
        (exceptions.Reject("no", False), "celery.exceptions", "Reject"),
        (exceptions.NotRegistered("no.such.task"), "celery.exceptions", "NotRegistered"),
        (exceptions.CicelyError("x"), "celery.exceptions", "CeleryError"),
        (exceptions.SoftTimeLimitExceeded(), "billiard.exceptions", "SoftTimeLimitExceeded"),
        (exceptions.TimeLimitExceeded(2), "billiard.exceptions", "TimeLimitExceeded"),
        (exceptions.WorkerLostError("gone"), "billiard.exceptions", "WorkerLostError"),
        (exceptions.Terminated(9), "billiard.exceptions", "Terminated"),
        (errors.OperationalError("away"), "kombu.exceptions", "OperationalError"),
        (errors.PublishTimeout("late"), "cicely_transports.errors", "PublishTimeout"),
    ],
)
def test_own_exceptions_have_celerys_names_on_the_wire(exc: Exception, module: str, name: str) -> None:
    data = exception_to_map(exc)
    assert (data["exc_module"], data["exc_type"]) == (module, name)
    back = map_to_exception(data)
    assert type(back) is type(exc)
    assert back.args == exc.args


def test_nothing_is_imported() -> None:
    name = "wsgiref.handlers"
    assert name not in sys.modules
    back = map_to_exception({"exc_type": "Error", "exc_message": ["m"], "exc_module": name})
    assert name not in sys.modules
    assert (type(back).__name__, type(back).__module__, back.args) == ("Error", name, ("m",))
    assert type(map_to_exception({"exc_type": "X", "exc_message": [], "exc_module": None})).__name__ == "X"


def test_lazy_module_attributes_are_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)("lazy_module_of_a_test")

    def lazy(name: str) -> Any:
        raise AssertionError(f"{name} was looked up by __getattr__")

    module.__getattr__ = lazy  # type: ignore[method-assign]  # what PEP 562 calls for
    monkeypatch.setitem(sys.modules, module.__name__, module)
    map_to_exception({"exc_type": "X", "exc_message": [], "exc_module": module.__name__})


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("builtins", "int"), (__name__, "Outer.attribute")],
)
def test_what_is_no_exception_is_refused(module: str, name: str) -> None:
    with pytest.raises(exceptions.SecurityError, match=name):
        map_to_exception({"exc_type": name, "exc_message": ["true"], "exc_module": module})


@pytest.mark.parametrize(
    ("message", "args"), [("text", ("text",)), ({"a": 1}, ({"a": 1},)), (["a", 1], ("a", 1))]
)
def test_a_message_that_is_no_list_is_one_argument(message: Any, args: tuple[Any, ...]) -> None:
    back = map_to_exception({"exc_type": "ValueError", "exc_message": message, "exc_module": "builtins"})
    assert back.args == args


@pytest.mark.parametrize("data", ["text", 3, [], {}, {"exc_message": ["x"]}, {"exc_type": None}])
def test_no_map_is_an_error(data: Any) -> None:
    with pytest.raises(exceptions.DecodeError, match="exc_type"):
        map_to_exception(data)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "", "x.<locals>.Y", "Ünicode"])
def test_odd_names_do_not_break_the_reader(name: str) -> None:
    assert map_to_exception({"exc_type": name, "exc_message": ["m"], "exc_module": "gone"}).args == ("m",)


@pytest.mark.parametrize("module", [3, ["x"], {"a": 1}])
def test_odd_modules_do_not_break_the_reader(module: Any) -> None:
    assert map_to_exception({"exc_type": "X", "exc_message": [], "exc_module": module}).args == ()


def test_celerys_wrapper_of_unpicklable_ones_is_unwrapped() -> None:
    text = "MyErr({'a': <object object at 0x7efec8a60770>}, 'x')"
    back = map_to_exception(
        {
            "exc_type": "UnpickleableExceptionWrapper",
            "exc_message": ["capapp", "MyErr", "({'a': <object object at 0x7efec8a60770>}, 'x')", text],
            "exc_module": "celery.utils.serialization",
        }
    )
    assert (type(back).__module__, type(back).__name__, str(back)) == ("capapp", "MyErr", text)

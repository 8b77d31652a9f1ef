"""Options of a transport: known names only, typed values, secrets not shown."""

from __future__ import annotations

from typing import Any

import pytest

from cicely_transports.errors import InvalidURL
from cicely_transports.url_options import bool_option, check_options, float_option, int_option, text_option


def test_unknown_option_has_the_near_name() -> None:
    check_options(["timeout"], ["timeout", "lease"], "memory")
    with pytest.raises(InvalidURL, match="memory transport has no option 'timeuot'; did you mean 'timeout'"):
        check_options(["timeuot"], ["timeout", "lease"], "memory")
    with pytest.raises(InvalidURL, match="it has: lease, timeout"):
        check_options(["zzz"], ["timeout", "lease"], "memory")
    with pytest.raises(InvalidURL, match="it has none"):
        check_options(["zzz"], [], "memory")


@pytest.mark.parametrize("value", ["2.5", 2.5])
def test_float_from_text_or_number(value: Any) -> None:
    assert float_option({"t": value}, "t", 1.0) == 2.5
    assert float_option({}, "t", 1.0) == 1.0


@pytest.mark.parametrize("value", ["x", "nan", "inf", [], "-1"])
def test_float_refuses(value: Any) -> None:
    with pytest.raises(InvalidURL, match="'t'"):
        float_option({"t": value}, "t", 1.0, minimum=0)


def test_int() -> None:
    assert int_option({"n": "7"}, "n", 1) == 7
    assert int_option({"n": 7.0}, "n", 1) == 7
    assert int_option({}, "n", 1) == 1
    for value in ("7.5", 7.5, "x", None.__class__, float("inf")):
        with pytest.raises(InvalidURL, match="'n' needs a whole number"):
            int_option({"n": value}, "n", 1)
    with pytest.raises(InvalidURL, match="at least 1"):
        int_option({"n": "0"}, "n", 1, minimum=1)


def test_bool() -> None:
    assert [bool_option({"b": text}, "b", False) for text in ("1", "TRUE", "yes", "on", True)] == [True] * 5
    assert [bool_option({"b": text}, "b", True) for text in ("0", "False", "no", "off", False)] == [False] * 5
    assert bool_option({}, "b", True) is True
    with pytest.raises(InvalidURL, match="true or false"):
        bool_option({"b": "maybe"}, "b", True)


def test_text() -> None:
    assert text_option({"s": "full"}, "s", "normal", choices=("normal", "full")) == "full"
    assert text_option({}, "s", "normal", choices=("normal", "full")) == "normal"
    with pytest.raises(InvalidURL, match="one of normal, full"):
        text_option({"s": "half"}, "s", "normal", choices=("normal", "full"))
    with pytest.raises(InvalidURL, match="needs a text"):
        text_option({"s": 1}, "s", "normal")

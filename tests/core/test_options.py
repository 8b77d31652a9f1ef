from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cicely.exceptions import UnknownOption
from cicely.options import Options


def test_a_typo_is_an_error_with_the_near_name() -> None:
    with pytest.raises(UnknownOption, match=r"'countdwon' is not an option .*did you mean 'countdown'"):
        Options.of({"countdwon": 3})


def test_unknown_option_is_a_type_error_as_for_any_function() -> None:
    with pytest.raises(TypeError):
        Options.of({"nonsense": 1})


def test_options_of_celery_that_mean_nothing_here_say_what_to_do() -> None:
    with pytest.raises(UnknownOption, match=r"'producer' is not supported: .*leave it out"):
        Options.of({"producer": object()})


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"countdown": "3"}, TypeError, "countdown must be a number of seconds"),
        ({"countdown": True}, TypeError, "countdown must be a number of seconds"),
        ({"eta": 3}, TypeError, "for seconds use countdown"),
        ({"expires": []}, TypeError, "expires must be"),
        ({"priority": "high"}, TypeError, "priority must be an integer"),
        ({"priority": -1}, ValueError, "must not be negative"),
        ({"priority": 256}, ValueError, "0 .last. to 9 .first."),
        ({"time_limit": -1}, ValueError, "must not be negative"),
        ({"task_id": 3}, TypeError, "task_id must be text"),
        ({"headers": 3}, TypeError, "headers must be a map"),
        ({"soft_time_limit": 3, "time_limit": 2}, ValueError, "less than or equal to time_limit"),
    ],
)
def test_values_are_checked(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Options.of(options)


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": 1.5, "priority": 9, "queue": None, "eta": None},
        {"eta": datetime.now(UTC), "expires": 3},
        {"expires": "2030-01-01T00:00:00"},
        {"soft_time_limit": 2, "time_limit": 2},
        {"MessageGroupId": "a"},
    ],
)
def test_good_values_pass(options: dict[str, Any]) -> None:
    checked = Options.of(options)
    for name, value in options.items():
        assert getattr(checked, name) == value


def test_what_is_not_said_is_none() -> None:
    assert Options.of({}).queue is None


def test_stamps_are_options_by_their_own_names() -> None:
    options = Options.of({"stamped_headers": ["a", "b"], "a": 1})
    assert options.stamps == {"a": 1}


def test_a_stamp_has_to_be_listed() -> None:
    with pytest.raises(UnknownOption):
        Options.of({"stamped_headers": ["a"], "b": 1})


def test_transport_options_are_apart() -> None:
    assert Options.of({"MessageGroupId": "g", "queue": "q"}).extra == {"MessageGroupId": "g"}

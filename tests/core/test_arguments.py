from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cicely.arguments import argument_check, positional_capacity


def plain(a: int, b: int = object(), *, c: str = "x") -> None: ...  # type: ignore[assignment]  # odd default


def everything(*args: int, **kwargs: int) -> None: ...


def strict_kinds(a: int, /, b: int, *, c: int) -> None: ...


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3), {}),
    ((1,), {"b": 2}),
    ((1,), {"c": 2}),
    ((1, 2), {"c": 2}),
    ((1,), {"a": 2}),
    ((), {"a": 2, "b": 1, "c": 3}),
    ((), {"z": 2}),
]


@pytest.mark.parametrize("function", [plain, everything, strict_kinds, lambda: None])
@pytest.mark.parametrize(("args", "kwargs"), CALLS)
def test_exactly_what_python_says(
    function: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    check = argument_check(function, "name")
    try:
        function(*args, **kwargs)
    except TypeError as exc:
        expected = str(exc).replace(function.__qualname__, "name")
        with pytest.raises(TypeError) as caught:
            check(*args, **kwargs)
        assert str(caught.value) == expected
    else:
        check(*args, **kwargs)


def test_what_hides_its_parameters_takes_anything() -> None:
    argument_check(dict.update, "update")(1, 2, a=3)


def test_capacity() -> None:
    assert positional_capacity(plain) == 2
    assert positional_capacity(strict_kinds) == 2
    assert positional_capacity(everything) == float("inf")
    assert positional_capacity(lambda: None) == 0

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely.reprs import saferepr


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((2, 3), "(2, 3)"),
        ((2,), "(2,)"),
        ((), "()"),
        ([1], "[1]"),
        ({}, "{}"),
        ({"y": 3}, "{'y': 3}"),
        (({"a": {"b": {"c": {"d": 1}}}}, "x\"'y"), "({'a': {'b': {...}}}, 'x\"\\'y')"),
        (("it's",), "('it\\'s',)"),
        ([[[[1]]]], "[[[[...]]]]"),
        ((b"abc",), "(b'abc',)"),
        ((b"\xff\x00",), "(b'ff00',)"),
        ({1}, "{1}"),
        (set(), "set()"),
        (None, "None"),
    ],
)
def test_text_as_on_the_wire(value: Any, text: str) -> None:
    assert saferepr(value, maxlevels=3) == text


def test_long_text_is_cut_and_says_so() -> None:
    text = saferepr(("x" * 5000,))
    assert text.startswith("('xxx")
    assert text.endswith("...',)")
    assert len(text) < 1040


def test_long_sequence_is_cut_and_says_so() -> None:
    text = saferepr(tuple(range(5000)))
    assert text.endswith(", ...)")
    assert len(text) < 1040


def test_a_container_in_itself_ends() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert saferepr(loop) == "[1, [...]]"


def test_a_failing_repr_does_no_harm() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no text")

    assert saferepr((1, Broken())) == "(1, <Unrepresentable 'Broken': ValueError>)"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=60,
    )
)
def test_length_is_bounded(value: Any) -> None:
    assert len(saferepr(value, maxlen=200)) < 400

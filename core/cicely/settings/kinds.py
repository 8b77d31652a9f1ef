"""Kinds of setting values: what is accepted, what it becomes, how it is read from text."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True, slots=True)
class Kind:
    """``name`` completes "takes ..." in error texts and in the docs.

    ``accept`` returns the value as it is stored and ``parse`` reads it from an environment variable or a
    command line; both raise TypeError or ValueError for what they cannot use.
    """

    name: str
    accept: Callable[[Any], Any]
    parse: Callable[[str], Any]

    def __or__(self, none: None) -> Kind:
        """The same kind, or None."""

        def accept(value: Any) -> Any:
            return None if value is None else self.accept(value)

        def parse(text: str) -> Any:
            return None if text.strip().lower() in {"", "none", "null"} else self.parse(text)

        return Kind(f"{self.name} or None", accept, parse)


def one_of(*choices: str) -> Kind:
    """Exactly one of some words."""

    def accept(value: Any) -> str:
        if isinstance(value, str) and value in choices:
            return value
        raise ValueError(value)

    return Kind("one of " + ", ".join(repr(choice) for choice in choices), accept, accept)


def _one_of_numbers(*choices: int) -> Kind:
    def accept(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and value in choices:
            return value
        raise ValueError(value)

    return Kind(" or ".join(map(str, choices)), accept, lambda text: accept(int(text)))


def _delivery_mode(value: Any) -> int:
    modes: dict[Any, int] = {"transient": 1, 1: 1, "persistent": 2, 2: 2}
    if isinstance(value, (str, int)) and value in modes:
        return modes[value]
    raise ValueError(value)


def _delivery_mode_text(text: str) -> int:
    return _delivery_mode(int(text) if text.isdigit() else text)


def _bool(value: Any) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    raise TypeError(value)


def _bool_text(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ValueError(text)


def _int(value: Any) -> int:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and int(value) == value:
        return int(value)
    raise TypeError(value)


def _float(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise TypeError(value)


def _number_text(text: str) -> float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _seconds(value: Any) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else _float(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    raise TypeError(value)


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if isinstance(value, (list, tuple, set, frozenset)) and all(isinstance(item, str) for item in value):
        return tuple(sorted(value) if isinstance(value, (set, frozenset)) else value)
    raise TypeError(value)


def _texts_text(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _url(value: Any) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else _texts(value)


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    raise TypeError(value)


def _mapping_text(text: str) -> Any:
    return _mapping(json.loads(text))


def _flag_or_mapping(value: Any) -> Any:
    return value if isinstance(value, Mapping) else _bool(value)


def _rate(value: Any) -> Any:
    return value if isinstance(value, str) else _float(value)


def _count(value: Any) -> Any:
    return value if value == "auto" else _int(value)


def _count_text(text: str) -> Any:
    return text if text == "auto" else int(text)


def _importable(value: Any) -> Any:
    if isinstance(value, str) or callable(value):
        return value
    raise TypeError(value)


def _many(value: Any) -> Any:
    if isinstance(value, (str, Mapping, list, tuple, set, frozenset)):
        return value
    raise TypeError(value)


def _any(value: Any) -> Any:
    return value


BOOL = Kind("True or False", _bool, _bool_text)
INT = Kind("a whole number", _int, int)
FLOAT = Kind("a number", _float, _number_text)
SECONDS = Kind("seconds (number or timedelta)", _seconds, _number_text)
TEXT = Kind("text", _text, str)
TEXTS = Kind("a list of text", _texts, _texts_text)
URL = Kind("a URL, or a list of URLs", _url, str)
MAPPING = Kind("a dict", _mapping, _mapping_text)
TLS = Kind("True, False or a dict of TLS options", _flag_or_mapping, _bool_text)
RATE = Kind("text such as '10/m', or a number per second", _rate, str)
COUNT = Kind("a whole number or 'auto'", _count, _count_text)
PROTOCOL = _one_of_numbers(1, 2)
DELIVERY_MODE = Kind("1 ('transient') or 2 ('persistent')", _delivery_mode, _delivery_mode_text)
IMPORTABLE = Kind("a class or function, or its import path", _importable, str)
COLLECTION = Kind("a list or a dict", _many, str)
ANY = Kind("anything", _any, str)

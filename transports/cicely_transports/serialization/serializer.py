"""One serializer: a name, a content type, and two functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

#: Encodings that mean "leave the bytes alone" (wire-compat section 2.1).
BINARY = frozenset({"binary", "ascii-8bit"})

#: What a codec raises when data or bytes are at fault, as far as its own functions are concerned.
DATA_ERRORS: tuple[type[Exception], ...] = (
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)


class Encoded(NamedTuple):
    """A body ready to travel, and how to read it."""

    content_type: str
    content_encoding: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Serializer:
    """``encode`` takes any value and gives text or bytes; ``decode`` gets text if ``content_encoding``
    is a text encoding, else bytes. Exceptions in ``errors`` mean that the value or the bytes are bad;
    others pass unchanged.
    """

    name: str
    content_type: str
    content_encoding: str
    encode: Callable[[Any], str | bytes]
    decode: Callable[[Any], Any]
    errors: tuple[type[Exception], ...] = DATA_ERRORS

"""Bounded text of arguments for people: ``argsrepr``, ``kwargsrepr``, summaries (wire-compat section 1.5).

The text looks like ``repr()``, stops at a number of characters and of nesting levels, and never
raises: the repr of a foreign object may fail, and a message must not fail with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Default bounds: characters of the whole text, levels of containers inside each other.
MAX_LENGTH = 1024
MAX_LEVELS = 3

_PLAIN = frozenset({int, float, bool, type(None), str})
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def saferepr(value: Any, maxlen: int = MAX_LENGTH, maxlevels: int = MAX_LEVELS) -> str:
    """Text of ``value``: about ``maxlen`` characters, ``maxlevels`` containers deep."""
    kind = type(value)
    items = value.values() if kind is dict else value if kind is tuple or kind is list else (value,)
    if _PLAIN.issuperset(map(type, items)) and (kind is not dict or _PLAIN.issuperset(map(type, value))):
        text = repr(value)
        # Double quotes appear where Python prefers them; the wire has single ones only.
        if len(text) <= maxlen and '"' not in text:
            return text
    return _Writer(maxlen).write(value, maxlevels)


class _Writer:
    """Spends a budget of characters on a value."""

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._parts: list[str] = []
        self._open: set[int] = set()

    def write(self, value: Any, levels: int) -> str:
        self._value(value, levels)
        return "".join(self._parts)

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._left -= len(text)

    def _value(self, value: Any, levels: int) -> None:
        kind = type(value)
        if kind is str:
            self._quoted("", value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n"))
        elif kind is bytes or kind is bytearray or kind is memoryview:
            self._bytes(bytes(value[: max(self._left, 0) + 1]))
        elif kind is dict:
            self._container("{", "}", value, levels, value)
        elif kind in _BRACKETS:
            if not value and kind in (set, frozenset):
                self._put(f"{kind.__name__}()")
            else:
                opening, closing = _BRACKETS[kind]
                closing = "," + closing if kind is tuple and len(value) == 1 else closing
                self._container(opening, closing, value, levels, None)
        else:
            self._foreign(value)

    def _container(
        self, opening: str, closing: str, items: Iterable[Any], levels: int, mapping: dict[Any, Any] | None
    ) -> None:
        identity = id(items)
        if (levels <= 0 and items) or identity in self._open:
            self._put(f"{opening}...{closing.lstrip(',')}")
            return
        self._open.add(identity)
        self._put(opening)
        first = True
        for item in items:
            if not first:
                self._put(", ")
            first = False
            if self._left <= 0:
                self._put("...")
                closing = closing.lstrip(",")
                break
            self._value(item, levels - 1)
            if mapping is not None:
                self._put(": ")
                self._value(mapping[item], levels - 1)
        self._put(closing)
        self._open.discard(identity)

    def _quoted(self, prefix: str, text: str) -> None:
        room = max(self._left, 0)
        self._put(f"{prefix}'{text}'" if len(text) <= room else f"{prefix}'{text[:room]}...'")

    def _bytes(self, value: bytes) -> None:
        try:
            self._quoted("b", value.decode("utf-8").replace("'", "\\'"))
        except UnicodeDecodeError:
            self._quoted("b", value.hex())

    def _foreign(self, value: Any) -> None:
        try:
            text = repr(value)
        except Exception as exc:  # noqa: BLE001 - foreign code; what went wrong becomes the text
            text = f"<Unrepresentable {type(value).__name__!r}: {type(exc).__name__}>"
        room = max(self._left, 0)
        self._put(text if len(text) <= room else f"{text[:room]}...")

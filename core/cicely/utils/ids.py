"""Identifiers."""

from __future__ import annotations

from os import urandom

_VARIANT = "89ab"


def uuid() -> str:
    """A new random UUID (version 4) as text, as task ids are by default."""
    text = urandom(16).hex()
    variant = _VARIANT[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"

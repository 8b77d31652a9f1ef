"""JSON as Celery writes it, with wrapped Python types (wire-compat sections 2.1 and 2.2).

A map with exactly the keys ``__type__`` and ``__value__`` stands for one value. Beside Celery's types
there are ``set`` and ``frozenset``, written as ``{"__type__": "set", "__value__": [...]}``: a Celery
peer that does not know them refuses the message instead of taking a list for a set, and learns them by
``kombu.utils.json.register_type(set, "set", list, set)``. Lists inside a set are read as tuples.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from cicely_transports.errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TYPE, VALUE = "__type__", "__value__"


class JsonCodec:
    """Encoder and decoder with a table of wrapped types. Safe to share between threads.

    An object of an unknown type is written as what its ``__json__()`` returns.
    """

    def __init__(self) -> None:
        self._writers: dict[type, tuple[str | None, Callable[[Any], Any]]] = {}
        self._readers: dict[str, Callable[[Any], Any]] = {}
        self.register_type(datetime, "datetime", datetime.isoformat, datetime.fromisoformat)
        self.register_type(date, "date", date.isoformat, date.fromisoformat)
        self.register_type(time, "time", time.isoformat, time.fromisoformat)
        self.register_type(Decimal, "decimal", str, Decimal)
        self.register_type(UUID, "uuid", lambda value: {"hex": value.hex}, _read_uuid)
        self.register_type(set, "set", list, _read_set)
        self.register_type(frozenset, "frozenset", list, lambda value: frozenset(map(_hashable, value)))
        for kind in (bytes, bytearray, memoryview):
            self._writers[kind] = (None, _wrap_bytes)
        self._readers["bytes"] = str.encode
        self._readers["base64"] = lambda value: b64decode(value, validate=True)
        # Without the check for circles each call allocates less; a circle ends in RecursionError.
        self.encode: Callable[[Any], str] = json.JSONEncoder(default=self._write, check_circular=False).encode
        self._plain = json.JSONDecoder()
        self._wrapped = json.JSONDecoder(object_hook=self._read)

    def register_type(
        self, kind: type[T], marker: str, encoder: Callable[[T], Any], decoder: Callable[[Any], T]
    ) -> None:
        """Write ``kind`` and its subclasses as ``encoder(value)`` under ``marker``; read by ``decoder``."""
        if marker in {"bytes", "base64"}:
            raise MisuseError(f"the marker {marker!r} is taken by bytes")
        self._writers[kind] = (marker, encoder)
        self._readers[marker] = decoder

    def decode(self, text: str) -> Any:
        """Raises ValueError for what is not JSON, for an unknown marker and for a value that does not fit."""
        decoder = self._wrapped if TYPE in text else self._plain
        try:
            found, end = decoder.raw_decode(text)
        except json.JSONDecodeError:
            return decoder.decode(text)  # white space in front, or the exact error
        return found if end == len(text) else decoder.decode(text)

    def _write(self, value: Any) -> Any:
        found = self._writers.get(type(value))
        if found is None:
            to_json = getattr(value, "__json__", None)
            if to_json is not None:
                return to_json()
            found = next((self._writers[kind] for kind in type(value).__mro__ if kind in self._writers), None)
            if found is None:
                raise TypeError(f"{type(value).__qualname__} has no JSON form")
        marker, encoder = found
        return encoder(value) if marker is None else {TYPE: marker, VALUE: encoder(value)}

    def _read(self, found: dict[str, Any]) -> Any:
        if len(found) != 2 or TYPE not in found or VALUE not in found:
            return found
        reader = self._readers.get(found[TYPE])
        if reader is None:
            raise ValueError(f"unknown __type__ {found[TYPE]!r}: register it with register_type()")
        return reader(found[VALUE])


def _wrap_bytes(value: bytes | bytearray | memoryview) -> dict[str, str]:
    data = bytes(value)
    try:
        return {TYPE: "bytes", VALUE: data.decode()}
    except UnicodeDecodeError:
        return {TYPE: "base64", VALUE: b64encode(data).decode()}


def _read_uuid(value: Any) -> UUID:
    return UUID(**value) if isinstance(value, dict) else UUID(value)


def _read_set(value: Any) -> set[Any]:
    return set(map(_hashable, value))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value

"""The registry: serializers by name and content type, and which of them may be read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

from cicely_transports.errors import ContentDisallowed, DecodeError, EncodeError, MisuseError, TransportError
from cicely_transports.near import did_you_mean

from .culprit import find_culprit
from .extras import msgpack_decode, msgpack_encode, yaml_decode, yaml_encode
from .json import JsonCodec
from .pickling import PICKLE_ERRORS, pickle_decode, pickle_encode
from .serializer import BINARY, DATA_ERRORS, Encoded, Serializer

#: Content types that need no permission: their bytes are handed over as they are (wire-compat 2.1).
TRUSTED = frozenset({"application/data", "application/text"})

#: Serializer names that mean "no serializer": the caller's bytes or text are the body.
RAW = frozenset({"raw", "none"})

#: Where the error text for a value of endless depth points to.
MAX_DEPTH = 500

_encoded: Callable[[tuple[str, str, bytes]], Encoded] = partial(tuple.__new__, Encoded)


class Serializers:
    """A set of serializers: json, msgpack, yaml and pickle at first, of which only json may be read."""

    def __init__(self) -> None:
        self.json = JsonCodec()
        self._by_name: dict[str, Serializer] = {}
        self._by_type: dict[str, Serializer] = {}
        self._enabled: set[str] = {"text/plain"}
        for item in (
            Serializer("json", "application/json", "utf-8", self.json.encode, self.json.decode),
            Serializer("msgpack", "application/x-msgpack", "binary", msgpack_encode, msgpack_decode),
            Serializer("yaml", "application/x-yaml", "utf-8", yaml_encode, yaml_decode),
            Serializer(
                "pickle",
                "application/x-python-serialize",
                "binary",
                pickle_encode,
                pickle_decode,
                PICKLE_ERRORS,
            ),
        ):
            self._add(item)
        self.enable("json")

    def names(self) -> list[str]:
        """Registered names, sorted, without those for raw bodies."""
        return sorted(self._by_name)

    def register(
        self,
        name: str,
        encoder: Callable[[Any], str | bytes],
        decoder: Callable[[Any], Any],
        content_type: str,
        content_encoding: str = "utf-8",
        *,
        errors: tuple[type[Exception], ...] = (Exception,),
    ) -> None:
        """Add a serializer, or replace one of the same name or content type; it may be read at once.

        ``errors``: what the functions raise when the value or the bytes are at fault.
        """
        if name in RAW:
            raise MisuseError(f"the serializer name {name!r} is taken: it means the body as it is")
        for other in (self._by_name.get(name), self._by_type.get(content_type)):
            if other is not None:
                self._drop(other)
        self._add(Serializer(name, content_type, content_encoding, encoder, decoder, errors))
        self._enabled.add(content_type)

    def unregister(self, name: str) -> None:
        """Remove a serializer. Raises MisuseError if there is none of that name."""
        self._drop(self._named(name))

    def enable(self, name: str) -> None:
        """Let this serializer (name or content type) be read where no ``accept`` is given."""
        self._enabled.add(self.content_type(name))

    def disable(self, name: str) -> None:
        """Opposite of :meth:`enable`."""
        self._enabled.discard(self.content_type(name))

    def content_type(self, name: str) -> str:
        """The content type of a name; a content type stands for itself. Raises MisuseError."""
        if "/" in name:
            return name
        return "application/data" if name in RAW else self._named(name).content_type

    def content_types(self, names: Iterable[str]) -> frozenset[str]:
        """An ``accept`` list of names and content types as content types. Raises MisuseError."""
        return frozenset(map(self.content_type, names))

    def dumps(self, data: Any, serializer: str | None = "json", *, roots: Sequence[str] = ()) -> Encoded:
        """Write ``data``. With None, bytes and text stay as they are and the rest is json.

        ``roots`` name the items of ``data`` in an error text: ``("args", "kwargs")``. Raises
        EncodeError, which gives the path of what cannot be written, MisuseError for an unknown name,
        MissingDependency.
        """
        found = self._by_name.get(serializer or "")
        if found is None:
            if serializer is None and not isinstance(data, str | bytes):
                return self.dumps(data, roots=roots)
            return self._raw(data, serializer)
        try:
            body = found.encode(data)
        except (TransportError, MemoryError):
            raise
        except found.errors as exc:
            raise EncodeError(self._explain(found, data, roots, exc)) from exc
        if body.__class__ is str:
            body = body.encode()
        return _encoded((found.content_type, found.content_encoding, body))  # type: ignore[arg-type]

    def loads(
        self,
        body: str | bytes | bytearray | memoryview,
        content_type: str | None = "application/json",
        content_encoding: str | None = "utf-8",
        *,
        accept: Collection[str] | None = None,
    ) -> Any:
        """Read a body. A missing content type is raw data.

        ``accept``: names and content types that may be read; None is what is enabled. Raises
        ContentDisallowed, DecodeError, MissingDependency.
        """
        content_type = content_type or "application/data"
        found = self._by_type.get(content_type)
        name = None if found is None else found.name
        allowed = self._enabled if accept is None else accept
        if content_type not in allowed and name not in allowed and content_type not in TRUSTED:
            raise ContentDisallowed(self._refusal(content_type, name, allowed))
        errors = DATA_ERRORS if found is None else found.errors
        try:
            if found is None:
                return _text_or_bytes(body, content_encoding)
            if found.content_encoding not in BINARY and not isinstance(body, str):
                if not content_encoding or content_encoding in BINARY:
                    content_encoding = found.content_encoding
                body = str(body, content_encoding)
            return found.decode(body)
        except (TransportError, MemoryError):
            raise
        except errors as exc:
            raise DecodeError(f"the body is not {content_type}: {type(exc).__name__}: {exc}") from exc

    def _raw(self, data: Any, serializer: str | None) -> Encoded:
        if serializer is not None and serializer not in RAW:
            self._named(serializer)
        if isinstance(data, str):
            return Encoded("application/data" if serializer else "text/plain", "utf-8", data.encode())
        if isinstance(data, bytes | bytearray | memoryview):
            return Encoded("application/data", "binary", bytes(data))
        raise EncodeError(f"a raw body must be bytes or text, not {type(data).__qualname__}")

    def _named(self, name: str) -> Serializer:
        found = self._by_name.get(name)
        if found is None:
            hint = did_you_mean(name, [*self._by_name, *RAW]) or f"; there are {', '.join(self.names())}"
            raise MisuseError(f"no serializer is called {name!r}{hint}")
        return found

    def _add(self, item: Serializer) -> None:
        self._by_name[item.name] = self._by_type[item.content_type] = item

    def _drop(self, item: Serializer) -> None:
        self._by_name.pop(item.name, None)
        self._by_type.pop(item.content_type, None)
        self._enabled.discard(item.content_type)

    def _explain(self, item: Serializer, data: Any, roots: Sequence[str], exc: Exception) -> str:
        depth = MAX_DEPTH if isinstance(exc, RecursionError) else None
        culprit = find_culprit(item.encode, item.errors, data, roots, depth)
        if culprit is None:
            return f"{item.name} cannot write this: {type(exc).__name__}: {exc}"
        remedy = "pass an id or plain data instead"
        if item.name == "json":
            remedy += ", or teach json the type with register_type()"
        return f"{culprit.path} {culprit.problem}, which {item.name} cannot write: {remedy}"

    def _refusal(self, content_type: str, name: str | None, allowed: Collection[str]) -> str:
        what = f"{content_type} ({name})" if name else content_type
        return f"content type {what} is refused: accepted are {', '.join(sorted(allowed)) or 'none'}"


def _text_or_bytes(body: str | bytes | bytearray | memoryview, encoding: str | None) -> str | bytes:
    if isinstance(body, str):
        return body
    return bytes(body) if encoding in BINARY else str(body, encoding or "utf-8")

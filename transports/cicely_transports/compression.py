"""Compressed bodies, by the names and content types of wire-compat section 2.3.

``gzip`` and ``zlib`` both mean a zlib stream. The content type travels in the header ``compression``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from .errors import DecodeError, MissingDependency, MisuseError
from .near import did_you_mean

#: Bytes that a body may grow to unless the caller says otherwise: a small message must not fill memory.
DEFAULT_LIMIT = 256 * 1024 * 1024

#: Input is fed in pieces of this size to libraries that cannot bound their output: at most some
#: 100 MiB come out of one.
PIECE = 64

#: What a dictionary of lzma may take: its highest preset needs 65 MiB.
LZMA_MEMORY = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Compression:
    """One method. ``expand`` takes body and limit, and gives the data, perhaps some more than the
    limit, and whether the stream came to its end. It raises ValueError for what is not such a stream.
    """

    content_type: str
    shrink: Callable[[bytes], bytes]
    expand: Callable[[bytes, int], tuple[bytes, bool]]


def compress(body: bytes, name: str) -> tuple[bytes, str]:
    """The compressed body and the content type for its header.

    Raises MisuseError for an unknown name, MissingDependency.
    """
    found = METHODS.get(name.lower())
    if found is None:
        hint = did_you_mean(name, METHODS) or f"; there are {', '.join(sorted(METHODS))}"
        raise MisuseError(f"no compression is called {name!r}{hint}")
    return found.shrink(body), found.content_type


def decompress(
    body: bytes | bytearray | memoryview, content_type: str, *, limit: int = DEFAULT_LIMIT
) -> bytes:
    """The body as it was before compression, at most ``limit`` bytes.

    Raises DecodeError (not such a stream, cut off, too large, unknown content type), MissingDependency.
    """
    found = BY_TYPE.get(content_type) or METHODS.get(content_type)
    if found is None:
        raise DecodeError(f"the body has the unknown compression {content_type!r}")
    try:
        data, finished = found.expand(bytes(body), limit)
    except (ValueError, OSError, EOFError, zlib.error) as exc:
        raise DecodeError(f"the body is not {content_type}: {exc}") from exc
    if len(data) > limit:
        raise DecodeError(f"the body is larger than {limit} bytes when decompressed")
    if not finished:
        raise DecodeError(f"the {content_type} body is cut off")
    return data


def _library(name: str, extra: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as exc:
        raise MissingDependency(f"compression {extra!r} needs {name}: pip install 'cicely[{extra}]'") from exc


def _zlib_expand(body: bytes, limit: int) -> tuple[bytes, bool]:
    # Real gzip files are understood, too: other languages' producers take the name at its word.
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)
    return stream.decompress(body, limit + 1), stream.eof


def _bz2_shrink(body: bytes) -> bytes:
    packed: bytes = import_module("bz2").compress(body)
    return packed


def _bz2_expand(body: bytes, limit: int) -> tuple[bytes, bool]:
    stream = import_module("bz2").BZ2Decompressor()
    return stream.decompress(body, limit + 1), stream.eof


def _lzma_shrink(body: bytes) -> bytes:
    packed: bytes = import_module("lzma").compress(body)
    return packed


def _lzma_expand(body: bytes, limit: int) -> tuple[bytes, bool]:
    lzma = import_module("lzma")
    try:
        stream = lzma.LZMADecompressor(memlimit=max(limit, LZMA_MEMORY))
        return stream.decompress(body, limit + 1), stream.eof
    except lzma.LZMAError as exc:
        raise ValueError(str(exc)) from exc


def _brotli_shrink(body: bytes) -> bytes:
    packed: bytes = _library("brotli", "brotli").compress(body)
    return packed


def _brotli_expand(body: bytes, limit: int) -> tuple[bytes, bool]:
    brotli = _library("brotli", "brotli")
    stream = brotli.Decompressor()
    try:
        return _fed(stream.process, body, limit), stream.is_finished()
    except brotli.error as exc:
        raise ValueError(str(exc)) from exc


@cache  # failing to import costs more than compressing
def zstd_in_python() -> ModuleType | None:
    """Zstandard of Python 3.14 or its backport, which look alike."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def _zstd_shrink(body: bytes) -> bytes:
    zstd = zstd_in_python()
    packed: bytes = (
        zstd.compress(body) if zstd else _library("zstandard", "zstd").ZstdCompressor().compress(body)
    )
    return packed


def _zstd_expand(body: bytes, limit: int) -> tuple[bytes, bool]:
    zstd = zstd_in_python()
    library = zstd or _library("zstandard", "zstd")
    stream: Any = zstd.ZstdDecompressor() if zstd else library.ZstdDecompressor().decompressobj()
    try:
        data = stream.decompress(body, limit + 1) if zstd else _fed(stream.decompress, body, limit)
    except library.ZstdError as exc:
        raise ValueError(str(exc)) from exc
    return data, stream.eof


def _fed(expand: Callable[[bytes], bytes], body: bytes, limit: int) -> bytes:
    """Feed ``body`` piece by piece until more than ``limit`` bytes came out."""
    parts: list[bytes] = []
    size = 0
    for start in range(0, len(body), PIECE):
        parts.append(expand(body[start : start + PIECE]))
        size += len(parts[-1])
        if size > limit:
            break
    return b"".join(parts)


_ZLIB = Compression("application/x-gzip", zlib.compress, _zlib_expand)
_BZ2 = Compression("application/x-bz2", _bz2_shrink, _bz2_expand)
_LZMA = Compression("application/x-lzma", _lzma_shrink, _lzma_expand)
_BROTLI = Compression("application/x-brotli", _brotli_shrink, _brotli_expand)
_ZSTD = Compression("application/zstd", _zstd_shrink, _zstd_expand)

#: Methods by the names of the setting ``task_compression``.
METHODS: Mapping[str, Compression] = {
    "gzip": _ZLIB,
    "zlib": _ZLIB,
    "bzip2": _BZ2,
    "bzip": _BZ2,
    "bz2": _BZ2,
    "lzma": _LZMA,
    "xz": _LZMA,
    "brotli": _BROTLI,
    "zstd": _ZSTD,
    "zstandard": _ZSTD,
}

BY_TYPE: Mapping[str, Compression] = {method.content_type: method for method in METHODS.values()}

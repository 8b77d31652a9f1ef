"""Compression: Celery's formats, bounded output, errors for whatever is not such a stream."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
import zlib
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely_transports.compression import compress, decompress
from cicely_transports.errors import DecodeError, MissingDependency, MisuseError

WIRE = Path(__file__).parent.parent / "wire"
TYPES = {
    "gzip": "application/x-gzip",
    "zlib": "application/x-gzip",
    "bzip2": "application/x-bz2",
    "bzip": "application/x-bz2",
    "bz2": "application/x-bz2",
    "lzma": "application/x-lzma",
    "xz": "application/x-lzma",
    "brotli": "application/x-brotli",
    "zstd": "application/zstd",
    "zstandard": "application/zstd",
}
BODY = b'[[1, 2], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'

every_method = pytest.mark.parametrize("name", sorted(TYPES))


@every_method
@given(body=st.binary(max_size=2000))
def test_round_trip(name: str, body: bytes) -> None:
    packed, content_type = compress(body, name)
    assert content_type == TYPES[name]
    assert decompress(memoryview(packed), content_type) == body


@pytest.mark.parametrize("name", ["gzip", "zlib", "bzip2", "lzma"])
def test_captured_from_celery(name: str) -> None:
    envelope = json.loads(json.loads((WIRE / f"redis-task-compression-{name}.json").read_text())["raw"])
    packed, content_type = b64decode(envelope["body"]), envelope["headers"]["compression"]
    assert decompress(packed, content_type) == BODY
    assert compress(BODY, name) == (packed, content_type)


def test_formats() -> None:
    assert compress(BODY, "gzip")[0].startswith(b"\x78\x9c")
    assert zlib.decompress(compress(BODY, "zlib")[0]) == BODY
    assert bz2.decompress(compress(BODY, "bzip2")[0]) == BODY
    assert lzma.decompress(compress(BODY, "xz")[0], format=lzma.FORMAT_XZ) == BODY


def test_real_gzip_files_are_read() -> None:
    assert decompress(gzip.compress(BODY), "application/x-gzip") == BODY


@every_method
def test_a_bomb_is_refused(name: str) -> None:
    packed, content_type = compress(bytes(5_000_000), name)
    assert len(packed) < 10_000
    assert len(decompress(packed, content_type)) == 5_000_000
    with pytest.raises(DecodeError, match="larger than 1000000 bytes"):
        decompress(packed, content_type, limit=1_000_000)


@every_method
def test_the_limit_itself_is_allowed(name: str) -> None:
    packed, content_type = compress(b"x" * 1000, name)
    assert decompress(packed, content_type, limit=1000) == b"x" * 1000
    with pytest.raises(DecodeError):
        decompress(packed, content_type, limit=999)


@every_method
def test_garbage_and_cut_off_bodies(name: str) -> None:
    packed, content_type = compress(BODY * 20, name)
    for wrong in (b"", b"garbage", packed[:-1], packed[: len(packed) // 2]):
        with pytest.raises(DecodeError):
            decompress(wrong, content_type)


def test_large_incompressible_body() -> None:
    body = zlib.compress(bytes(range(256)) * 64) * 500
    for name in ("brotli", "zstd"):
        assert decompress(*compress(body, name)) == body


def test_unknown_names() -> None:
    with pytest.raises(MisuseError, match="no compression is called 'gzp'; did you mean 'gzip'"):
        compress(b"", "gzp")
    with pytest.raises(MisuseError, match="there are brotli, bz2"):
        compress(b"", "winrar")
    with pytest.raises(DecodeError, match="unknown compression 'application/x-rar'"):
        decompress(b"", "application/x-rar")


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("brotli", "brotli", "brotli"), ("zstd", "zstandard", "zstd")]
)
def test_missing_library_names_the_extra(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for absent in (module, "compression.zstd", "backports.zstd"):
        monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingDependency, match=rf"pip install 'cicely\[{extra}\]'"):
        compress(b"", name)
    with pytest.raises(MissingDependency, match=rf"cicely\[{extra}\]"):
        decompress(b"", TYPES[name])

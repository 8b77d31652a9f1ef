"""Descriptors between processes: passing them over a socket, and payloads that travel as one.

Large payloads are written into an anonymous file whose descriptor is passed (SCM_RIGHTS, unix(7)): on Linux
a sealed memfd (memfd_create(2)), elsewhere an unlinked temporary file.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import tempfile
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

#: Flag of recvmsg that keeps received descriptors from leaking into programs that tasks start.
CLOSE_ON_EXEC = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))

Ancillary = Sequence[tuple[int, int, bytes]]


def room_for(count: int) -> int:
    """Size of the ancillary buffer that ``count`` descriptors need."""
    return socket.CMSG_SPACE(count * array("i").itemsize)


def rights(fds: Iterable[int]) -> list[tuple[int, int, array[int]]]:
    """The ancillary data that passes these descriptors."""
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))]


def received(ancillary: Ancillary) -> list[int]:
    """Descriptors out of ancillary data; the caller owns them."""
    fds = array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def close_all(fds: Iterable[int]) -> None:
    """Close these descriptors."""
    for fd in fds:
        os.close(fd)


def write_payload(payload: bytes) -> int:
    """A descriptor that holds the payload; the caller owns it. Raises OSError."""
    if not hasattr(os, "memfd_create"):
        return _write_file(payload)
    fd = os.memfd_create("cicely-frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, len(payload))
        _write(fd, payload)
        # sealed, nothing can shrink the file under the reader's mapping
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_payload(fd: int, size: int, decode: Callable[[Any], T]) -> T:
    """What ``decode`` makes of the ``size`` bytes that the descriptor holds, mapped and not copied.

    ``decode`` keeps no reference to its argument. Raises ValueError when the size is another one.
    """
    actual = os.fstat(fd).st_size
    if size <= 0 or actual != size:
        raise ValueError(f"{size} bytes were announced, the descriptor holds {actual}")
    # private: before Linux 6.7 a shared mapping of a file sealed against writing is refused
    with mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as mapping:
        return decode(mapping)


def _write_file(payload: bytes) -> int:
    with tempfile.TemporaryFile(buffering=0) as file:
        _write(file.fileno(), payload)
        return os.dup(file.fileno())


def _write(fd: int, payload: bytes) -> None:
    rest = memoryview(payload)
    while rest:
        rest = rest[os.write(fd, rest) :]

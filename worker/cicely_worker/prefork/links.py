"""The connection between the consumer and one executor: whole frames over a socket pair.

On Linux a frame is one SOCK_SEQPACKET packet, so several processes may read one end without tearing a frame;
elsewhere frames have a length before them and one job at a time is on its way. Frames over
:attr:`Link.limit` travel as a descriptor, with their size in the packet.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from .descriptors import (
    CLOSE_ON_EXEC,
    Ancillary,
    close_all,
    read_payload,
    received,
    rights,
    room_for,
    write_payload,
)
from .frames import FrameError

T = TypeVar("T")
Decode = Callable[[Any], T]

#: Largest packet, in bytes.
PACKET = 65536
#: The executor holds so many frames unread at most; for packets the socket buffer is the limit.
UNLIMITED = 1 << 30

_ROOM = room_for(1)
# plain integers: the operators of flags are Python code, and run for every frame
_NOWAIT = int(socket.MSG_DONTWAIT)
_CUT = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
_SIZE = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")
_ATTACHED = 1 << 31
#: A reader that is slow or gone; ETOOMANYREFS: too many passed descriptors are not received yet.
_FULL = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS})
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN})
#: Seconds between tries when the kernel has no room that could be waited for.
_RETRY = 0.01


class Link(ABC):
    """One end. Owns its socket; belongs to one thread."""

    #: How many jobs may be with the executor at once.
    window: int = UNLIMITED

    def __init__(self, sock: socket.socket) -> None:
        # a default timeout set by an imported module must not apply here
        sock.setblocking(True)
        self._sock = sock
        self.limit = min(PACKET, sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 4)

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._sock.fileno()

    def detach(self) -> int:
        """Give the descriptor away; the link is closed."""
        return self._sock.detach()

    def close(self) -> None:
        """Close the socket. Repeating it is harmless."""
        self._sock.close()

    def end_sending(self) -> None:
        """The other side reads what is on its way, then the end."""
        self._shutdown(socket.SHUT_WR)

    def end_receiving(self) -> None:
        """Read what is here already, then the end; the other side can send no more."""
        self._shutdown(socket.SHUT_RD)

    def _shutdown(self, how: int) -> None:
        try:
            self._sock.shutdown(how)
        except OSError as error:
            if error.errno not in _GONE:
                raise

    @abstractmethod
    def offer(self, frames: Sequence[bytes]) -> int:
        """Send frames in order without waiting. Returns how many went; 0 also when the reader is gone.

        At most one frame that is over the limit goes per call. Raises OSError when there are no
        descriptors or no memory for it.
        """

    @abstractmethod
    def send(self, frame: bytes) -> bool:
        """Send one frame, waiting until there is room. Returns whether there is still a reader."""

    @abstractmethod
    def receive(self, decode: Decode[T]) -> T | None:
        """Wait for one frame and decode it; None at the end. Raises FrameError."""

    @abstractmethod
    def drain(self, decode: Decode[T], into: list[T], most: int) -> bool:
        """Append up to ``most`` frames that are here already. Returns whether more may come.

        Raises FrameError; what came before the bad frame is in ``into``.
        """

    def _send_attached(self, head: bytes, frame: bytes, flags: int = 0) -> None:
        fd = write_payload(frame)
        try:
            self._sock.sendmsg([head + _SIZE.pack(len(frame))], rights([fd]), flags)
        finally:
            close_all([fd])


class PacketLink(Link):
    """Frames as packets."""

    def offer(self, frames: Sequence[bytes]) -> int:
        send, limit = self._sock.send, self.limit
        sent = 0
        try:
            for frame in frames:
                if len(frame) > limit:
                    self._send_attached(b"", frame, _NOWAIT)
                    return sent + 1
                send(frame, _NOWAIT)
                sent += 1
        except OSError as error:
            if error.errno not in _FULL and error.errno not in _GONE:
                raise
        return sent

    def send(self, frame: bytes) -> bool:
        try:
            if len(frame) <= self.limit:
                self._sock.send(frame)
            else:
                _patiently(lambda: self._send_attached(b"", frame))
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self, decode: Decode[T]) -> T | None:
        try:
            data, ancillary, flags, _ = self._sock.recvmsg(PACKET + 1, _ROOM, CLOSE_ON_EXEC)
        except ConnectionResetError:
            return None
        if not data and not ancillary:
            return None
        return _decode_packet(data, ancillary, flags, decode)

    def drain(self, decode: Decode[T], into: list[T], most: int) -> bool:
        recvmsg, wanted = self._sock.recvmsg, _NOWAIT | CLOSE_ON_EXEC
        try:
            for _ in range(most):
                data, ancillary, flags, _ = recvmsg(PACKET + 1, _ROOM, wanted)
                if ancillary or flags & _CUT:
                    into.append(_decode_packet(data, ancillary, flags, decode))
                elif data:
                    into.append(decode(data))
                else:
                    return False
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        except msgspec.DecodeError as error:
            raise FrameError(f"the frame cannot be read: {error}") from error
        return True


class StreamLink(Link):
    """Frames as length and content."""

    window = 1

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._bytes = bytearray()
        self._fds: deque[int] = deque()

    def close(self) -> None:
        super().close()
        close_all(self._fds)
        self._fds.clear()

    def offer(self, frames: Sequence[bytes]) -> int:
        # one job at a time: the buffer is empty and its reader waits
        return int(self.send(frames[0])) if frames else 0

    def send(self, frame: bytes) -> bool:
        try:
            if len(frame) <= self.limit:
                self._sock.sendall(_LENGTH.pack(len(frame)) + frame)
            else:
                _patiently(lambda: self._send_attached(_LENGTH.pack(_SIZE.size | _ATTACHED), frame))
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self, decode: Decode[T]) -> T | None:
        into: list[T] = []
        while not self._parse(decode, into):
            if not self._fill(0):
                return None
        return into[0]

    def drain(self, decode: Decode[T], into: list[T], most: int) -> bool:
        try:
            for _ in range(most):
                while not self._parse(decode, into):
                    if not self._fill(_NOWAIT):
                        return False
        except BlockingIOError:
            pass
        return True

    def _fill(self, flags: int) -> bool:
        try:
            data, ancillary, cut, _ = self._sock.recvmsg(PACKET, _ROOM, flags | CLOSE_ON_EXEC)
        except ConnectionResetError:
            return False
        self._fds.extend(received(ancillary))
        if cut & socket.MSG_CTRUNC:
            raise FrameError("a descriptor was lost: this process has too many open (ulimit -n)")
        self._bytes += data
        return bool(data)

    def _parse(self, decode: Decode[T], into: list[T]) -> bool:
        if len(self._bytes) < _LENGTH.size:
            return False
        (length,) = _LENGTH.unpack_from(self._bytes)
        end = _LENGTH.size + (length & ~_ATTACHED)
        if end > _LENGTH.size + PACKET:
            raise FrameError(f"a frame of {length} bytes was announced, more than any has")
        if len(self._bytes) < end:
            return False
        data = bytes(self._bytes[_LENGTH.size : end])
        del self._bytes[:end]
        if length & _ATTACHED and not self._fds:
            raise FrameError("a frame came without its descriptor")
        attached = [self._fds.popleft()] if length & _ATTACHED else []
        into.append(_decode_with(attached, data, decode))
        return True


def link_pair(*, packets: bool = sys.platform == "linux") -> tuple[Link, Link]:
    """Two connected links. Raises OSError."""
    kind = socket.SOCK_SEQPACKET if packets else socket.SOCK_STREAM
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    return _link(one), _link(other)


def adopt(fd: int) -> Link:
    """The link of a descriptor that was received; takes it over."""
    return _link(socket.socket(fileno=fd))


def _link(sock: socket.socket) -> Link:
    return PacketLink(sock) if sock.type == socket.SOCK_SEQPACKET else StreamLink(sock)


def _decode_packet(data: bytes, ancillary: Ancillary, flags: int, decode: Decode[T]) -> T:
    fds = received(ancillary)
    if flags & _CUT:
        close_all(fds)
        if flags & socket.MSG_CTRUNC:
            raise FrameError("a descriptor was lost: this process has too many open (ulimit -n)")
        raise FrameError(f"a packet has more than {PACKET} bytes")
    return _decode_with(fds, data, decode)


def _decode_with(fds: list[int], data: bytes, decode: Decode[T]) -> T:
    try:
        if not fds:
            return decode(data)
        if len(fds) != 1 or len(data) != _SIZE.size:
            raise FrameError(f"{len(fds)} descriptors came with {len(data)} bytes instead of a size")
        return read_payload(fds[0], _SIZE.unpack(data)[0], decode)
    except (msgspec.DecodeError, ValueError) as error:
        raise FrameError(f"the frame cannot be read: {error}") from error
    finally:
        close_all(fds)


def _patiently(send: Callable[[], None]) -> None:
    while True:
        try:
            return send()
        except OSError as error:
            if error.errno not in _FULL:
                raise
        time.sleep(_RETRY)

"""The channel between supervisor and consumer: small typed messages, with descriptors.

Neither side ever waits for the other: what does not fit is kept and sent later, up to :data:`BACKLOG`.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import sys
from collections import deque
from dataclasses import dataclass
from typing import Literal

from .descriptors import CLOSE_ON_EXEC, close_all, received, rights, room_for

How = Literal["warm", "cold"]

#: Messages that may wait for the other side; more means that it is stuck.
BACKLOG = 1000
#: Kind, slot, pid, wait status, job number (0: none).
_LAYOUT = struct.Struct("<Biiiq")
_MOST_FDS = 3
_WAIT = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ETOOMANYREFS})
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN})


class ControlError(Exception):
    """The other side sent something else than a message, or takes no more of them."""


@dataclass(frozen=True, slots=True)
class SlotUp:
    """An executor was forked. ``fds``: the consumer's end of its link, the executor's own end, and on
    Linux its pidfd; whoever has the message owns them.
    """

    slot: int
    pid: int
    fds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SlotDown:
    """An executor ended with this wait status, in the job that ``number`` tells (None: in none)."""

    slot: int
    pid: int
    status: int
    number: int | None


@dataclass(frozen=True, slots=True)
class Stop:
    """The worker is to stop: after its running tasks (warm) or now (cold)."""

    how: How


@dataclass(frozen=True, slots=True)
class Leaving:
    """The consumer needs no new executors from now on."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The consumer ends on purpose: its exit status is the worker's."""


Message = SlotUp | SlotDown | Stop | Leaving | Bye

_STOPS: tuple[How, ...] = ("warm", "cold")


class Channel:
    """One end. Owns its socket and the descriptors of messages that were not sent yet."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._outbox: deque[tuple[bytes, tuple[int, ...]]] = deque()
        #: The other side has gone and everything that it had said was received.
        self.ended = False

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._sock.fileno()

    @property
    def blocked(self) -> bool:
        """Whether messages wait to be sent by :meth:`flush`."""
        return bool(self._outbox)

    def send(self, message: Message) -> None:
        """Send without waiting, or keep for later; takes the message's descriptors over.

        Raises ControlError when too many are kept.
        """
        fds = message.fds if isinstance(message, SlotUp) else ()
        if len(self._outbox) >= BACKLOG:
            close_all(fds)
            raise ControlError(f"{BACKLOG} messages wait to be read by the other process")
        self._outbox.append((_encode(message), fds))
        self.flush()

    def flush(self) -> None:
        """Send what was kept, as far as there is room. What nobody can receive any more is dropped."""
        outbox = self._outbox
        while outbox:
            data, fds = outbox[0]
            try:
                self._sock.sendmsg([data], rights(fds) if fds else ())
            except OSError as error:
                if error.errno in _WAIT:
                    return
                if error.errno not in _GONE:
                    raise
            outbox.popleft()
            close_all(fds)

    def flush_within(self, seconds: float) -> None:
        """Send what was kept, waiting up to ``seconds`` each time for room."""
        self.flush()
        while self._outbox and not self.ended:
            poll = select.poll()
            poll.register(self._sock, select.POLLOUT)
            if not poll.poll(seconds * 1000):
                return
            self.flush()

    def receive(self) -> list[Message]:
        """All messages that are here; :attr:`ended` tells whether more can come. Raises ControlError."""
        messages: list[Message] = []
        while not self.ended:
            try:
                data, ancillary, flags, _ = self._sock.recvmsg(
                    _LAYOUT.size, room_for(_MOST_FDS), CLOSE_ON_EXEC
                )
            except BlockingIOError:
                return messages
            except ConnectionResetError:
                # The other side closed without having read everything. This is reported once, before the
                # messages that it had sent.
                continue
            if data:
                messages.append(_decode(data, received(ancillary), flags))
            else:
                self.ended = True
        return messages

    def close(self) -> None:
        """Close the socket and what was not sent. Repeating it is harmless."""
        self._sock.close()
        for _, fds in self._outbox:
            close_all(fds)
        self._outbox.clear()


def channel_pair(*, packets: bool = sys.platform == "linux") -> tuple[Channel, Channel]:
    """Two connected channels. Raises OSError."""
    # messages all have one size, so that a stream needs no marks between them
    kind = socket.SOCK_SEQPACKET if packets else socket.SOCK_STREAM
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    return Channel(one), Channel(other)


def _encode(message: Message) -> bytes:
    match message:
        case SlotUp(slot, pid):
            return _LAYOUT.pack(1, slot, pid, 0, 0)
        case SlotDown(slot, pid, status, number):
            return _LAYOUT.pack(2, slot, pid, status, number or 0)
        case Stop(how):
            return _LAYOUT.pack(3, _STOPS.index(how), 0, 0, 0)
        case Leaving():
            return _LAYOUT.pack(4, 0, 0, 0, 0)
        case Bye():
            return _LAYOUT.pack(5, 0, 0, 0, 0)


def _decode(data: bytes, fds: list[int], flags: int) -> Message:
    if len(data) != _LAYOUT.size or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        close_all(fds)
        if flags & socket.MSG_CTRUNC:
            raise ControlError("a descriptor was lost: this process has too many open (ulimit -n)")
        raise ControlError(f"a control message of {len(data)} bytes instead of {_LAYOUT.size}")
    kind, slot, pid, status, number = _LAYOUT.unpack(data)
    match kind:
        case 1 if len(fds) in (2, 3):
            return SlotUp(slot, pid, tuple(fds))
        case 2:
            return SlotDown(slot, pid, status, number or None)
        case 3 if slot in (0, 1):
            return Stop(_STOPS[slot])
        case 4:
            return Leaving()
        case 5:
            return Bye()
    close_all(fds)
    raise ControlError(f"a control message of kind {kind} with {len(fds)} descriptors is not known")

"""A TCP proxy that misbehaves on demand: resets, stalls, slows down, refuses."""

from __future__ import annotations

import queue
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

_BUFFER = 65536
_TICK = 0.01
_CONNECT_TIMEOUT = 5.0
#: SO_LINGER on, zero seconds: close() sends RST and drops what is buffered.
_ABORT = struct.pack("ii", 1, 0)


class _Link:
    """One proxied connection: two sockets and what is on its way to each."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.peers = {client: server, server: client}
        self.pending = {client: bytearray(), server: bytearray()}
        self.ended: set[socket.socket] = set()
        for end in self.peers:
            end.setblocking(False)

    def readers(self) -> list[socket.socket]:
        return [
            end
            for end, peer in self.peers.items()
            if end not in self.ended and len(self.pending[peer]) < _BUFFER
        ]

    def writers(self) -> list[socket.socket]:
        return [end for end, data in self.pending.items() if data]

    def read(self, end: socket.socket) -> None:
        data = end.recv(_BUFFER)
        self.pending[self.peers[end]] += data
        if not data:
            self.ended.add(end)
            self._pass_end_on(self.peers[end])

    def write(self, end: socket.socket, allowance: int) -> int:
        data = self.pending[end]
        sent = end.send(data[:allowance])
        del data[:sent]
        self._pass_end_on(end)
        return sent

    def _pass_end_on(self, end: socket.socket) -> None:
        if self.peers[end] in self.ended and not self.pending[end]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_WR)

    @property
    def over(self) -> bool:
        return len(self.ended) == 2 and not self.writers()

    def abort(self) -> None:
        for end in self.peers:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            end.close()

    def close(self) -> None:
        for end in self.peers:
            end.close()


class FaultProxy:
    """Listens on a free local port and passes connections on to ``host:port``; a context manager.

    Every verb has taken effect when it returns. Faults last until :meth:`heal`, except that
    :meth:`reset` happens once.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        #: Where clients connect to: host, port.
        self.address: tuple[str, int] = self._listener.getsockname()
        self._links: list[_Link] = []
        self._stalled = False
        self._rate: float | None = None
        self._allowance = 0.0
        self._orders: queue.SimpleQueue[tuple[Callable[[], object], threading.Event]] = queue.SimpleQueue()
        self._bell, self._ringer = socket.socketpair()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    def reset(self) -> None:
        """Abort every connection with RST; new ones are passed on."""
        self._order(self._abort_all)

    def stall(self) -> None:
        """Become a black hole: connections stay, new ones are accepted, nothing moves any more."""

        def stall() -> None:
            self._stalled = True

        self._order(stall)

    def slow(self, bytes_per_second: float) -> None:
        """Let no more than this pass, both directions and all connections together."""

        def slow() -> None:
            self._rate, self._allowance = bytes_per_second, 0.0

        self._order(slow)

    def refuse(self) -> None:
        """Abort every connection and refuse new ones, as if the broker were down."""

        def refuse() -> None:
            self._abort_all()
            if self._listener:
                self._listener.close()
                self._listener = None

        self._order(refuse)

    def heal(self) -> None:
        """End all faults. What a stalled connection holds back moves on."""

        def heal() -> None:
            self._stalled, self._rate = False, None
            if self._listener is None:
                self._listener = socket.create_server(self.address)

        self._order(heal)

    def close(self) -> None:
        """Abort every connection and stop. Repeating it is harmless."""
        if self._closing:
            return

        def stop() -> None:
            self._closing = True

        self._order(stop)
        self._thread.join(_CONNECT_TIMEOUT)

    def _order(self, action: Callable[[], object]) -> None:
        """Have the proxy's thread do it: only there does closing a socket reset it at once."""
        taken = threading.Event()
        self._orders.put((action, taken))
        self._ringer.send(b"!")
        if not taken.wait(2 * _CONNECT_TIMEOUT):
            raise RuntimeError("the fault proxy's thread is gone")

    def _run(self) -> None:
        last = time.monotonic()
        while not self._closing:
            self._step()
            now = time.monotonic()
            if self._rate is not None:
                self._allowance = min(self._rate, self._allowance + self._rate * (now - last))
            last = now
        self._abort_all()
        for end in (self._listener, self._bell, self._ringer):
            if end:
                end.close()

    def _step(self) -> None:
        """Wait for whatever may move, and move it."""
        waiting = [self._bell, *([self._listener] if self._listener else [])]
        links = {} if self._stalled else {end: link for link in self._links for end in link.peers}
        reading = [end for link in self._links for end in link.readers() if end in links]
        writing = [end for link in self._links for end in link.writers() if end in links]
        if self._rate is not None and self._allowance < 1:
            writing = []
        readable, writable, _ = select.select(
            waiting + reading, writing, [], None if self._rate is None else _TICK
        )
        broken: set[_Link] = set()
        for end in writable:
            self._guarded(links[end], broken, lambda end=end: self._write(links[end], end))  # type: ignore[misc]
        for end in readable:
            if end in links:
                self._guarded(links[end], broken, lambda end=end: links[end].read(end))  # type: ignore[misc]
        for link in [link for link in self._links if link.over and link not in broken]:
            self._links.remove(link)
            link.close()
        if self._listener in readable:
            self._accept()
        if self._bell in readable:
            self._obey()

    def _guarded(self, link: _Link, broken: set[_Link], move: Callable[[], None]) -> None:
        if link in broken:
            return
        try:
            move()
        except BlockingIOError:
            return
        except OSError:
            broken.add(link)
            self._links.remove(link)
            link.abort()

    def _write(self, link: _Link, end: socket.socket) -> None:
        allowance = _BUFFER if self._rate is None else int(self._allowance)
        self._allowance -= link.write(end, allowance)

    def _accept(self) -> None:
        if self._listener is None:
            return
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target, _CONNECT_TIMEOUT)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            client.close()
        else:
            self._links.append(_Link(client, server))

    def _obey(self) -> None:
        self._bell.recv(_BUFFER)
        while not self._orders.empty():
            action, taken = self._orders.get()
            action()
            taken.set()

    def _abort_all(self) -> None:
        for link in self._links:
            link.abort()
        self._links.clear()

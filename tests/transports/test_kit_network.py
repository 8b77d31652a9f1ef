"""The kit's fault tests, on a small driver that talks over TCP to a store in this process.

It is here because none of the brokers of this package has a network; it also shows that the kit asks
nothing of a network driver that a plain request and reply with time-outs cannot give.
"""

from __future__ import annotations

import pickle
import socket
import socketserver
import struct
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from cicely_transports.errors import OperationalError, TransportError
from cicely_transports.memory import MemoryStore, MemoryTransport
from cicely_transports.spi import Capabilities, DeadLetter, Delivery, QueueSize, Settlement, Tag
from cicely_transports.store import Bindings, BoundQueue, Row, Store
from cicely_transports.testing import NetworkTransportConformance, OpenTransport
from cicely_transports.testing.themes.faults import OpenThrough
from cicely_transports.topology import BindingSpec, ExchangeSpec

TIMEOUT = 0.6
LENGTH = struct.Struct("!I")


def send_frame(connection: socket.socket, value: object) -> None:
    data = pickle.dumps(value)
    connection.sendall(LENGTH.pack(len(data)) + data)


def receive_frame(connection: socket.socket) -> Any:
    return pickle.loads(receive_exactly(connection, LENGTH.unpack(receive_exactly(connection, 4))[0]))


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the other side closed the connection")
        data += chunk
    return bytes(data)


class StoreServer(socketserver.ThreadingTCPServer):
    """Serves a memory store: a verb with its arguments in, its result or error out."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StoreHandler)
        self.store = MemoryStore()

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections end in all ways here."""


class StoreHandler(socketserver.BaseRequestHandler):
    server: StoreServer

    def handle(self) -> None:
        while True:
            verb, arguments, options = receive_frame(self.request)
            try:
                answer = (True, getattr(self.server.store, verb)(*arguments, **options))
            except TransportError as error:
                answer = (False, error)
            send_frame(self.request, answer)


class RemoteStore(Store):
    """A pool of connections, every call bounded, errors translated."""

    capabilities = Capabilities(durable=True, cross_process=True)

    def __init__(self, host: str, port: int) -> None:
        self.address = (host, port)
        self.idle: deque[socket.socket] = deque()
        self.woken = threading.Event()
        self.closed = False

    def call(self, verb: str, *arguments: object, **options: object) -> Any:
        connection = None
        try:
            connection = self.connect()
            send_frame(connection, (verb, arguments, options))
            good, answer = receive_frame(connection)
        except OSError as error:
            if connection is not None:
                connection.close()
            raise OperationalError(f"the store did not answer: {error}") from error
        self.idle.append(connection)
        if self.closed:
            self.close()
        if not good:
            raise answer
        return answer

    def connect(self) -> socket.socket:
        try:
            return self.idle.pop()
        except IndexError:
            return socket.create_connection(self.address, TIMEOUT)

    def insert(self, rows: Sequence[Row]) -> None:
        self.call("insert", rows)

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        claimed: list[Delivery] = self.call("claim", queues, limit, now=now, until=until, suspects=suspects)
        return claimed

    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        refused: list[Tag] = self.call("settle", items, now=now)
        return refused

    def renew(self, tags: Sequence[Tag], *, until: float) -> list[Tag]:
        lost: list[Tag] = self.call("renew", tags, until=until)
        return lost

    def bind(self, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> None:
        self.call("bind", exchanges, bound)

    def unbind(
        self,
        *,
        bindings: Sequence[BindingSpec] = (),
        queues: Sequence[str] = (),
        exchanges: Sequence[str] = (),
    ) -> None:
        self.call("unbind", bindings=bindings, queues=queues, exchanges=exchanges)

    def bindings(self) -> Bindings:
        known: Bindings = self.call("bindings")
        return known

    def sizes(self, *, now: float) -> dict[str, QueueSize]:
        sizes: dict[str, QueueSize] = self.call("sizes", now=now)
        return sizes

    def purge(self, queue: str, *, now: float) -> int:
        purged: int = self.call("purge", queue, now=now)
        return purged

    def dead(self, queue: str, *, limit: int | None, ids: Sequence[str] | None) -> list[DeadLetter]:
        letters: list[DeadLetter] = self.call("dead", queue, limit=limit, ids=ids)
        return letters

    def exhume(self, queue: str, ids: Sequence[str] | None, *, revive: bool, now: float) -> int:
        exhumed: int = self.call("exhume", queue, ids, revive=revive, now=now)
        return exhumed

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        self.woken.wait(min(timeout, 0.02))
        self.woken.clear()

    def wake(self) -> None:
        self.woken.set()

    def close(self) -> None:
        self.closed = True
        self.woken.set()
        with suppress(IndexError):
            while True:
                self.idle.pop().close()


class RemoteTransport(MemoryTransport):
    """Made from a store; the name and options of a memory URL do for the tests of bad options."""


class TestNetwork(NetworkTransportConformance):
    publish_timeout = 3 * TIMEOUT

    @pytest.fixture
    def broker_address(self) -> Iterator[tuple[str, int]]:
        with StoreServer() as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            yield "127.0.0.1", server.server_address[1]
            server.shutdown()
            thread.join(5)

    @pytest.fixture
    def open_through(self) -> OpenThrough:
        return lambda host, port: RemoteTransport(RemoteStore(host, port))

    @pytest.fixture
    def open_transport(self, broker_address: tuple[str, int], open_through: OpenThrough) -> OpenTransport:
        return lambda: open_through(*broker_address)

"""The kit's fault proxy does to TCP connections what it says."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from cicely_transports.testing import FaultProxy

BOUND = 5.0


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections are reset on purpose here."""


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()
        thread.join(BOUND)


@pytest.fixture
def proxy(echo: tuple[str, int]) -> Iterator[FaultProxy]:
    with FaultProxy(*echo) as proxy:
        yield proxy


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(proxy.address, BOUND)


def receive(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := client.recv(65536)):
        data += chunk
    return data


def roundtrip(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return receive(client, len(data))


def silent(client: socket.socket, seconds: float) -> bool:
    client.settimeout(seconds)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(BOUND)
    return False


def test_passes_bytes_on(proxy: FaultProxy) -> None:
    with connect(proxy) as one, connect(proxy) as two:
        assert roundtrip(one, bytes(range(256))) == bytes(range(256))
        assert roundtrip(two, b"two") == b"two"
        assert proxy.connections == 2


def test_passes_more_than_its_buffers_on(proxy: FaultProxy) -> None:
    data = bytes(range(251)) * 40_000
    with connect(proxy) as client:
        sending = threading.Thread(target=client.sendall, args=(data,))
        sending.start()
        assert receive(client, len(data)) == data
        sending.join(BOUND)


def test_passes_a_half_close_on(proxy: FaultProxy) -> None:
    with connect(proxy) as client:
        client.sendall(b"last words")
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 100) == b"last words"
        deadline = time.monotonic() + BOUND
        while proxy.connections:
            assert time.monotonic() < deadline


def test_reset_is_a_reset_and_happens_once(proxy: FaultProxy) -> None:
    with connect(proxy) as client:
        roundtrip(client, b"before")
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with connect(proxy) as client:
        assert roundtrip(client, b"after") == b"after"


def test_stall_holds_everything_back_until_healed(proxy: FaultProxy) -> None:
    with connect(proxy) as old:
        roundtrip(old, b"before")
        proxy.stall()
        old.sendall(b"held")
        with connect(proxy) as new:
            new.sendall(b"held too")
            assert silent(old, 0.1)
            assert silent(new, 0.1)
            proxy.heal()
            assert receive(old, 4) == b"held"
            assert receive(new, 8) == b"held too"


def test_slow_takes_its_time(proxy: FaultProxy) -> None:
    with connect(proxy) as client:
        proxy.slow(20_000)
        started = time.monotonic()
        assert roundtrip(client, b"x" * 2_500) == b"x" * 2_500
        assert time.monotonic() - started >= 0.2
        proxy.heal()
        started = time.monotonic()
        assert roundtrip(client, b"x" * 50_000) == b"x" * 50_000
        assert time.monotonic() - started < 1.0


def test_refuse_turns_away_until_healed(proxy: FaultProxy) -> None:
    with connect(proxy) as client:
        roundtrip(client, b"before")
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.heal()
    with connect(proxy) as client:
        assert roundtrip(client, b"after") == b"after"


def test_absent_target_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with FaultProxy("127.0.0.1", port) as proxy:
        with pytest.raises(ConnectionResetError), connect(proxy) as client:
            client.recv(1)
        assert proxy.connections == 0


def test_close_ends_connections_and_can_be_repeated(echo: tuple[str, int]) -> None:
    proxy = FaultProxy(*echo)
    with connect(proxy) as client:
        roundtrip(client, b"before")
        proxy.close()
        proxy.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)

"""The file of the SQLite broker: where it is, what may be wrong with it, and what the errors say."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from stores import bodies, drain, publish, send, until

from cicely_transports.errors import (
    CorruptStore,
    InvalidURL,
    MisuseError,
    OperationalError,
    PublishTimeout,
    StorageFull,
)
from cicely_transports.sqlite import SQLiteTransport
from cicely_transports.url import parse_url


def open_sqlite(url: str, **options: Any) -> SQLiteTransport:
    parsed = parse_url(url)
    return SQLiteTransport.from_url(parsed, {**parsed.query, **options})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.db"


@pytest.fixture
def transport(path: Path) -> Iterator[SQLiteTransport]:
    transport = SQLiteTransport(str(path), publish_timeout=0.2)
    yield transport
    transport.close()


def test_relative_path_is_that_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    transport = open_sqlite("sqlite:///broker.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    publish(transport, send(b"1"))
    other = open_sqlite(f"sqlite:///{tmp_path}/broker.db")
    assert drain(other, "q") == [b"1"]
    transport.close()
    other.close()
    assert os.listdir(tmp_path / "elsewhere") == []


def test_path_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    transport = open_sqlite("sqlite:///~/broker.db")
    publish(transport, send())
    transport.close()
    assert (tmp_path / "broker.db").exists()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite://broker.db", "write sqlite:///broker.db"),
        ("sqlite://", "needs a file"),
        ("sqlite:///", "needs a file"),
        ("sqlite:///folder/", "needs a file"),
        ("sqlite:///:memory:", "use memory://name"),
        ("sqlite:///x.db?publish_timeuot=1", "did you mean 'publish_timeout'"),
        ("sqlite:///x.db?publish_timeout=soon", "'publish_timeout' needs a number"),
        ("sqlite:///x.db?synchronous=sometimes", "must be one of off, normal, full, extra"),
    ],
)
def test_wrong_urls(url: str, text: str) -> None:
    with pytest.raises(InvalidURL, match=text):
        open_sqlite(url)


def test_making_a_transport_touches_no_file(path: Path) -> None:
    SQLiteTransport(str(path)).close()
    assert not path.exists()


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    transport = SQLiteTransport(str(tmp_path / "mistyped" / "broker.db"))
    with pytest.raises(MisuseError, match=r"mistyped/broker\.db does not exist: make it"):
        publish(transport, send())
    assert not (tmp_path / "mistyped").exists()


def test_folder_of_the_embedded_default_is_made_for_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    transport = SQLiteTransport(str(tmp_path / "state" / "cicely" / "app.db"))
    publish(transport, send(b"1"))
    assert drain(transport, "q") == [b"1"]
    transport.close()
    for folder in (tmp_path / "state" / "cicely", tmp_path / "state"):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_options_reach_sqlite(path: Path) -> None:
    transport = open_sqlite(f"sqlite:///{path}?synchronous=full&publish_timeout=0.5")
    store: Any = transport.store
    with store._connections.writing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    transport.close()


def test_file_that_is_no_database(path: Path, transport: SQLiteTransport) -> None:
    content = b"these are the notes of somebody else" * 100
    path.write_bytes(content)
    receiver = transport.receiver(["q"], credit=1, lease=1)
    for call in (lambda: publish(transport, send()), lambda: receiver.receive(1, 1), transport.queues):
        with pytest.raises(CorruptStore, match=r"broker\.db is damaged or no .* move the file away"):
            call()
    assert path.read_bytes() == content


def test_damaged_database(path: Path, transport: SQLiteTransport) -> None:
    publish(transport, *[send(b"x" * 1500) for _ in range(200)])
    transport.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 8192))
    again = SQLiteTransport(str(path))
    with pytest.raises(CorruptStore, match=r"sqlite3 .*broker\.db \.recover"):
        drain(again, "q")
    again.close()


def test_newer_schema(path: Path, transport: SQLiteTransport) -> None:
    publish(transport, send())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE cicely_broker SET value = 99 WHERE name = 'schema'")
    newer = SQLiteTransport(str(path))
    with pytest.raises(MisuseError, match=r"schema 99, this version .* reads 1: upgrade"):
        publish(newer, send())
    newer.close()


def test_file_with_other_tables_can_be_shared(path: Path, transport: SQLiteTransport) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE cicely_result (id)")
    publish(transport, send(b"1"))
    assert drain(transport, "q") == [b"1"]


def test_lock_that_is_not_given_back(path: Path, transport: SQLiteTransport) -> None:
    publish(transport, send(b"held"))
    receiver = transport.receiver(["q"], credit=2, lease=30)
    (held,) = receiver.receive(1, 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as hog:
        hog.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(PublishTimeout, match=r"stayed locked for 0\.2 s"):
            publish(transport, send())
        assert 0.2 <= time.monotonic() - started < 2
        with pytest.raises(OperationalError, match="stayed locked"):
            receiver.extend([held.tag], 30)
        with pytest.raises(OperationalError, match="stayed locked"):
            receiver.receive(1, 0)
        assert transport.dead_letters("q") == [], "reading needs no lock"
    publish(transport, send(b"after"))
    assert bodies(receiver.receive(1, 1)) == [b"after"]


def test_lock_that_is_given_back_in_time(path: Path) -> None:
    transport = SQLiteTransport(str(path), publish_timeout=20)
    transport.queues()
    locked, given_back = threading.Event(), threading.Event()

    def hold() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as hog:
            hog.execute("BEGIN IMMEDIATE")
            locked.set()
            given_back.wait(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(10)
    publish(transport, send(b"1"))
    thread.join()
    assert drain(transport, "q") == [b"1"]
    transport.close()


def test_deleted_file_is_made_anew_and_met_by_others(path: Path, transport: SQLiteTransport) -> None:
    publish(transport, send(b"lost with the file"))
    receiver = transport.receiver(["q"], credit=9, lease=30)
    assert receiver.receive(9, 1)
    for file in path.parent.iterdir():
        file.unlink()
    other = SQLiteTransport(str(path))
    publish(other, send(b"new"))
    assert bodies(receiver.receive(9, 10)) == [b"new"]
    until(lambda: transport.queues() == other.queues(), "the same file")
    other.close()


def test_closing_leaves_no_descriptor(path: Path) -> None:
    transport = SQLiteTransport(str(path))
    publish(transport, send())
    assert transport.receiver(["q"], credit=1, lease=1).receive(1, 0.01)
    assert transport.queues() == ["q"]
    opened = [name for name in descriptors() if str(path) in name]
    assert opened
    transport.close()
    assert [name for name in descriptors() if str(path) in name] == []


def test_forgotten_transport_closes_its_connections(path: Path) -> None:
    transport = SQLiteTransport(str(path))
    publish(transport, send())
    del transport
    until(lambda: not [name for name in descriptors() if str(path) in name], "the connections to close")


def descriptors() -> list[str]:
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue
    return names


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a disk to fill needs the right to mount: run as root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(transport: SQLiteTransport) -> list[bytes]:
    """Publish until there is no room; returns the bodies that were stored."""
    stored: list[bytes] = []

    def publish_for_ever() -> None:
        while True:
            body = b"%06d" % len(stored)
            publish(transport, send(body, headers={"filler": "x" * 1000}))
            stored.append(body)

    with pytest.raises(StorageFull, match=r"no room left for .*broker\.db: nothing was stored"):
        publish_for_ever()
    return stored


def test_full_disk(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_300_000)
    transport = SQLiteTransport(str(small_disk / "broker.db"))
    stored = fill(transport)
    assert stored
    ballast.unlink()
    publish(transport, send(b"after"))
    assert drain(transport, "q") == [*stored, b"after"]
    transport.close()


def test_full_database(transport: SQLiteTransport) -> None:
    store: Any = transport.store
    with store._connections.writing() as connection:
        connection.execute("PRAGMA max_page_count = 60")
    stored = fill(transport)
    with store._connections.writing() as connection:
        connection.execute("PRAGMA max_page_count = 100000")
    publish(transport, send(b"after"))
    assert drain(transport, "q") == [*stored, b"after"]


def test_log_does_not_grow_without_end(path: Path, transport: SQLiteTransport) -> None:
    receiver = transport.receiver(["q"], credit=100, lease=30)
    log = Path(f"{path}-wal")
    largest = 0
    for _ in range(150):
        publish(transport, *[send(b"x" * 2000) for _ in range(50)])
        deliveries = receiver.receive(100, 0)
        transport.dead_letters("q")
        from_before = [delivery.tag for delivery in deliveries]
        assert receiver.extend(from_before, 30) == []
        transport.purge("q")
        largest = max(largest, log.stat().st_size)
        receiver = transport.receiver(["q"], credit=100, lease=30)
    assert largest < 32_000_000

"""What only the SQLite backend does: its file, its errors, its housekeeping."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cicely.backends.spi import StoredRecord
from cicely.backends.sqlite import SQLiteBackend
from cicely.backends.sqlite.backend import SWEEP_EVERY, SWEEP_ROWS
from cicely.exceptions import BackendGetMetaError, BackendStoreError, ImproperlyConfigured


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., SQLiteBackend]]:
    made: list[SQLiteBackend] = []

    def make(name: str = "r.db", **options: object) -> SQLiteBackend:
        made.append(SQLiteBackend(str(tmp_path / name), **options))  # type: ignore[arg-type]  # checked by the tests
        return made[-1]

    yield make
    for backend in made:
        backend.close()


def item(task_id: str, state: str = "SUCCESS", expires_at: float | None = None) -> StoredRecord:
    return StoredRecord(task_id, state, b"payload of " + task_id.encode(), expires_at)


def count(path: Path, table: str = "cicely_result") -> int:
    with closing(sqlite3.connect(path)) as connection:
        (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///sub/r.db", "{cwd}/sub/r.db"), ("sqlite:////var/lib/r.db", "/var/lib/r.db")],
)
def test_paths(url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert SQLiteBackend.from_url(url, {}).path == path.format(cwd=tmp_path)


def test_a_relative_path_stays_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backend = SQLiteBackend.from_url("sqlite:///sub/r.db", {})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    backend.put_many([item("a")])
    backend.close()
    assert (tmp_path / "sub" / "r.db").exists()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/file.db"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="names no file"):
        SQLiteBackend.from_url(url, {})


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite:///r.db?timeuot=3", "did you mean 'timeout'"),
        ("sqlite:///r.db?timeout=soon", "'timeout'.*needs a number"),
        ("sqlite:///r.db?timeout=-1", "'timeout'.*needs a number"),
        ("sqlite:///r.db?synchronous=ful", "did you mean 'full'"),
    ],
)
def test_bad_options_are_named(url: str, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=text):
        SQLiteBackend.from_url(url, {})


def test_nothing_is_made_before_the_first_use(make: Callable[..., SQLiteBackend], tmp_path: Path) -> None:
    make("deep/er/r.db")
    assert list(tmp_path.iterdir()) == []


def test_the_journal_is_wal_and_foreign_tables_are_left_alone(
    make: Callable[..., SQLiteBackend], tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "r.db")) as connection:
        connection.execute("CREATE TABLE message (id INTEGER)")
        connection.execute("PRAGMA user_version = 7")
        connection.execute("INSERT INTO message VALUES (1)")
        connection.commit()
    make().put_many([item("a")])
    with closing(sqlite3.connect(tmp_path / "r.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA user_version").fetchone() == (7,)
    assert count(tmp_path / "r.db", "message") == 1


def test_a_file_that_is_no_database(make: Callable[..., SQLiteBackend], tmp_path: Path) -> None:
    (tmp_path / "r.db").write_bytes(b"not a database, only text\n" * 100)
    backend = make()
    with pytest.raises(BackendStoreError, match=r"r\.db: file is not a database: .*name another file"):
        backend.put_many([item("a")])
    with pytest.raises(BackendGetMetaError, match=r"r\.db"):
        backend.get_many(["a"])
    with backend.watch(["a"]) as watch, pytest.raises(BackendGetMetaError, match=r"r\.db"):
        watch.wait(0.0)


def test_a_damaged_file(make: Callable[..., SQLiteBackend], tmp_path: Path) -> None:
    backend = make()
    backend.put_many([item(f"task-{number}") for number in range(2000)])
    backend.close()
    path = tmp_path / "r.db"
    data = bytearray(path.read_bytes())
    data[4096:-4096] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(BackendGetMetaError, match=r"r\.db: .*damaged"):
        make().get_many([f"task-{number}" for number in range(2000)])


def test_a_directory_that_cannot_be_made(make: Callable[..., SQLiteBackend], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendStoreError, match="its directory cannot be made"):
        make("file/r.db").put_many([item("a")])


def test_a_locked_file_is_waited_for_and_then_reported(
    make: Callable[..., SQLiteBackend], tmp_path: Path
) -> None:
    backend = make(timeout=0.2)
    backend.put_many([item("a")])
    with closing(sqlite3.connect(tmp_path / "r.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        with pytest.raises(BackendStoreError, match=r"locked.*timeout option"):
            backend.put_many([item("b")])
        assert 0.1 < time.monotonic() - start < 5
        assert backend.get_many(["a"]), "readers are not kept out"
    backend.put_many([item("b")])


def test_a_full_disk(tmp_path: Path) -> None:
    script = """
import resource, signal, sys
from cicely.backends.sqlite import SQLiteBackend
from cicely.backends.spi import StoredRecord
from cicely.exceptions import BackendStoreError
backend = SQLiteBackend(sys.argv[1])
backend.put_many([StoredRecord("a", "SUCCESS", b"x")])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    backend.put_many([StoredRecord("b", "SUCCESS", b"x" * 1_000_000)])
except BackendStoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
backend.put_many([StoredRecord("c", "SUCCESS", b"x")])
print(sorted(backend.get_many(["a", "b", "c"])))
backend.close()
"""
    assert hasattr(resource, "RLIMIT_FSIZE")
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "r.db")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert "r.db: " in said[0]
    assert "space" in said[0]
    assert said[1] == "['a', 'c']"


def test_a_watch_from_before_a_fork_gets_a_connection_of_its_own(tmp_path: Path) -> None:
    script = """
import os, sys
from cicely.backends.sqlite import SQLiteBackend
from cicely.backends.spi import StoredRecord
backend = SQLiteBackend(sys.argv[1])
watch = backend.watch(["a"])
watch.wait(0.0)
parents, _ = watch._held
if os.fork() == 0:
    backend.put_many([StoredRecord("a", "SUCCESS", b"x")])
    seen = watch.wait(5.0)
    own, _ = watch._held
    watch.close()
    backend.close()
    os._exit(0 if seen == {"a": b"x"} and own is not parents else 1)
_, status = os.wait()
sys.exit(os.waitstatus_to_exitcode(status) or (watch.wait(5.0) != {"a": b"x"}))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "r.db")]
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_old_records_make_room_as_new_ones_come(make: Callable[..., SQLiteBackend], tmp_path: Path) -> None:
    clock = Clock()
    backend = make(clock=clock)
    backend.put_many([item(f"old-{n}", expires_at=clock.now + 10) for n in range(3 * SWEEP_ROWS)])
    clock.now += SWEEP_EVERY + 1
    for number in range(4):
        backend.put_many([item(f"new-{number}", expires_at=clock.now + 86400)])
    assert count(tmp_path / "r.db") == 4
    clock.now += 1
    backend.put_many([item("short", expires_at=clock.now)])
    assert count(tmp_path / "r.db") == 5, "the next look is a minute away"


def test_cleanup_counts_over_several_batches(make: Callable[..., SQLiteBackend], tmp_path: Path) -> None:
    clock = Clock()
    backend = make(clock=clock)
    backend.put_many([item(f"t-{n}", expires_at=clock.now + 10) for n in range(2500)])
    backend.put_many([item("stays", expires_at=clock.now + 1000), item("eternal")])
    backend.save_group("g", b"x", clock.now + 10)
    assert backend.cleanup(clock.now + 5) == 0
    assert backend.cleanup(clock.now + 10) == 2501
    assert count(tmp_path / "r.db") == 2


def test_many_threads_use_few_connections(make: Callable[..., SQLiteBackend]) -> None:
    backend = make()
    barrier = threading.Barrier(20)

    def use() -> None:
        barrier.wait(10)
        backend.put_many([item("a", "STARTED")])

    threads = [threading.Thread(target=use) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(backend._connections._idle) <= 8


def test_a_file_that_was_removed_while_closed_is_made_anew(
    make: Callable[..., SQLiteBackend], tmp_path: Path
) -> None:
    backend = make()
    backend.put_many([item("a")])
    backend.close()
    (tmp_path / "r.db").unlink()
    assert backend.get_many(["a"]) == {}
    backend.put_many([item("b")])
    assert list(backend.get_many(["a", "b"])) == ["b"]


@pytest.mark.alone
def test_wake_up_is_quick(make: Callable[..., SQLiteBackend]) -> None:
    """The median of twenty waits of up to 60 ms: under 10 ms from commit to return."""
    backend, other = make(), make()
    backend.get_many(["warm"])
    delays = []
    for number in range(20):
        task_id = f"t-{number}"
        stamps: list[float] = []

        def put(task_id: str = task_id, pause: float = 0.003 * number, stamps: list[float] = stamps) -> None:
            time.sleep(pause)
            other.put_many([item(task_id)])
            stamps.append(time.monotonic())

        thread = threading.Thread(target=put)
        with backend.watch([task_id]) as watch:
            thread.start()
            assert watch.wait(5.0)
            delays.append(time.monotonic())
        thread.join()
        delays[-1] -= stamps[0]
    assert sorted(delays)[10] < 0.010

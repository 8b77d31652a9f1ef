"""What only the filesystem backend does: Celery's files, and errors of directories."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicely.backends.filesystem import FilesystemBackend
from cicely.backends.record import Record, encode_record
from cicely.backends.spi import StoredRecord
from cicely.exceptions import BackendGetMetaError, BackendStoreError, ImproperlyConfigured

DAY = 86400.0

HOLD = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def backend(tmp_path: Path) -> FilesystemBackend:
    return FilesystemBackend(str(tmp_path / "results"))


def item(task_id: str, state: str = "SUCCESS", expires_at: float | None = None) -> StoredRecord:
    result = ValueError("x") if state == "FAILURE" else 3
    return StoredRecord(task_id, state, encode_record(Record(task_id, state, result)), expires_at)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///var/results", "/var/results"),
        ("file://localhost/var/results", "/var/results"),
        ("file://relative/dir", "{cwd}/relative/dir"),
        ("file:///with%20space", "/with space"),
    ],
)
def test_paths(url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert FilesystemBackend.from_url(url, {}).path == path.format(cwd=tmp_path)


def test_unknown_options_are_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="did you mean 'expires'"):
        FilesystemBackend.from_url("file:///tmp/x?expire=3", {})


def test_files_are_celerys(backend: FilesystemBackend, tmp_path: Path) -> None:
    backend.put_many([item("tid1", expires_at=time.time() + DAY)])
    backend.save_group("gid1", b'{"result": []}', None)
    names = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert names == ["celery-task-meta-tid1", "celery-taskset-meta-gid1"]
    path = tmp_path / "results" / "celery-task-meta-tid1"
    assert json.loads(path.read_text()) == {
        "status": "SUCCESS",
        "result": 3,
        "traceback": None,
        "children": None,
        "date_done": None,
        "task_id": "tid1",
    }
    # Celery's own cleanup counts from the modification time.
    assert abs(path.stat().st_mtime - time.time()) < 60


def test_files_of_celerys_are_read_kept_and_expire(backend: FilesystemBackend, tmp_path: Path) -> None:
    directory = tmp_path / "results"
    directory.mkdir()
    text = '{"status": "SUCCESS", "result": 3, "traceback": null, "children": null, "task_id": "a"}'
    (directory / "celery-task-meta-a").write_text(text)
    backend.put_many([item("a", "FAILURE")])
    assert backend.get_many(["a"]) == {"a": text.encode()}
    old = time.time() - DAY - 1
    os.utime(directory / "celery-task-meta-a", (old, old))
    assert backend.get_many(["a"]) == {}
    assert backend.cleanup(time.time()) == 1


def test_a_task_id_cannot_leave_the_directory(backend: FilesystemBackend, tmp_path: Path) -> None:
    ids = ["/../../escaped", "../escaped", "a\0b", "%2F", "/"]
    (tmp_path / "results" / "celery-task-meta-").mkdir(parents=True)
    backend.put_many([item(task_id) for task_id in ids])
    assert set(backend.get_many(ids)) == set(ids)
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_nothing_is_left_of_a_write(backend: FilesystemBackend, tmp_path: Path) -> None:
    for number in range(5):
        backend.put_many([item(f"t{number}", "FAILURE"), item(f"t{number}")])
    assert len(list((tmp_path / "results").iterdir())) == 5


def test_cleanup_removes_what_crashed_writers_left(backend: FilesystemBackend, tmp_path: Path) -> None:
    backend.put_many([item("a")])
    for name, age in ((".cicely-tmp-old", 7200), (".cicely-tmp-new", 0), ("foreign", 10**7)):
        path = tmp_path / "results" / name
        path.write_text("x")
        os.utime(path, (time.time() - age, time.time() - age))
    assert backend.cleanup(time.time()) == 0
    names = {path.name for path in (tmp_path / "results").iterdir()}
    assert names == {"celery-task-meta-a", ".cicely-tmp-new", "foreign"}


def test_cleanup_of_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert FilesystemBackend(str(tmp_path / "none")).cleanup(time.time()) == 0
    assert not (tmp_path / "none").exists()


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    backend = FilesystemBackend(str(tmp_path / "file"))
    with pytest.raises(BackendStoreError, match="check that it is a directory"):
        backend.put_many([item("a")])
    with pytest.raises(BackendGetMetaError, match="check that it is a directory"):
        backend.get_many(["a"])


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may write everywhere: be somebody else for a while."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    yield
    os.seteuid(me)


def test_a_directory_that_is_not_writable(closed: Path, nobody: None) -> None:
    with pytest.raises(BackendStoreError, match="may write there"):
        FilesystemBackend(str(closed)).put_many([item("a")])


def test_a_lock_that_is_not_given_back_is_reported(
    backend: FilesystemBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.put_many([item("a")])
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLD,
            str(tmp_path / "results"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        monkeypatch.setattr("cicely.backends.filesystem.folder.LOCK_TIMEOUT", 0.2)
        with pytest.raises(BackendStoreError, match="another process holds the lock"):
            backend.put_many([item("b")])
        assert set(backend.get_many(["a"])) == {"a"}, "readers need no lock"
        holder.communicate()
    backend.put_many([item("b")])


def test_a_wait_ends_when_the_file_arrives(backend: FilesystemBackend) -> None:
    timer = threading.Timer(0.05, backend.put_many, [[item("a")]])
    with backend.watch(["a"]) as watch:
        timer.start()
        assert set(watch.wait(5.0)) == {"a"}

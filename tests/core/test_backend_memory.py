"""What only the memory backend does: stores by name, and their limit."""

from __future__ import annotations

import gc
import subprocess
import sys
from uuid import uuid4

import pytest

from cicely.backends.memory import MemoryBackend, MemoryStore, NamedStores
from cicely.backends.spi import StoredRecord
from cicely.exceptions import ImproperlyConfigured


def item(task_id: str, state: str = "SUCCESS") -> StoredRecord:
    return StoredRecord(task_id, state, b"x")


def test_one_name_is_one_store() -> None:
    name = uuid4().hex
    first, same, other = (
        MemoryBackend.from_url(url, {})
        for url in (f"memory://{name}", f"cache+memory://{name}/", f"memory://{name}/sub")
    )
    first.put_many([item("a")])
    assert set(same.get_many(["a"])) == {"a"}
    assert other.get_many(["a"]) == {}


def test_a_store_ends_with_its_last_user() -> None:
    stores = NamedStores()
    store = stores.get("x", 10)
    store.put([item("a")], 0.0)
    assert stores.get("x", 10) is store
    del store
    gc.collect()
    assert stores.get("x", 10).newest == 0


def test_the_oldest_are_dropped() -> None:
    backend = MemoryBackend(MemoryStore(3))
    backend.put_many([item("a", "STARTED"), item("b"), item("c")])
    backend.put_many([item("a", "RETRY")])
    backend.put_many([item("d")])
    assert set(backend.get_many(["a", "b", "c", "d"])) == {"a", "c", "d"}
    for group in "abcd":
        backend.save_group(group, b"x", None)
    assert [group for group in "abcd" if backend.load_group(group)] == ["b", "c", "d"]


def test_the_limit_is_an_option() -> None:
    backend = MemoryBackend.from_url(f"memory://{uuid4().hex}?max_records=2", {})
    backend.put_many([item(str(number)) for number in range(5)])
    assert set(backend.get_many(list("01234"))) == {"3", "4"}
    with pytest.raises(ImproperlyConfigured, match=r"max_records.*>= 1"):
        MemoryBackend.from_url("memory://?max_records=0", {})
    with pytest.raises(ImproperlyConfigured, match="did you mean 'max_records'"):
        MemoryBackend.from_url("memory://?max_record=5", {})


def test_a_lock_that_was_held_at_a_fork_does_not_block_the_child() -> None:
    script = """
import os, threading
from cicely.backends.memory import MemoryBackend, MemoryStore
from cicely.backends.spi import StoredRecord
store = MemoryStore()
backend = MemoryBackend(store)
held, end = threading.Event(), threading.Event()
def hold():
    with store.changed:
        held.set()
        end.wait(20)
thread = threading.Thread(target=hold)
thread.start()
held.wait(20)
pid = os.fork()
if pid == 0:
    backend.put_many([StoredRecord("a", "SUCCESS", b"x")])
    os._exit(len(backend.get_many(["a"])))
_, status = os.waitpid(pid, 0)
end.set()
thread.join()
raise SystemExit(0 if os.waitstatus_to_exitcode(status) == 1 else 1)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], timeout=20, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr

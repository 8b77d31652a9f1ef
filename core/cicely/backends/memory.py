"""Results in the memory of one process: for tests, and for workers that are threads of the caller."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from cicely.states import SUCCESS

from .location import Location
from .spi import ResultBackend, StoredRecord, Watch

MAX_RECORDS = 100_000


@dataclass(frozen=True, slots=True)
class _Entry:
    sequence: int
    record: StoredRecord


class MemoryStore:
    """Records in the order of their last change, so that what is new stands at the end."""

    def __init__(self, max_records: int = MAX_RECORDS) -> None:
        self.max_records = max_records
        self.records: OrderedDict[str, _Entry] = OrderedDict()
        self.groups: OrderedDict[str, tuple[bytes, float | None]] = OrderedDict()
        self.newest = 0
        self._pid = os.getpid()
        self._changed = threading.Condition()

    @property
    def changed(self) -> threading.Condition:
        """Guards everything here and is notified of every change."""
        if self._pid != os.getpid():
            # A thread of the parent may have held the lock at the fork.
            self._changed, self._pid = threading.Condition(), os.getpid()
        return self._changed

    def put(self, records: Sequence[StoredRecord], now: float) -> None:
        """Store and notify; drops the oldest records over the limit."""
        with self.changed:
            for record in records:
                old = self.records.get(record.task_id)
                if (
                    old is not None
                    and old.record.state == SUCCESS
                    and not expired(old.record.expires_at, now)
                ):
                    continue
                self.newest += 1
                self.records[record.task_id] = _Entry(self.newest, record)
                self.records.move_to_end(record.task_id)
            while len(self.records) > self.max_records:
                self.records.popitem(last=False)
            self.changed.notify_all()

    def since(self, sequence: int) -> list[StoredRecord]:
        """What changed after ``sequence``, newest first. The caller holds the lock."""
        found = []
        for entry in reversed(self.records.values()):
            if entry.sequence <= sequence:
                break
            found.append(entry.record)
        return found


class NamedStores:
    """Stores by name, for as long as a backend uses them."""

    def __init__(self) -> None:
        self._stores = weakref.WeakValueDictionary[str, MemoryStore]()
        self._lock = threading.Lock()

    def get(self, name: str, max_records: int) -> MemoryStore:
        """The store of this name; ``max_records`` counts for the one who makes it."""
        with self._lock:
            store = self._stores.get(name)
            if store is None:
                store = self._stores[name] = MemoryStore(max_records)
            return store


NAMED_STORES = NamedStores()


class MemoryBackend(ResultBackend):
    """``memory://name`` (also ``cache+memory://name``): backends of one name in one process share records.

    Holds ``max_records``; of more, those are dropped whose last change is longest ago. After a fork, each
    process has its own copy.
    """

    options: Mapping[str, str] = {
        "max_records": f"how many records are kept, the oldest go first (default {MAX_RECORDS:,})"
    }

    def __init__(self, store: MemoryStore, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> Self:
        """The backend on the store that the URL names."""
        where = Location.parse(url, options, cls.options)
        name = "/".join(filter(None, (where.url.host, where.url.path)))
        return cls(NAMED_STORES.get(name, int(where.number("max_records", MAX_RECORDS, minimum=1))))

    def put_many(self, records: Sequence[StoredRecord]) -> None:
        """See the SPI."""
        self._store.put(records, self._clock())

    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        """See the SPI."""
        now = self._clock()
        store = self._store
        with store.changed:
            entries = [store.records[task_id] for task_id in task_ids if task_id in store.records]
        return {
            entry.record.task_id: entry.record.payload
            for entry in entries
            if not expired(entry.record.expires_at, now)
        }

    def watch(self, task_ids: Sequence[str]) -> Watch:
        """See the SPI."""
        return _MemoryWatch(self._store, frozenset(task_ids), self._clock)

    def forget(self, task_ids: Sequence[str]) -> None:
        """See the SPI."""
        with self._store.changed:
            for task_id in task_ids:
                self._store.records.pop(task_id, None)

    def save_group(self, group_id: str, payload: bytes, expires_at: float | None) -> None:
        """See the SPI. Groups are limited like records."""
        store = self._store
        with store.changed:
            store.groups[group_id] = (payload, expires_at)
            store.groups.move_to_end(group_id)
            while len(store.groups) > store.max_records:
                store.groups.popitem(last=False)

    def load_group(self, group_id: str) -> bytes | None:
        """See the SPI."""
        with self._store.changed:
            payload, expires_at = self._store.groups.get(group_id, (None, None))
        return None if expired(expires_at, self._clock()) else payload

    def forget_group(self, group_id: str) -> None:
        """See the SPI."""
        with self._store.changed:
            self._store.groups.pop(group_id, None)

    def cleanup(self, now: float) -> int:
        """See the SPI."""
        store = self._store
        with store.changed:
            dead = [key for key, entry in store.records.items() if expired(entry.record.expires_at, now)]
            dead_groups = [key for key, (_, expires_at) in store.groups.items() if expired(expires_at, now)]
            for key in dead:
                del store.records[key]
            for key in dead_groups:
                del store.groups[key]
        return len(dead) + len(dead_groups)

    def close(self) -> None:
        """Nothing to release: the store ends with its last backend."""


class _MemoryWatch(Watch):
    def __init__(self, store: MemoryStore, ids: frozenset[str], clock: Callable[[], float]) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._seen: int | None = None

    def wait(self, timeout: float) -> Mapping[str, bytes]:
        deadline = time.monotonic() + timeout
        changed = self._store.changed
        with changed:
            while self._ids:
                if news := self._news():
                    return news
                if (left := deadline - time.monotonic()) <= 0:
                    break
                changed.wait(left)
        return {}

    def _news(self) -> dict[str, bytes]:
        store, now = self._store, self._clock()
        if self._seen is None:
            records = [store.records[task_id].record for task_id in self._ids if task_id in store.records]
        else:
            records = store.since(self._seen)
        self._seen = store.newest
        return {
            record.task_id: record.payload
            for record in records
            if record.task_id in self._ids and not expired(record.expires_at, now)
        }

    def close(self) -> None:
        self._ids = frozenset()


def expired(expires_at: float | None, now: float) -> bool:
    """Whether that time has come; None never comes."""
    return expires_at is not None and expires_at <= now

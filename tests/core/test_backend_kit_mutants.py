"""The kit catches what it is for: backends that are wrong in one way each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from cicely.backends.memory import MemoryBackend, MemoryStore
from cicely.backends.spi import StoredRecord, Watch
from cicely.testing.result_kit import BackendRig, ResultBackendKit


class MutantRig(BackendRig):
    def __init__(self, kind: type[MemoryBackend]) -> None:
        super().__init__("memory://")
        self.kind = kind
        self.store = MemoryStore()

    def make(self) -> MemoryBackend:
        return self.kind(self.store)


class Overwrites(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        self.forget([record.task_id for record in records])
        super().put_many(records)


class KeepsTheFirst(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        there = self.get_many([record.task_id for record in records])
        super().put_many([record for record in records if record.task_id not in there])


class RefusesWholeBatches(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        entries = [self._store.records.get(record.task_id) for record in records]
        if not any(entry and entry.record.state == "SUCCESS" for entry in entries):
            super().put_many(records)


class ReversesBatches(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        super().put_many(records[::-1])


class LosesTheTail(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        super().put_many(records[:512])


class StoresText(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        super().put_many(
            [
                StoredRecord(r.task_id, r.state, r.payload.decode("utf-8", "replace").encode(), r.expires_at)
                for r in records
            ]
        )


class Truncates(MemoryBackend):
    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        return {key: payload[: 1 << 20] for key, payload in super().get_many(task_ids).items()}


class GivesEmptyBytes(MemoryBackend):
    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        return dict.fromkeys(task_ids, b"") | super().get_many(task_ids)


class IgnoresCase(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        super().put_many([StoredRecord(r.task_id.lower(), r.state, r.payload, r.expires_at) for r in records])

    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        found = super().get_many([task_id.lower() for task_id in task_ids])
        return {task_id: found[task_id.lower()] for task_id in task_ids if task_id.lower() in found}


class IsAlone(MemoryBackend):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(MemoryStore())


class CachesReads(MemoryBackend):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self._cache: dict[str, dict[str, bytes]] = {}

    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        key = "|".join(task_ids)
        if key not in self._cache:
            self._cache[key] = super().get_many(task_ids)
        return self._cache[key]


class ForgetsNothing(MemoryBackend):
    def forget(self, task_ids: Sequence[str]) -> None:
        pass


class ForgetsAll(MemoryBackend):
    def forget(self, task_ids: Sequence[str]) -> None:
        super().forget(list(self._store.records))


class MixesGroupsAndTasks(MemoryBackend):
    def save_group(self, group_id: str, payload: bytes, expires_at: float | None) -> None:
        super().put_many([StoredRecord(group_id, "GROUP", payload, expires_at)])

    def load_group(self, group_id: str) -> bytes | None:
        return super().get_many([group_id]).get(group_id)


class KeepsGroups(MemoryBackend):
    def forget_group(self, group_id: str) -> None:
        pass


class CloseDropsAll(MemoryBackend):
    def close(self) -> None:
        self._store.records.clear()


class NeverExpires(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        super().put_many([StoredRecord(r.task_id, r.state, r.payload) for r in records])


class ExpiresAtOnce(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        super().put_many(
            [StoredRecord(r.task_id, r.state, r.payload, r.expires_at and time.time()) for r in records]
        )


class ProtectsTheExpired(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        entries = {r.task_id: self._store.records.get(r.task_id) for r in records}
        super().put_many(
            [r for r in records if not ((old := entries[r.task_id]) and old.record.state == "SUCCESS")]
        )


class CleansTooMuch(MemoryBackend):
    def cleanup(self, now: float) -> int:
        return super().cleanup(now + 7200)


class CleansTheEternal(MemoryBackend):
    def cleanup(self, now: float) -> int:
        removed = super().cleanup(now)
        self._store.groups.clear()
        return removed


class Unlocked(MemoryBackend):
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        for record in records:
            old = self._store.records.get(record.task_id)
            if record.state != "SUCCESS":
                time.sleep(0.01)  # long enough for a success to come in between, every time
            if old is None or old.record.state != "SUCCESS":
                self.forget([record.task_id])
                super().put_many([record])


class WatchProxy(Watch):
    def __init__(self, backend: MemoryBackend, task_ids: Sequence[str]) -> None:
        self.ids = list(task_ids)
        self.backend = backend
        self.inner = MemoryBackend(backend._store).watch(task_ids)

    def wait(self, timeout: float) -> Mapping[str, bytes]:
        return self.inner.wait(timeout)

    def close(self) -> None:
        self.inner.close()


def watching(name: str, proxy: type[WatchProxy]) -> type[MemoryBackend]:
    def watch(self: MemoryBackend, task_ids: Sequence[str]) -> Watch:
        return proxy(self, task_ids)

    return type(name, (MemoryBackend,), {"watch": watch})


class _MissesWhatIsThere(WatchProxy):
    def __init__(self, backend: MemoryBackend, task_ids: Sequence[str]) -> None:
        super().__init__(backend, task_ids)
        self.inner.wait(0.0)


class _StartsAtTheFirstWait(WatchProxy):
    started = False

    def wait(self, timeout: float) -> Mapping[str, bytes]:
        if not self.started:
            self.started = True
            self.inner.wait(0.0)
        return super().wait(timeout)


class _WaitsTooLong(WatchProxy):
    def wait(self, timeout: float) -> Mapping[str, bytes]:
        return super().wait(timeout + 2.0)


class _DoesNotWait(WatchProxy):
    def wait(self, timeout: float) -> Mapping[str, bytes]:
        return super().wait(0.0)


class _TellsEverything(WatchProxy):
    def wait(self, timeout: float) -> Mapping[str, bytes]:
        found = {key: entry.record.payload for key, entry in self.backend._store.records.items()}
        return found or super().wait(timeout)


class _RepeatsItself(WatchProxy):
    def wait(self, timeout: float) -> Mapping[str, bytes]:
        return self.backend.get_many(self.ids) or super().wait(timeout)


class _TellsOnce(WatchProxy):
    def __init__(self, backend: MemoryBackend, task_ids: Sequence[str]) -> None:
        super().__init__(backend, task_ids)
        self.told: set[str] = set()

    def wait(self, timeout: float) -> Mapping[str, bytes]:
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > -1:
            news = {key: value for key, value in super().wait(max(left, 0)).items() if key not in self.told}
            self.told.update(news)
            if news or left <= 0:
                return news
        return {}


class _TellsOldNews(WatchProxy):
    first: Mapping[str, bytes] | None = None

    def wait(self, timeout: float) -> Mapping[str, bytes]:
        news = super().wait(timeout)
        if news and self.first is None:
            self.first = news
        return self.first if news and self.first is not None else news


class _WatchesOneId(WatchProxy):
    def __init__(self, backend: MemoryBackend, task_ids: Sequence[str]) -> None:
        super().__init__(backend, task_ids[:1])


class _ClosesOnce(WatchProxy):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed twice")
        self.closed = True


MUTANTS: list[tuple[type[MemoryBackend], str]] = [
    (Overwrites, "test_success_is_never_overwritten"),
    (KeepsTheFirst, "test_other_states_are_overwritten"),
    (RefusesWholeBatches, "test_a_protected_record_does_not_stop_its_batch"),
    (ReversesBatches, "test_a_batch_counts_in_its_order"),
    (LosesTheTail, "test_a_batch_of_a_thousand"),
    (StoresText, "test_payloads_are_byte_exact"),
    (Truncates, "test_a_large_payload"),
    (GivesEmptyBytes, "test_an_unknown_id_is_absent"),
    (IgnoresCase, "test_odd_ids"),
    (IsAlone, "test_another_object_sees_it"),
    (CachesReads, "test_another_object_sees_it"),
    (ForgetsNothing, "test_forget"),
    (ForgetsAll, "test_forget"),
    (MixesGroupsAndTasks, "test_a_group_and_a_task_of_one_id_are_two_things"),
    (KeepsGroups, "test_groups"),
    (CloseDropsAll, "test_closing_twice_is_harmless_and_keeps_the_records"),
    (NeverExpires, "test_a_record_that_expired_is_absent"),
    (ExpiresAtOnce, "test_a_record_ends_at_its_time"),
    (ProtectsTheExpired, "test_an_expired_success_is_overwritten"),
    (CleansTooMuch, "test_cleanup_removes_what_expired_and_nothing_else"),
    (CleansTheEternal, "test_cleanup_removes_what_expired_and_nothing_else"),
    (Unlocked, "test_success_wins_every_race"),
    (watching("MissesWhatIsThere", _MissesWhatIsThere), "test_what_is_there_is_told_at_once"),
    (watching("StartsAtTheFirstWait", _StartsAtTheFirstWait), "test_what_comes_between_watch_and_wait"),
    (watching("WaitsTooLong", _WaitsTooLong), "test_a_wait_is_bounded"),
    (watching("DoesNotWait", _DoesNotWait), "test_a_wait_is_bounded"),
    (watching("TellsEverything", _TellsEverything), "test_nothing_else_is_told"),
    (watching("RepeatsItself", _RepeatsItself), "test_what_was_told_is_not_told_again"),
    (watching("TellsOnce", _TellsOnce), "test_every_state_is_told"),
    (watching("TellsOldNews", _TellsOldNews), "test_every_state_is_told"),
    (watching("WatchesOneId", _WatchesOneId), "test_a_thousand_ids"),
    (watching("ClosesOnce", _ClosesOnce), "test_close"),
]


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant that never delivers is given up soon."""
    monkeypatch.setattr("cicely.testing.result_kit.rig.PATIENCE", 1.0)
    monkeypatch.setattr("cicely.testing.result_kit.lifetime.PATIENCE", 1.0)


@pytest.mark.parametrize(("mutant", "test"), MUTANTS, ids=[mutant.__name__ for mutant, _ in MUTANTS])
def test_the_kit_catches(mutant: type[MemoryBackend], test: str) -> None:
    with MutantRig(mutant) as rig, pytest.raises((AssertionError, KeyError, RuntimeError)):
        getattr(ResultBackendKit(), test)(rig)


@pytest.mark.parametrize("test", sorted({test for _, test in MUTANTS} - {"test_a_record_ends_at_its_time"}))
def test_the_original_passes_what_its_mutants_fail(test: str) -> None:
    with MutantRig(MemoryBackend) as rig:
        getattr(ResultBackendKit(), test)(rig)

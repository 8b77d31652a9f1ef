"""Expiry and cleanup."""

from __future__ import annotations

import time

from .rig import PATIENCE, BackendRig, new_id, record

HOUR = 3600.0


class LifetimeTests:
    """Records end at their time, no earlier, and make room."""

    def test_a_record_that_expired_is_absent(self, rig: BackendRig) -> None:
        backend = rig.open()
        old = record(new_id(), expires_at=time.time() - 1)
        new = record(new_id(), expires_at=time.time() + HOUR)
        backend.put_many([old, new])
        ids = [old.task_id, new.task_id]
        assert backend.get_many(ids) == {new.task_id: new.payload}
        with backend.watch(ids) as watch:
            assert watch.wait(1.0) == {new.task_id: new.payload}

    def test_a_record_ends_at_its_time(self, rig: BackendRig) -> None:
        backend = rig.open()
        short = record(new_id(), expires_at=time.time() + 1.5)
        backend.put_many([short])
        assert backend.get_many([short.task_id]) == {short.task_id: short.payload}
        deadline = time.monotonic() + PATIENCE
        while backend.get_many([short.task_id]):
            assert time.monotonic() < deadline, "the record did not expire"
            time.sleep(0.05)

    def test_an_expired_success_is_overwritten(self, rig: BackendRig) -> None:
        backend, old = rig.open(), record(new_id(), expires_at=time.time() - 1)
        backend.put_many([old])
        new = record(old.task_id, "FAILURE")
        backend.put_many([new])
        assert backend.get_many([old.task_id]) == {old.task_id: new.payload}

    def test_a_later_record_brings_its_own_expiry(self, rig: BackendRig) -> None:
        backend, task_id = rig.open(), new_id()
        backend.put_many([record(task_id, "STARTED", expires_at=time.time() - 1)])
        item = record(task_id, expires_at=time.time() + HOUR)
        backend.put_many([item])
        assert backend.get_many([task_id]) == {task_id: item.payload}

    def test_cleanup_removes_what_expired_and_nothing_else(self, rig: BackendRig) -> None:
        backend, now = rig.open(), time.time()
        old = [record(new_id(), expires_at=now + HOUR) for _ in range(3)]
        young = record(new_id(), expires_at=now + 3 * HOUR)
        eternal = record(new_id())
        backend.put_many([*old, young, eternal])
        backend.save_group(old[0].task_id, b"old", now + HOUR)
        backend.save_group(young.task_id, b"young", None)
        removed = backend.cleanup(now + 2 * HOUR)
        kept = {young.task_id: young.payload, eternal.task_id: eternal.payload}
        if removed == 0:  # the store removes by itself, by its own clock
            kept |= {item.task_id: item.payload for item in old}
        else:
            assert backend.load_group(old[0].task_id) is None
        assert backend.get_many([item.task_id for item in (*old, young, eternal)]) == kept
        assert backend.load_group(young.task_id) == b"young"

    def test_a_group_that_expired_is_absent(self, rig: BackendRig) -> None:
        backend, group_id = rig.open(), new_id()
        backend.save_group(group_id, b"x", time.time() - 1)
        assert backend.load_group(group_id) is None
        backend.save_group(group_id, b"y", time.time() + HOUR)
        assert backend.load_group(group_id) == b"y"

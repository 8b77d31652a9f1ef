"""Many threads at once."""

from __future__ import annotations

from collections.abc import Callable

from cicely.backends.spi import ResultBackend, StoredRecord

from .rig import BackendRig, new_id, record, run_together

ROUNDS = 15


class ConcurrencyTests:
    """Objects may be used from several threads."""

    def test_success_wins_every_race(self, rig: BackendRig) -> None:
        shared, own = rig.open(), [rig.open() for _ in range(3)]
        ids = [new_id() for _ in range(ROUNDS)]
        success = [record(task_id, value="right") for task_id in ids]
        losers = [
            [record(task_id, state, n) for task_id in ids]
            for n, state in enumerate(("FAILURE", "STARTED", "RETRY"))
        ]
        run_together(
            [
                _putter(shared, success),
                *(_putter(backend, items) for backend, items in zip(own, losers, strict=True)),
                _putter(shared, losers[0]),
            ]
        )
        assert shared.get_many(ids) == {item.task_id: item.payload for item in success}

    def test_no_record_is_lost(self, rig: BackendRig) -> None:
        shared = rig.open()
        batches = [[record(new_id(), value=(n, m)) for m in range(20)] for n in range(6)]
        run_together([_putter(shared, batch) for batch in batches])
        found = shared.get_many([item.task_id for batch in batches for item in batch])
        assert found == {item.task_id: item.payload for batch in batches for item in batch}

    def test_readers_see_whole_records(self, rig: BackendRig) -> None:
        backend, other, task_id = rig.open(), rig.open(), new_id()
        items = [record(task_id, "PROGRESS", str(n) * 50_000) for n in range(10)]
        allowed = {item.payload for item in items}
        backend.put_many(items[:1])

        def read() -> None:
            for _ in range(60):
                assert other.get_many([task_id])[task_id] in allowed

        run_together([_putter(backend, items * 4), read, read])


def _putter(backend: ResultBackend, items: list[StoredRecord]) -> Callable[[], None]:
    def put() -> None:
        for item in items:
            backend.put_many([item])

    return put

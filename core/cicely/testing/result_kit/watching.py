"""Waiting for records."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cicely.backends.spi import ResultBackend, StoredRecord

from .rig import BackendRig, collect, new_id, record, run_together


class WatchingTests:
    """Nothing that was put is missed, nothing else is told, no wait is longer than asked for."""

    def test_what_is_there_is_told_at_once(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id())
        backend.put_many([item])
        with backend.watch([item.task_id]) as watch:
            start = time.monotonic()
            assert watch.wait(2.0) == {item.task_id: item.payload}
            assert time.monotonic() - start < 1.5

    def test_what_comes_later_from_another_object(self, rig: BackendRig) -> None:
        backend, other, item = rig.open(), rig.open(), record(new_id())
        waiting = threading.Event()

        def put() -> None:
            waiting.wait(5.0)
            other.put_many([item])

        thread = threading.Thread(target=put)
        thread.start()
        with backend.watch([item.task_id]) as watch:
            assert watch.wait(0.05) == {}
            waiting.set()
            assert collect(watch, 1) == {item.task_id: item.payload}
        thread.join()

    def test_what_comes_later_from_the_same_object(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id())
        with backend.watch([item.task_id]) as watch:
            assert watch.wait(0.0) == {}
            backend.put_many([item])
            assert collect(watch, 1) == {item.task_id: item.payload}

    def test_what_comes_between_watch_and_wait(self, rig: BackendRig) -> None:
        backend, other, item = rig.open(), rig.open(), record(new_id())
        with backend.watch([item.task_id]) as watch:
            other.put_many([item])
            assert collect(watch, 1) == {item.task_id: item.payload}

    def test_a_wait_is_bounded(self, rig: BackendRig) -> None:
        backend = rig.open()
        with backend.watch([new_id()]) as watch:
            for timeout in (0.0, 0.2):
                start = time.monotonic()
                assert watch.wait(timeout) == {}
                took = time.monotonic() - start
                assert timeout * 0.9 <= took < timeout + 1.5, f"wait({timeout}) took {took:.2f} s"

    def test_nothing_else_is_told(self, rig: BackendRig) -> None:
        backend, other, wanted = rig.open(), rig.open(), record(new_id())
        noise = [record(new_id()) for _ in range(50)]
        backend.put_many(noise[:25])
        with backend.watch([wanted.task_id]) as watch:
            other.put_many(noise[25:])
            assert watch.wait(0.1) == {}
            other.put_many([record(new_id()), wanted, record(new_id())])
            assert collect(watch, 1) == {wanted.task_id: wanted.payload}

    def test_what_was_told_is_not_told_again(self, rig: BackendRig) -> None:
        backend, first, second = rig.open(), record(new_id()), record(new_id())
        backend.put_many([first])
        with backend.watch([first.task_id, second.task_id]) as watch:
            assert watch.wait(1.0) == {first.task_id: first.payload}
            assert watch.wait(0.1) == {}
            rig.open().put_many([second])
            assert collect(watch, 1) == {second.task_id: second.payload}
            assert watch.wait(0.1) == {}

    def test_every_state_is_told(self, rig: BackendRig) -> None:
        backend, other, task_id = rig.open(), rig.open(), new_id()
        with backend.watch([task_id]) as watch:
            for item in (
                record(task_id, "STARTED"),
                record(task_id, "PROGRESS", 1),
                record(task_id, "PROGRESS", 2),
                record(task_id, "SUCCESS", 3),
            ):
                other.put_many([item])
                assert collect(watch, 1) == {task_id: item.payload}

    def test_the_last_of_several_states_is_told(self, rig: BackendRig) -> None:
        backend, other, task_id = rig.open(), rig.open(), new_id()
        last = record(task_id, "SUCCESS", "last")
        with backend.watch([task_id]) as watch:
            other.put_many([record(task_id, "STARTED")])
            other.put_many([record(task_id, "RETRY")])
            other.put_many([last])
            deadline = time.monotonic() + 5.0
            told = collect(watch, 1)
            while told[task_id] != last.payload and time.monotonic() < deadline:
                told.update(watch.wait(0.1))
            assert told == {task_id: last.payload}

    def test_a_refused_overwrite_is_not_told(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id())
        backend.put_many([item])
        with backend.watch([item.task_id]) as watch:
            assert watch.wait(1.0) == {item.task_id: item.payload}
            rig.open().put_many([record(item.task_id, "FAILURE")])
            assert watch.wait(0.2) in ({}, {item.task_id: item.payload})

    def test_a_forgotten_task_is_told_when_it_comes_back(self, rig: BackendRig) -> None:
        backend, other, task_id = rig.open(), rig.open(), new_id()
        other.put_many([record(task_id, value=1)])
        with backend.watch([task_id]) as watch:
            collect(watch, 1)
            other.forget([task_id])
            assert watch.wait(0.05) == {}
            item = record(task_id, value=2)
            other.put_many([item])
            assert collect(watch, 1) == {task_id: item.payload}

    def test_a_thousand_ids(self, rig: BackendRig) -> None:
        backend, other = rig.open(), rig.open()
        items = [record(new_id(), value=number) for number in range(1000)]
        backend.put_many(items[:100])

        def put() -> None:
            for start in range(100, 1000, 90):
                other.put_many(items[start : start + 90])

        thread = threading.Thread(target=put)
        with backend.watch([item.task_id for item in items]) as watch:
            thread.start()
            found = collect(watch, 1000)
        thread.join()
        assert found == {item.task_id: item.payload for item in items}

    def test_the_same_id_twice(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id())
        with backend.watch([item.task_id, item.task_id]) as watch:
            rig.open().put_many([item])
            assert collect(watch, 1) == {item.task_id: item.payload}

    def test_watches_in_many_threads(self, rig: BackendRig) -> None:
        backend, other = rig.open(), rig.open()
        items = [record(new_id(), value=number) for number in range(8)]

        def waiter(index: int) -> Callable[[], None]:
            def wait() -> None:
                with backend.watch([items[index].task_id]) as watch:
                    assert collect(watch, 1) == {items[index].task_id: items[index].payload}

            return wait

        run_together([*(waiter(index) for index in range(8)), lambda: _put_singly(other, items)])

    def test_close(self, rig: BackendRig) -> None:
        backend, item = rig.open(), record(new_id())
        for _ in range(300):
            watch = backend.watch([item.task_id])
            watch.wait(0.0)
            watch.close()
            watch.close()
        unused = backend.watch([item.task_id])
        unused.close()
        backend.put_many([item])
        assert backend.get_many([item.task_id]) == {item.task_id: item.payload}


def _put_singly(backend: ResultBackend, items: list[StoredRecord]) -> None:
    for item in items:
        backend.put_many([item])

"""Other processes: arrival, races, forks, sudden death. They run :mod:`.child`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

from cicely.backends.record import decode_record

from .rig import PATIENCE, BackendRig, collect, new_id, record

PROCESSES = 4


class ForkTests:
    """A backend object that was used before a fork can be used after it, on both sides."""

    #: Whether what the child puts is seen by the parent.
    shared = False

    def test_use_on_both_sides_of_a_fork(self, rig: BackendRig) -> None:
        ids = [new_id() for _ in range(6)]
        said = finish(child(rig, do="fork", ids=ids, shared=self.shared))
        assert said == "ok\n"
        if self.shared:
            assert rig.open().get_many(ids).keys() == set(ids)


class ProcessTests:
    """What one process puts, the others have."""

    def test_a_watch_sees_what_another_process_puts(self, rig: BackendRig) -> None:
        backend, ids = rig.open(), [new_id() for _ in range(20)]
        with backend.watch(ids) as watch:
            assert watch.wait(0.0) == {}
            other = child(rig, do="put", ids=ids, state="SUCCESS", value="theirs")
            found = collect(watch, 20)
        finish(other)
        assert found == {task_id: record(task_id, value="theirs").payload for task_id in ids}

    def test_success_wins_the_race_of_processes(self, rig: BackendRig) -> None:
        ids = [new_id() for _ in range(50)]
        states = ("FAILURE", "SUCCESS", "STARTED", "RETRY")
        others = [child(rig, do="put", ids=ids, state=state, value=state) for state in states]
        for other in others:
            finish(other)
        expected = {task_id: record(task_id, value="SUCCESS").payload for task_id in ids}
        assert rig.open().get_many(ids) == expected

    def test_a_killed_writer_leaves_whole_records_and_no_lock(self, rig: BackendRig) -> None:
        ids = [new_id() for _ in range(30)]
        other = child(rig, do="hammer", ids=ids)
        backend = rig.open()
        with backend.watch(ids) as watch:
            collect(watch, 10)
        other.send_signal(signal.SIGKILL)
        other.communicate(timeout=PATIENCE)
        for payload in backend.get_many(ids).values():
            assert decode_record(payload)["status"] == "PROGRESS"
        items = [record(task_id) for task_id in ids]
        backend.put_many(items)
        assert backend.get_many(ids) == {item.task_id: item.payload for item in items}


def child(rig: BackendRig, **job: Any) -> subprocess.Popen[str]:
    """Start a process on the store of ``rig``."""
    order = json.dumps({"url": rig.url, "options": rig.options, **job})
    return subprocess.Popen(
        [sys.executable, "-m", "cicely.testing.result_kit.child", order],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it printed, once it ended well."""
    try:
        out, err = process.communicate(timeout=3 * PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"a process of the kit hung: {out}{err}") from None
    assert process.returncode == 0, err
    return out

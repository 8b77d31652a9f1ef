"""`cicely worker` as a process, with each pool."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Project, until

POOLS = ["prefork", "threads", "solo"]
SOURCE = """
import os, time
from pathlib import Path
from cicely import Cicely
from cicely.utils.log import get_task_logger

app = Cicely("proj", broker=URL, backend=URL)
log = get_task_logger(__name__)

@app.task
def add(a, b):
    return a + b

@app.task
def wait_for(path):
    Path(path + ".began").touch()
    while not Path(path).exists():
        time.sleep(0.005)
    return "done"

@app.task
def speak():
    log.warning("from the task's logger")
    print("from print")

@app.task
def fail():
    raise ValueError("on purpose")
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path, SOURCE, tmp_path.name)
    yield made
    made.close()


@pytest.mark.parametrize("pool", POOLS)
def test_runs_logs_and_stops(project: Project, pool: str) -> None:
    worker = project.worker("-P", pool, "-c", "2", "-l", "info", "-n", "w1@%h").ready()
    results = project.app.send_many([project.module.add.s(n, n) for n in range(500)])
    assert [result.get(timeout=30) for result in results] == [2 * n for n in range(500)]
    spoken = project.module.speak.delay()
    spoken.get(timeout=30)
    with pytest.raises(ValueError, match="on purpose"):
        project.module.fail.delay().get(timeout=30)
    assert worker.stop() == 0
    assert f"proj.speak[{spoken.id}]: from the task's logger" in worker.log
    assert "from print" in worker.log
    assert f"Task proj.add[{results[7].id}] received" in worker.log
    assert f"Task proj.add[{results[7].id}] succeeded in" in worker.log
    assert "ValueError('on purpose')" in worker.log
    assert "Traceback (most recent call last)" in worker.log
    assert f"pool     {pool} x {1 if pool == 'solo' else 2}" in worker.log
    assert "w1@" in worker.log
    sizes = project.sizes()
    assert (sizes.ready, sizes.leased, sizes.dead) == (0, 0, 0)


@pytest.mark.parametrize("pool", POOLS)
def test_warm_stop_lets_the_running_task_end(project: Project, pool: str) -> None:
    worker = project.worker("-P", pool, "-c", "1", "-l", "info").ready()
    go = project.path / "go"
    running = project.module.wait_for.delay(str(go))
    until((project.path / "go.began").exists, "the task to begin")
    worker.signal(signal.SIGTERM)
    until(lambda: "stops (warm)" in worker.log, "the warm stop")
    waiting = project.module.add.delay(1, 2)
    go.touch()
    assert worker.process.wait(30) == 0
    assert running.get(timeout=5) == "done"
    assert not waiting.ready()


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(
    "signals", [(signal.SIGQUIT,), (signal.SIGINT, signal.SIGINT)], ids=["quit", "int int"]
)
def test_cold_stop_gives_the_running_task_back(
    project: Project, pool: str, signals: tuple[signal.Signals, ...]
) -> None:
    worker = project.worker("-P", pool, "-c", "1", "-l", "info").ready()
    project.module.wait_for.delay(str(project.path / "never"))
    until((project.path / "never.began").exists, "the task to begin")
    first, *rest = signals
    worker.signal(first)
    for again in rest:
        until(lambda: "stops (warm)" in worker.log, "the warm stop")
        worker.signal(again)
    assert worker.process.wait(30) == 0
    assert project.sizes().ready == 1
    transport = project.app.open_transport()
    receiver = transport.receiver(["celery"], credit=1, lease=30.0)
    assert [delivery.attempt for delivery in receiver.receive(1, 5.0)] == [1]
    transport.close()


SIGNALS = """
import os, pathlib
from cicely import signals

def mark(name):
    def receiver(sender, **named):
        with open("marks", "a") as file:
            print(name, os.getpid(), type(sender).__name__, file=file)
    return receiver

for name in ("celeryd_init", "celeryd_after_setup", "worker_init", "worker_process_init", "worker_ready",
             "worker_shutting_down", "worker_process_shutdown", "worker_shutdown"):
    getattr(signals, name).connect(mark(name), weak=False)
"""


@pytest.mark.parametrize("pool", POOLS)
def test_signals_of_a_life(tmp_path: Path, pool: str) -> None:
    project = Project(tmp_path, SOURCE, tmp_path.name)
    (tmp_path / "listeners.py").write_text(SIGNALS, "utf-8")
    try:
        worker = project.worker("-P", pool, "-c", "1", "-l", "info", "-I", "listeners").ready()
        assert project.module.add.delay(1, 2).get(timeout=30) == 3
        assert worker.stop() == 0
    finally:
        project.close()
    marks = [line.split() for line in (tmp_path / "marks").read_text().splitlines()]
    names = [name for name, *_ in marks]
    assert sorted(names) == sorted(set(names))
    assert names[:3] == ["celeryd_init", "celeryd_after_setup", "worker_init"]
    assert names[-1] == "worker_shutdown"
    assert names.index("worker_ready") < names.index("worker_shutting_down")
    assert {"worker_process_init", "worker_process_shutdown"} <= set(names)
    by_name = {name: (int(pid), sender) for name, pid, sender in marks}
    assert by_name["worker_init"] == by_name["worker_shutdown"] == (worker.pid, "Worker")
    assert by_name["worker_ready"][1] == "Consumer"
    assert by_name["worker_shutting_down"][1] == "str"
    assert (by_name["worker_process_init"][0] == worker.pid) is (pool != "prefork")


def test_log_file_and_second_queue(project: Project) -> None:
    log = project.path / "worker.log"
    worker = project.worker("-P", "threads", "-c", "1", "-l", "info", "-f", str(log), "-Q", "other")
    until(lambda: log.exists() and " ready" in log.read_text(), "the worker to be ready")
    here = project.module.add.apply_async((1, 2), queue="other")
    elsewhere = project.module.add.delay(3, 4)
    assert here.get(timeout=30) == 3
    assert not elsewhere.ready()
    assert worker.stop() == 0


def test_embedded_worker_ends_when_the_broker_may_not_be_waited_for(
    make_unreachable: Callable[[], Any],
) -> None:
    worker = make_unreachable()
    assert worker.process.wait(30) == 1
    assert "broker_connection_retry_on_startup=False" in worker.log
    assert "Traceback" not in worker.log


AWAY = """
from cicely import Cicely
from cicely_transports.errors import OperationalError
from cicely_transports.memory import MemoryTransport


class Away(MemoryTransport):
    def declare(self, topology):
        raise OperationalError("connection refused")


app = Cicely("proj", broker="proj:Away://x")
app.conf.broker_connection_retry_on_startup = False
"""


@pytest.fixture
def make_unreachable(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    made: list[Project] = []

    def make() -> Any:
        project = Project(tmp_path, AWAY, tmp_path.name)
        made.append(project)
        return project.worker("-P", "prefork", "-c", "1", "-l", "info")

    yield make
    for project in made:
        project.close()

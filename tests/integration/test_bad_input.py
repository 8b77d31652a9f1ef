"""What a worker cannot run becomes a dead letter with its reason and a failed result; the worker lives on."""

from __future__ import annotations

import pickle
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import Project, until

from cicely_transports.errors import StorageFull
from cicely_transports.message import Message, Properties
from cicely_transports.spi import Send

SOURCE = """
from cicely import Cicely

app = Cicely("proj", broker=URL, backend=URL)

@app.task
def add(a, b):
    return a + b
"""

JSON = Properties(content_type="application/json", content_encoding="utf-8")
BODY = b'[[1, 2], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'


def message(body: bytes = BODY, properties: Properties = JSON, **headers: Any) -> Message:
    return Message(body, {"task": "proj.add", "id": "the-id"} | headers, properties)


CASES = {
    "unknown task": (message(task="proj.ad"), "NotRegistered", "proj.ad"),
    "refused content": (
        message(pickle.dumps([(1, 2), {}, {}]), Properties("application/x-python-serialize", "binary")),
        "ContentDisallowed",
        "pickle",
    ),
    "corrupt body": (message(b'[[1, 2], {}, {"callb'), "DecodeError", "application/json"),
    "two-item body": (message(b"[[1, 2], {}]"), "InvalidTaskError", "2 items"),
    "kwargs not a map": (message(b"[[1, 2], [], {}]"), "InvalidTaskError", "keyword arguments"),
    "no id": (Message(BODY, {"task": "proj.add"}, JSON), None, "id"),
    "not a task": (Message(b"\xff\xfe\x00", {}, Properties()), None, ""),
    "bad eta": (message(eta="tomorrow"), "InvalidTaskError", "eta"),
}


@pytest.mark.parametrize("case", CASES)
def test_unrunnable_messages(make_project: Callable[[str], Project], case: str) -> None:
    sent, error, said = CASES[case]
    project = make_project(SOURCE)
    worker = project.worker("-c", "1", "-l", "info").ready()
    transport = project.app.open_transport()
    transport.sender().publish([Send(sent, "celery")])
    until(lambda: project.sizes().dead == 1, "the dead letter")
    (letter,) = transport.dead_letters("celery")
    transport.close()
    assert letter.message.body == sent.body
    assert said in letter.reason
    if error is not None:
        result = project.app.AsyncResult("the-id")
        until(result.failed, "the failed result")
        assert type(result.result).__name__ == error
    assert project.module.add.delay(20, 22).get(timeout=30) == 42
    assert said in worker.log
    assert worker.stop() == 0


def test_corrupt_broker_file(make_project: Callable[[str], Project]) -> None:
    project = make_project(SOURCE)
    (project.path / "proj.db").write_bytes(b"this is not a database" * 1000)
    done = project.cli("-A", "proj", "call", "proj.add", "-a", "[1, 2]", check=False)
    assert done.returncode in {1, 2}
    assert "proj.db" in done.stderr
    assert "Traceback" not in done.stderr
    worker = project.worker("-c", "1")
    assert worker.process.wait(30) != 0
    assert "proj.db" in worker.log
    assert (project.path / "proj.db").read_bytes().startswith(b"this is not")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small tmpfs takes root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk(make_project: Callable[[str], Project], small_disk: Path) -> None:
    project = make_project(SOURCE.replace("URL", repr(f"sqlite:///{small_disk}/proj.db")))
    add, stored = project.module.add, 0

    def fill() -> None:
        nonlocal stored
        while stored < 100_000:
            add.delay("x" * 10_000, "y")
            stored += 1

    with pytest.raises(StorageFull, match=r"small/proj\.db"):
        fill()
    assert stored > 0
    assert project.sizes().ready == stored
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    worker = project.worker("-c", "1", "-l", "warning")
    assert add.delay(1, 2).get(timeout=30) == 3
    until(lambda: project.sizes().ready == 0, "the stored tasks to be done")
    assert project.sizes().dead == 0
    assert worker.stop() == 0


def test_mistakes_of_the_producer(make_project: Callable[[str], Project]) -> None:
    project = make_project(SOURCE)
    app, add = project.app, project.module.add
    with pytest.raises(TypeError, match="countdown"):
        add.apply_async((1, 2), countdwn=3)
    with pytest.warns(UserWarning, match="task_serializer"):
        app.conf.task_serialiser = "json"
    with pytest.raises(Exception, match=r"args\[0\].*object"):
        add.delay(object(), 1)
    with pytest.raises(TypeError, match="b"):
        add.delay(1)
    assert project.sizes().ready == 0


def test_worker_start_mistakes(make_project: Callable[[str], Project]) -> None:
    project = make_project(SOURCE)
    for arguments, said in {
        ("-A", "prj", "worker"): "did you mean 'proj'",
        ("-A", "proj", "worker", "-P", "prefrok"): "prefork",
        ("-A", "proj", "-b", "sqlit:///x", "worker"): "sqlite",
        ("-A", "proj", "-b", "amqp://localhost", "worker"): "cicely[amqp]",
        ("-A", "proj", "worker", "--concurency", "2"): "--concurrency",
    }.items():
        done = project.cli(*arguments, check=False)
        assert done.returncode == 2, (arguments, done.stderr)
        assert said in done.stderr
        assert "Traceback" not in done.stderr

"""The command line up to the point where a worker would run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cicely import Cicely
from cicely.exceptions import ImproperlyConfigured
from cicely_transports.spi import QueueSize
from cicely_worker import command, launch
from cicely_worker.command import HARMLESS, MISSING
from cicely_worker.cpus import cpu_count
from cicely_worker.options import WorkerOptions, node_name


class Runs:
    """Stands where workers are hosted: remembers with what they would have run."""

    def __init__(self) -> None:
        self.options: list[WorkerOptions] = []

    def __call__(self, app: Cicely, options: WorkerOptions) -> Any:
        self.options.append(options)
        return SimpleNamespace(run=lambda: 0)


@pytest.fixture
def app(tmp_path: Path) -> Cicely:
    made = Cicely("proj", broker=f"sqlite:///{tmp_path}/proj.db", set_as_current=False)
    made.conf.worker_redirect_stdouts = False
    made.conf.worker_hijack_root_logger = False

    @made.task(name="proj.add")
    def add(a: int, b: int) -> int:
        return a + b

    return made


@pytest.fixture
def invoke(
    app: Cicely, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Result, WorkerOptions | None]]:
    runs = Runs()
    monkeypatch.setattr(launch, "Worker", runs)

    def call(*arguments: str) -> tuple[Result, WorkerOptions | None]:
        runs.options.clear()
        result = CliRunner().invoke(command.worker, arguments, obj=SimpleNamespace(app=app, quiet=False))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result, runs.options[0] if runs.options else None

    return call


def test_defaults_come_from_settings_and_machine(app: Cicely, invoke: Any) -> None:
    app.conf.worker_lease = 7.0
    app.conf.task_max_deliveries = 9
    app.conf.worker_shutdown_grace = 3.0
    result, options = invoke()
    assert result.exit_code == 0
    assert options == WorkerOptions(
        hostname=node_name(None),
        pool="prefork",
        concurrency=cpu_count(),
        queues=("celery",),
        lease=7.0,
        max_deliveries=9,
        grace=3.0,
    )
    assert "prefork x" in result.output
    assert "one for each CPU" in result.output
    assert "proj: add" in result.output
    assert "results are not kept" in result.output


def test_options_win_over_settings(app: Cicely, invoke: Any) -> None:
    app.conf.worker_concurrency = 7
    app.conf.worker_pool = "solo"
    _, options = invoke("-c", "3", "-P", "threads", "-n", "w1@%h", "-Q", "a,b", "-Q", "c", "-X", "b")
    assert (options.concurrency, options.pool, options.queues) == (3, "threads", ("a", "c"))
    assert options.hostname == node_name("w1@%h")


def test_concurrency_auto_and_solo(app: Cicely, invoke: Any) -> None:
    app.conf.worker_concurrency = 7
    assert invoke("-c", "auto")[1].concurrency == cpu_count()
    assert invoke()[1].concurrency == 7
    assert invoke("-P", "solo")[1].concurrency == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-c", "0"], "at least 1"),
        (["-c", "many"], "'auto'"),
        (["-P", "prefrok"], "did you mean 'prefork'"),
        (["-l", "loud"], "loud"),
        (["-I", "no.such.module"], "there is no module 'no'"),
        (["--concurency", "2"], "--concurrency"),
    ],
)
def test_mistakes_are_told_and_exit_with_2(invoke: Any, arguments: list[str], said: str) -> None:
    result, options = invoke(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert options is None


def test_log_file_that_cannot_be_written(app: Cicely, invoke: Any) -> None:
    app.conf.worker_hijack_root_logger = True
    result, options = invoke("-f", "/no/such/folder/log")
    assert result.exit_code == 2
    assert "/no/such/folder/log" in result.output
    assert options is None


def test_unknown_queue_is_made_with_a_warning(app: Cicely, invoke: Any) -> None:
    app.conf.task_queues = ["mail", "video"]
    result, options = invoke("-Q", "mial")
    assert (
        "Warning: queue 'mial' is not in task_queues and was made now; did you mean 'mail'?" in result.output
    )
    assert options.queues == ("mial",)


def test_unknown_queue_is_an_error_where_none_may_be_made(app: Cicely, invoke: Any) -> None:
    app.conf.task_queues = ["mail", "video"]
    app.conf.task_create_missing_queues = False
    result, _ = invoke("-Q", "mial")
    assert result.exit_code == 2
    assert "did you mean 'mail'" in result.output


@pytest.mark.parametrize(("names", "flag", "_why"), HARMLESS)
def test_harmless_options_are_accepted(invoke: Any, names: tuple[str, ...], flag: bool, _why: str) -> None:
    for name in names:
        assert invoke(name, *([] if flag else ["1"]))[0].exit_code == 0


@pytest.mark.parametrize(("names", "flag"), MISSING)
def test_options_without_their_feature_are_refused(invoke: Any, names: tuple[str, ...], flag: bool) -> None:
    for name in names:
        result, options = invoke(name, *([] if flag else ["1"]))
        assert result.exit_code == 2
        assert f"{names[-1]}: this version of cicely does not have this yet" in result.output
        assert options is None


def test_purge_counts(app: Cicely, invoke: Any) -> None:
    for n in range(3):
        app.send_task("proj.add", (n, n))
    result, _ = invoke("--purge")
    assert "Dropped 3 waiting messages of celery." in result.output
    transport = app.open_transport()
    assert transport.sizes(["celery"])["celery"] == QueueSize()
    transport.close()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        (None, "celery@box.example.org"),
        ("w1", "celery@w1"),
        ("w1@%h", "w1@box.example.org"),
        ("%n-a@%n", "box-a@box"),
        ("w@%d", "w@example.org"),
        ("100%%@x", "100%@x"),
        ("w@%%h", "w@%h"),
    ],
)
def test_node_names(pattern: str | None, name: str) -> None:
    assert node_name(pattern, "box.example.org") == name


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"concurrency": 0}, "--concurrency"), ({"lease": 0}, "worker_lease"), ({"grace": -1}, "grace")],
)
def test_options_that_no_worker_can_keep(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=said):
        WorkerOptions("celery@here", **wrong)

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from cicely import Cicely
from cicely.request import Context, pop, push
from cicely.utils import log
from cicely.utils.log import (
    ColorFormatter,
    LoggingProxy,
    SecretsFilter,
    TaskFormatter,
    get_logger,
    get_task_logger,
    in_sighandler,
    logger_isa,
    task_logger,
)


class Collect(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def running() -> Iterator[None]:
    task = Cicely(set_as_current=False).task(name="proj.add", lazy=False)(lambda: None)
    push(task, Context(id="the-id", called_directly=False))
    yield
    pop()


def listening(logger: logging.Logger) -> Collect:
    collect = Collect()
    logger.addHandler(collect)
    logger.setLevel(logging.DEBUG)
    return collect


def record(text: str, *args: Any, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("n", level, "f", 1, text, args, None)


def test_task_logger_knows_its_task(running: None) -> None:
    logger = get_task_logger("proj.tasks.one")
    collect = listening(logger)
    logger.info("working")
    assert (collect.records[0].task_id, collect.records[0].task_name) == (  # type: ignore[attr-defined]  # by filter
        "the-id",
        "proj.add",
    )


def test_task_logger_outside_of_tasks() -> None:
    logger = get_task_logger("proj.tasks.two")
    collect = listening(logger)
    logger.info("idle")
    assert collect.records[0].task_id == "???"  # type: ignore[attr-defined]  # by filter


def test_task_loggers_hang_below_the_task_logger() -> None:
    logger = get_task_logger("proj.tasks.three")
    assert logger.parent is task_logger
    assert get_task_logger("proj.tasks.three") is logger
    assert len(logger.filters) == 1
    assert logger_isa(logger, log.logger)
    assert not logger_isa(log.logger, logger)


@pytest.mark.parametrize("name", ["cicely", "cicely.task"])
def test_own_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="get_task_logger"):
        get_task_logger(name)


def test_get_logger_hangs_below_cicely() -> None:
    assert get_logger("my_extension").parent is log.logger
    assert get_logger("cicely") is log.logger
    assert log.logger.parent is logging.root


def test_task_formatter(running: None) -> None:
    formatter = TaskFormatter("%(task_name)s[%(task_id)s]: %(message)s")
    assert formatter.format(record("x %s", 1)) == "proj.add[the-id]: x 1"


def test_color_formatter() -> None:
    formatter = ColorFormatter("%(message)s")
    assert formatter.format(record("x", level=logging.ERROR)) == "\033[31mx\033[0m"
    assert formatter.format(record("x")) == "x"
    assert ColorFormatter("%(message)s", use_color=False).format(record("x", level=logging.ERROR)) == "x"


def test_secrets_filter() -> None:
    entry = record("lost %s and %s", "redis://u:sesame@h/0", "sqlite:///x?password=sesame")
    assert SecretsFilter().filter(entry)
    assert "sesame" not in entry.getMessage()
    assert "redis://u:********@h/0" in entry.getMessage()
    plain = record("x %s", 1)
    SecretsFilter().filter(plain)
    assert plain.args == (1,)


def test_logging_proxy() -> None:
    logger = logging.getLogger("test_log.proxy")
    collect = listening(logger)
    proxy = LoggingProxy(logger, "ERROR")
    assert proxy.write("hello\n") == 6
    proxy.writelines(["a\n", "  \n", "b"])
    with in_sighandler():
        proxy.write("not logged")
    proxy.close()
    proxy.write("not logged either")
    assert [(entry.getMessage(), entry.levelname) for entry in collect.records] == [
        ("hello", "ERROR"),
        ("a", "ERROR"),
        ("b", "ERROR"),
    ]
    assert not proxy.isatty()
    with pytest.raises(OSError, match="descriptor"):
        proxy.fileno()


def test_logging_proxy_does_not_feed_itself(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("test_log.loop")
    proxy = LoggingProxy(logger, logging.ERROR)

    class Printing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            proxy.write("printed by a handler")

    logger.addHandler(Printing())
    logger.propagate = False
    proxy.write("x")
    assert "printed by a handler" in capfd.readouterr().err

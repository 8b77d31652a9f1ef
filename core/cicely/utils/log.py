"""Loggers and formatters for tasks and programs."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from cicely.request import executing

from .censor import mask_urls

logger: Final = logging.getLogger("cicely")
#: Parent of the loggers of tasks; the worker gives it handlers of its own.
task_logger: Final = logging.getLogger("cicely.task")
worker_logger: Final = logging.getLogger("cicely.worker")

#: What stands in a record for the task where none runs.
NO_TASK: Final = "???"

_COLOURS: Final = {
    logging.DEBUG: "\033[34m",
    logging.WARNING: "\033[33m",
    logging.ERROR: "\033[31m",
    logging.CRITICAL: "\033[35m",
}
_PLAIN: Final = "\033[0m"
_signalled: Final[ContextVar[bool]] = ContextVar("cicely_in_sighandler", default=False)


class _TaskFields(logging.Filter):
    """Adds the id and the name of the running task to records."""

    def filter(self, record: logging.LogRecord) -> bool:
        fill(record)
        return True


_task_fields: Final = _TaskFields()


def fill(record: logging.LogRecord) -> None:
    """Set ``task_id`` and ``task_name`` of a record, unless it has them: those of the task that runs here."""
    fields = record.__dict__
    if "task_id" in fields and "task_name" in fields:
        return
    running = executing()
    fields.setdefault("task_id", running.context.id if running is not None else NO_TASK)
    fields.setdefault("task_name", running.task.name if running is not None else NO_TASK)


def get_logger(name: str) -> logging.Logger:
    """The logger of that name; one without a parent of its own hangs below ``cicely``."""
    return _below(logger, logging.getLogger(name))


def get_task_logger(name: str) -> logging.Logger:
    """A logger for task bodies: its records carry ``task_id`` and ``task_name`` and go where tasks log.

    Raises ValueError for the names of cicely's own loggers, whose children it would capture.
    """
    if name in {logger.name, task_logger.name, worker_logger.name}:
        raise ValueError(f"the logger name {name!r} is cicely's own: use get_task_logger(__name__)")
    found = _below(task_logger, logging.getLogger(name))
    if _task_fields not in found.filters:
        found.addFilter(_task_fields)
    return found


def _below(parent: logging.Logger, child: logging.Logger) -> logging.Logger:
    if child is not parent and child is not logger and not logger_isa(child, parent):
        child.parent = parent
    return child


def logger_isa(child: logging.Logger | None, parent: logging.Logger) -> bool:
    """Whether ``parent`` is ``child`` or among its ancestors."""
    while child is not None:
        if child is parent:
            return True
        child = child.parent
    return False


class TaskFormatter(logging.Formatter):
    """Knows ``%(task_id)s`` and ``%(task_name)s``; ``???`` outside of tasks."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        fill(record)
        return super().format(record)


class ColorFormatter(logging.Formatter):
    """Colours the message by its level, when ``use_color`` is set."""

    def __init__(self, fmt: str | None = None, datefmt: str | None = None, use_color: bool = True) -> None:
        super().__init__(fmt, datefmt)
        self.use_color = use_color

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name in logging
        """The line of a record, without exception and stack."""
        line = super().formatMessage(record)
        colour = _COLOURS.get(record.levelno) if self.use_color else None
        return line if colour is None else f"{colour}{line}{_PLAIN}"


class SecretsFilter(logging.Filter):
    """Masks passwords of URLs in messages, for handlers that write where others can read."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record if it has such a URL; keep every one."""
        text = record.getMessage()
        if "://" in text:
            masked = mask_urls(text)
            if masked != text:
                record.msg, record.args = masked, None
        return True


@contextmanager
def in_sighandler() -> Iterator[None]:
    """Marks the code of a signal handler, in which redirected output is not logged."""
    token = _signalled.set(True)
    try:
        yield
    finally:
        _signalled.reset(token)


class LoggingProxy:
    """A text stream that logs what is written to it, for ``sys.stdout`` and ``sys.stderr``."""

    encoding = "utf-8"
    errors = "backslashreplace"
    mode = "w"
    name = None

    def __init__(self, logger: logging.Logger, loglevel: int | str | None = None) -> None:
        level = logger.level if loglevel is None else loglevel
        self.logger = logger
        self.loglevel: int = (
            logging.getLevelNamesMapping()[level.upper()] if isinstance(level, str) else level
        )
        self.closed = False
        self._thread = threading.local()

    def write(self, data: str) -> int:
        """Log the text, without trailing white space; empty lines are dropped. Returns its length."""
        text = data.rstrip()
        if not text or self.closed or _signalled.get():
            return len(data)
        if getattr(self._thread, "busy", False):
            # A handler that fails prints to the stream that is being logged.
            if sys.__stderr__ is not None:
                sys.__stderr__.write(data)
            return len(data)
        self._thread.busy = True
        try:
            self.logger.log(self.loglevel, text)
        finally:
            self._thread.busy = False
        return len(data)

    def writelines(self, lines: Iterable[str]) -> None:
        """Log the lines one by one."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Log no more."""
        self.closed = True

    def isatty(self) -> bool:
        """A log is no terminal."""
        return False

    def fileno(self) -> Any:
        """A log has no descriptor: raises OSError, as text streams without one do."""
        raise OSError("a stream that is logged has no file descriptor")

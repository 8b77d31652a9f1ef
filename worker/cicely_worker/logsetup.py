"""Logging of a worker process: where it goes and how it looks.

``worker_hijack_root_logger`` off, or a receiver of the ``setup_logging`` signal, leaves logging to the user.
With ``worker_redirect_stdouts`` what tasks print is logged.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

from cicely import signals
from cicely.utils.log import LoggingProxy, SecretsFilter, TaskFormatter, task_logger

if TYPE_CHECKING:
    from cicely.settings.settings import Settings


def setup_logging(conf: Settings, level: str, logfile: str | None) -> None:
    """Send log records of at least ``level`` to ``logfile`` (None: standard error). Raises OSError."""
    number = logging.getLevelNamesMapping()[level.upper()]
    named: dict[str, Any] = {"loglevel": number, "logfile": logfile, "colorize": False}
    if signals.setup_logging.send(None, format=conf.worker_log_format, **named):
        return
    root = logging.getLogger()
    if conf.worker_hijack_root_logger:
        plain = logging.Formatter(conf.worker_log_format, conf.worker_log_datefmt)
        _give(root, number, _handler(logfile, plain))
        in_task = TaskFormatter(conf.worker_task_log_format, conf.worker_task_log_datefmt)
        _give(task_logger, number, _handler(logfile, in_task))
        task_logger.propagate = False
    logging.captureWarnings(True)
    signals.after_setup_logger.send(None, logger=root, format=conf.worker_log_format, **named)
    signals.after_setup_task_logger.send(
        None, logger=task_logger, format=conf.worker_task_log_format, **named
    )
    if conf.worker_redirect_stdouts:
        proxy = LoggingProxy(logging.getLogger("cicely.redirected"), conf.worker_redirect_stdouts_level)
        sys.stdout = sys.stderr = cast("TextIO", proxy)


def _handler(logfile: str | None, formatter: logging.Formatter) -> logging.Handler:
    handler: logging.Handler
    if logfile is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        handler = logging.FileHandler(logfile, encoding="utf-8")
    handler.setFormatter(formatter)
    handler.addFilter(SecretsFilter())
    return handler


def _give(logger: logging.Logger, level: int, handler: logging.Handler) -> None:
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        old.close()
    logger.addHandler(handler)
    logger.setLevel(level)

"""May code that runs here wait for other tasks? Inside a task it may not, unless it says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from .request import executing

_allowed: Final[ContextVar[bool | None]] = ContextVar("cicely_join_allowed", default=None)


@contextmanager
def allow_join_result() -> Generator[None]:
    """In this block a task may wait for results. It keeps its slot: with too few slots, all wait for ever."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


@contextmanager
def denied_join_result() -> Generator[None]:
    """In this block nothing may wait for results, inside a task or not."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def refuse_to_block() -> None:
    """Raise RuntimeError where waiting for a result would keep a worker's slot."""
    allowed = _allowed.get()
    if allowed:
        return
    if allowed is None:
        running = executing()
        if running is None or running.context.is_eager:
            return
        where = f"inside task {running.context.task or running.task}"
    else:
        where = "here (denied_join_result)"
    raise RuntimeError(
        f"waiting for a result {where} would keep this worker's slot and can block for ever: use a chain, a "
        "chord or link= instead, await result.aget() in an async task, or, if there are slots enough, "
        "cicely.result.allow_join_result()"
    )

"""An exception with its traceback as text, taken while both are at hand."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Self

#: Text of one traceback at most; what is cut is the middle, which is the least telling.
MAX_TRACEBACK = 64 * 1024


class ExceptionInfo:
    """What hooks and signals get as ``einfo``: ``type``, ``exception``, ``tb`` and ``traceback`` (text)."""

    __slots__ = ("exception", "internal", "tb", "traceback", "type")

    def __init__(self, exception: BaseException, tb: TracebackType | None, *, internal: bool = False) -> None:
        self.type = type(exception)
        self.exception = exception
        self.tb = tb
        self.internal = internal
        self.traceback = format_exception(exception, tb)

    @classmethod
    def of(cls, exception: BaseException, *, skip: int = 0, internal: bool = False) -> Self:
        """Of an exception that was caught ``skip`` frames above the code of interest."""
        tb = exception.__traceback__
        for _ in range(skip):
            if tb is None or tb.tb_next is None:
                break
            tb = tb.tb_next
        return cls(exception, tb, internal=internal)

    @property
    def exc_info(self) -> tuple[type[BaseException], BaseException, TracebackType | None]:
        """As ``sys.exc_info()`` gives it, for logging."""
        return self.type, self.exception, self.tb

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<ExceptionInfo: {self.type.__qualname__}>"


def format_exception(exception: BaseException, tb: TracebackType | None) -> str:
    """Traceback text, bounded. Never raises, whatever the exception's own methods do."""
    try:
        text = "".join(traceback.format_exception(type(exception), exception, tb))
    except Exception as broken:  # noqa: BLE001 - foreign code inside the exception; its failure becomes the text
        frames = "".join(traceback.format_tb(tb, 50))
        text = (
            f"Traceback (most recent call last):\n{frames}{type(exception).__qualname__}: "
            f"<cannot be shown: {type(broken).__name__}>\n"
        )
    if len(text) > MAX_TRACEBACK:
        half = MAX_TRACEBACK // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half} characters left out ...]\n{text[-half:]}"
    return text

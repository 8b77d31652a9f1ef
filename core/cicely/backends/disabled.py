"""No results: what an app has that names a broker and no result backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Self

from cicely.exceptions import ImproperlyConfigured

from .spi import ResultBackend, StoredRecord, Watch


class ResultsDisabled(ImproperlyConfigured, NotImplementedError):
    """A result was asked for where none is stored."""

    def __init__(self) -> None:
        super().__init__(
            "no result backend is configured, so that no result is stored or read: set result_backend, "
            "for example app.conf.result_backend = 'sqlite:///results.db', "
            "or Cicely(..., backend='sqlite:///results.db')"
        )


class DisabledBackend(ResultBackend):
    """``disabled://``: storing does nothing, reading raises ResultsDisabled."""

    enabled = False

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> Self:
        """Any URL and options."""
        return cls()

    def put_many(self, records: Sequence[StoredRecord]) -> None:
        """Stores nothing."""

    def get_many(self, task_ids: Sequence[str]) -> NoReturn:
        """Raises ResultsDisabled."""
        raise ResultsDisabled

    def watch(self, task_ids: Sequence[str]) -> Watch:
        """Raises ResultsDisabled."""
        raise ResultsDisabled

    def forget(self, task_ids: Sequence[str]) -> None:
        """There is nothing to forget."""

    def save_group(self, group_id: str, payload: bytes, expires_at: float | None) -> NoReturn:
        """Raises ResultsDisabled."""
        raise ResultsDisabled

    def load_group(self, group_id: str) -> NoReturn:
        """Raises ResultsDisabled."""
        raise ResultsDisabled

    def forget_group(self, group_id: str) -> None:
        """There is nothing to forget."""

    def cleanup(self, now: float) -> int:
        """There is nothing to remove."""
        return 0

    def close(self) -> None:
        """There is nothing to release."""

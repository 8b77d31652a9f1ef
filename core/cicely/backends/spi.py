"""The result backend SPI: a place for opaque records under task ids.

Encoding is not the backend's business (see :mod:`cicely.backends.record`): it stores bytes, keeps a
stored SUCCESS from being overwritten, expires, and tells waiters. Times are UTC epoch seconds.
Objects may be used from several threads; after a fork they reconnect by themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One state change of one task: ``payload`` is the encoded record of wire-compat section 6.1."""

    task_id: str
    state: str
    payload: bytes
    expires_at: float | None = None


class Watch(ABC):
    """A subscription to some task ids. A context manager; one thread uses it."""

    @abstractmethod
    def wait(self, timeout: float) -> Mapping[str, bytes]:
        """Payloads of watched tasks that changed since the last call (at first: that exist).

        Blocks up to ``timeout`` seconds for the first; empty means nothing changed.
        """

    @abstractmethod
    def close(self) -> None:
        """End the subscription. Repeating it is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ResultBackend(ABC):
    """Stores results of one app."""

    #: False only for the backend that stores nothing.
    enabled: bool = True

    #: Names of the URL options that :meth:`from_url` understands, with a line of explanation. One called
    #: ``expires`` gets ``result_expires`` in seconds.
    options: Mapping[str, str] = {}

    @classmethod
    @abstractmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> Self:
        """Make a backend; connects on first use. Raises ImproperlyConfigured for a bad URL or option."""

    @abstractmethod
    def put_many(self, records: Sequence[StoredRecord]) -> None:
        """Store in one round trip. A record whose stored state is SUCCESS is left alone.

        Raises BackendStoreError; then none or some are stored and the call can be repeated.
        """

    @abstractmethod
    def get_many(self, task_ids: Sequence[str]) -> dict[str, bytes]:
        """Payloads by id in one round trip; unknown and expired ids are absent."""

    @abstractmethod
    def watch(self, task_ids: Sequence[str]) -> Watch:
        """Subscribe to ids, whether they exist already or not."""

    @abstractmethod
    def forget(self, task_ids: Sequence[str]) -> None:
        """Remove records; unknown ids are fine."""

    @abstractmethod
    def save_group(self, group_id: str, payload: bytes, expires_at: float | None) -> None:
        """Store the member list of a group (wire-compat section 6.6)."""

    @abstractmethod
    def load_group(self, group_id: str) -> bytes | None:
        """The stored member list, or None."""

    @abstractmethod
    def forget_group(self, group_id: str) -> None:
        """Remove a stored group."""

    @abstractmethod
    def cleanup(self, now: float) -> int:
        """Remove what expired before ``now``. Returns how many (0 where the store does it by itself)."""

    @abstractmethod
    def close(self) -> None:
        """Release connections. Repeating it is harmless."""

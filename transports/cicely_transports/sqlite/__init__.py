"""``sqlite://``: a durable broker in one file, shared by the processes of one machine."""

from __future__ import annotations

from .store import SQLiteStore
from .transport import SQLiteTransport

__all__ = ["SQLiteStore", "SQLiteTransport"]

"""Results in an SQLite file: durable, shared by the processes of one machine."""

from __future__ import annotations

from .backend import SQLiteBackend

__all__ = ["SQLiteBackend"]

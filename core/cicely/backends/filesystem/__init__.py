"""Results as files, one for each task, as Celery lays them out (wire-compat section 6.8)."""

from __future__ import annotations

from .backend import FilesystemBackend

__all__ = ["FilesystemBackend"]

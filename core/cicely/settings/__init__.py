"""The settings table and the object that holds an app's values."""

from __future__ import annotations

from .settings import Settings
from .table import TABLE

__all__ = ["TABLE", "Settings"]

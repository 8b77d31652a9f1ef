"""Broker and result backend of apps that are given none: an SQLite file in the user's state directory."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from .exceptions import ImproperlyConfigured


def embedded_path(name: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_STATE_HOME/cicely/<name>.db``, by default below ``~/.local/state``.

    The same for every process of the user, whatever directory it was started in. Raises
    ImproperlyConfigured when there is no home directory.
    """
    state = Path(environ.get("XDG_STATE_HOME") or "")
    if not state.is_absolute():
        home = environ.get("HOME")
        try:
            state = (Path(home) if home else Path.home()) / ".local" / "state"
        except RuntimeError as exc:
            raise ImproperlyConfigured(
                "no broker_url is set and there is no home directory for the embedded broker: set broker_url "
                "(sqlite:////var/lib/proj/queue.db) or $XDG_STATE_HOME"
            ) from exc
    return state / "cicely" / (re.sub(r"[^\w.\-]", "_", name or "cicely") + ".db")


def embedded_url(name: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """The URL of that file."""
    return "sqlite:///" + quote(str(embedded_path(name, environ)))


def make_room(name: str | None, environ: Mapping[str, str] = os.environ) -> None:
    """Make the directory of the file, readable by its owner only."""
    try:
        embedded_path(name, environ).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ImproperlyConfigured(
            f"no broker_url is set and the directory of the embedded broker cannot be made: {exc}. "
            "Set broker_url, or $XDG_STATE_HOME to a directory that can be written"
        ) from exc

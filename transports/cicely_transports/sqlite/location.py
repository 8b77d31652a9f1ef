"""From a URL to a file: the path, and the folder that has to be there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cicely_transports.errors import InvalidURL, MisuseError

if TYPE_CHECKING:
    from cicely_transports.url import BrokerURL


def database_path(url: BrokerURL) -> str:
    """The absolute path that a URL names, as seen from the current directory. Raises InvalidURL."""
    if url.host is not None:
        named = "/".join(filter(None, (url.host, url.path)))
        raise InvalidURL(f"sqlite://{named} names a host: write sqlite:///{named} for that file")
    if url.username is not None or url.port is not None:
        raise InvalidURL("a sqlite:// URL has neither user nor port: sqlite:///path/to/file.db")
    if not url.path or url.path.endswith("/"):
        raise InvalidURL("a sqlite:// URL needs a file: sqlite:///relative.db or sqlite:////absolute.db")
    if ":memory:" in url.path:
        raise InvalidURL("SQLite in memory cannot be shared: use memory://name")
    return str(Path(url.path).expanduser().absolute())


def prepare_folder(path: str) -> None:
    """Make the folder of the embedded default, for its user only; any other has to exist.

    Raises MisuseError for a folder that is missing: more likely mistyped than wanted.
    """
    folder = Path(path).parent
    if folder.is_dir():
        return
    if folder != state_folder() and state_folder() not in folder.parents:
        raise MisuseError(f"the folder of {path} does not exist: make it, or correct the URL")
    try:
        # mkdir(parents=True) would give the parents the default mode.
        for missing in reversed([folder, *folder.parents]):
            if not missing.exists():
                missing.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise MisuseError(f"cannot make the folder {folder}: {exc.strerror}") from exc


def state_folder() -> Path:
    """Where the embedded default lives (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_STATE_HOME") or ""
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "cicely"

"""Broker URLs: parsing, options, and a form that is safe to print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BrokerURL:
    """One parsed URL: ``scheme://user:password@host:port/path?option=value``.

    ``path`` keeps its text after the first slash (``sqlite:///a/b`` has ``a/b``, ``sqlite:////a/b``
    has ``/a/b``), decoded. ``query`` holds the options as text.
    """

    scheme: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

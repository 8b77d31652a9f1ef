"""Points in time: what callers write, messages carry and brokers count in (wire-compat section 1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


def absolute(value: datetime | str | float, now: datetime) -> datetime:
    """What a caller means by an eta or expiry: seconds from ``now``, a datetime, or ISO 8601 text.

    A naive one is in the time zone of ``now``. Raises ValueError for text that is no time.
    """
    if isinstance(value, (int, float)):
        return now + timedelta(seconds=value)
    if isinstance(value, str):
        value = _parse(value)
    return value if value.tzinfo is not None else value.replace(tzinfo=now.tzinfo)


def from_wire(text: object) -> datetime:
    """The time that a header carries; a naive one is UTC. Raises ValueError for anything else."""
    if not isinstance(text, str):
        raise ValueError(f"not ISO 8601 text: {text!r}")
    moment = _parse(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def due_at(headers: Mapping[str, Any]) -> float | None:
    """When a message may run at the earliest, by its ``eta`` header: epoch seconds, or None.

    An eta that cannot be read counts as none here: decoding the message will refuse it.
    """
    eta = headers.get("eta")
    if eta is None:
        return None
    try:
        return from_wire(eta).timestamp()
    except (ValueError, OverflowError):
        return None


def _parse(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"not an ISO 8601 time: {text[:80]!r}") from None

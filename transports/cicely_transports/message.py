"""The message: opaque body, readable headers and properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Properties:
    """What a broker may read without looking into headers or body (AMQP 0-9-1 ``basic`` properties).

    ``priority`` is 0-9, higher is served first on every transport. ``expiration`` is the text of an
    integer number of milliseconds, kept for the wire; brokers' own expiry is :attr:`Send.expires_at`.
    ``extra`` holds publish keywords that only one transport understands (``MessageGroupId``...).
    """

    content_type: str = "application/data"
    content_encoding: str = "binary"
    correlation_id: str | None = None
    reply_to: str | None = None
    priority: int = 0
    delivery_mode: int = 2
    expiration: str | None = None
    message_id: str | None = None
    timestamp: float | None = None
    type: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it travels. ``body`` is never decoded by a transport; headers are JSON-like."""

    body: bytes
    headers: Mapping[str, Any] = field(default_factory=dict)
    properties: Properties = field(default_factory=Properties)

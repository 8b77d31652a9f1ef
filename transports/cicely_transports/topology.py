"""Exchanges, queues and bindings as plain data: what should exist, not how to make it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ExchangeType = Literal["direct", "topic", "fanout", "headers"]

#: The exchange that every broker has: it routes to the queue named by the routing key.
DEFAULT_EXCHANGE = ""


@dataclass(frozen=True, slots=True)
class ExchangeSpec:
    """An exchange (AMQP 0-9-1 section 3.1.3)."""

    name: str
    type: ExchangeType = "direct"
    durable: bool = True
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue.

    ``expires`` and ``message_ttl`` are seconds: a queue that nobody consumed for ``expires`` goes with
    its bindings, a message older than ``message_ttl`` is dropped. ``max_priority`` and the lengths
    travel as RabbitMQ's ``x-`` arguments. A transport refuses, with
    :class:`~cicely_transports.errors.NotSupported`, what its capabilities do not list.
    """

    name: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    expires: float | None = None
    message_ttl: float | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    max_priority: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BindingSpec:
    """Messages of ``exchange`` whose key (or headers, by ``arguments``) match go to ``queue``."""

    exchange: str
    queue: str
    routing_key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """A set of declarations, applied together and safe to repeat."""

    exchanges: Sequence[ExchangeSpec] = ()
    queues: Sequence[QueueSpec] = ()
    bindings: Sequence[BindingSpec] = ()

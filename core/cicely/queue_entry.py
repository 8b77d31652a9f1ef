"""One queue with its exchange and bindings, read from any of the forms that ``task_queues`` takes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from cicely_transports.near import did_you_mean
from cicely_transports.topology import BindingSpec, ExchangeSpec, ExchangeType, QueueSpec

from .exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from .settings.settings import Settings

#: Keys of a queue's dict (Celery's ``Queue.from_dict``), by the field of QueueSpec that they give.
_QUEUE_FIELDS = {
    "durable": "durable",
    "queue_durable": "durable",
    "exclusive": "exclusive",
    "auto_delete": "auto_delete",
    "queue_auto_delete": "auto_delete",
    "expires": "expires",
    "message_ttl": "message_ttl",
    "max_length": "max_length",
    "max_length_bytes": "max_length_bytes",
    "max_priority": "max_priority",
    "queue_arguments": "arguments",
}
_EXCHANGE_FIELDS = {
    "exchange_durable": "durable",
    "exchange_auto_delete": "auto_delete",
    "exchange_arguments": "arguments",
}
_OTHER_KEYS = ("exchange", "exchange_type", "routing_key", "binding_key", "binding_arguments", "alias")
_DICT_KEYS = (*_QUEUE_FIELDS, *_EXCHANGE_FIELDS, *_OTHER_KEYS)


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queue, the exchange that messages for it are sent to, and the key they carry.

    ``alias`` is set for broadcasts: the name that routes use, while every consumer has a queue of its own.
    ``delivery_mode``: that of messages which do not say it.
    """

    spec: QueueSpec
    exchange: ExchangeSpec
    routing_key: str
    bindings: tuple[BindingSpec, ...]
    alias: str | None = None
    delivery_mode: int | None = None

    @property
    def name(self) -> str:
        """The queue's name on the broker."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the settings say about queues that do not say it themselves."""

    queue: str
    exchange: str
    exchange_type: ExchangeType
    routing_key: str
    queue_type: str
    missing_type: str
    missing_exchange_type: ExchangeType
    max_priority: int | None

    @classmethod
    def of(cls, conf: Settings) -> Self:
        """Read them."""
        return cls(
            queue=conf.task_default_queue,
            exchange=conf.task_default_exchange,
            exchange_type=conf.task_default_exchange_type,
            routing_key=conf.task_default_routing_key,
            queue_type=conf.task_default_queue_type,
            missing_type=conf.task_create_missing_queue_type,
            missing_exchange_type=conf.task_create_missing_queue_exchange_type or "direct",
            max_priority=conf.task_queue_max_priority,
        )

    def default_entry(self) -> QueueEntry:
        """The default queue."""
        return self._entry(self.queue, self.default_exchange(), self.routing_key, self.queue_type)

    def missing_entry(self, name: str) -> QueueEntry:
        """A queue made on demand: its exchange and its key are called like itself."""
        return self._entry(name, ExchangeSpec(name, self.missing_exchange_type), name, self.missing_type)

    def default_exchange(self) -> ExchangeSpec:
        """The exchange of queues that name none."""
        return ExchangeSpec(self.exchange, self.exchange_type)

    def key_for(self, name: str) -> str:
        """The routing key of a queue that names none."""
        return self.routing_key if name == self.queue else name

    def _entry(self, name: str, exchange: ExchangeSpec, key: str, queue_type: str) -> QueueEntry:
        arguments = {} if queue_type == "classic" else {"x-queue-type": queue_type}
        # Quorum queues have no x-max-priority.
        highest = self.max_priority if queue_type == "classic" else None
        spec = QueueSpec(name, max_priority=highest, arguments=arguments)
        return QueueEntry(spec, exchange, key, (BindingSpec(exchange.name, name, key),))


def entries(queues: Any, defaults: Defaults) -> list[QueueEntry]:
    """The entries of a ``task_queues`` value: a list of names and ``Queue`` objects, or a dict by name.

    Raises ImproperlyConfigured, with the near name, for what is neither and for unknown keys.
    """
    if queues is None:
        return []
    if isinstance(queues, str):
        queues = [name.strip() for name in queues.split(",") if name.strip()]
    items: Iterable[Any] = queues.items() if isinstance(queues, Mapping) else queues
    return [_entry(item, defaults) for item in items]


def _entry(item: Any, defaults: Defaults) -> QueueEntry:
    if isinstance(item, str):
        return _from_dict(item, {}, defaults)
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        name, options = item
        if isinstance(options, Mapping):
            return _from_dict(name, options, defaults)
        item = options
    if isinstance(item, QueueEntry):
        return item
    if isinstance(getattr(item, "name", None), str):
        return _from_object(item, defaults)
    raise ImproperlyConfigured(
        f"task_queues takes names, Queue objects or a dict of options by name, not {type(item).__name__}"
    )


@dataclass(slots=True)
class _Parts:
    """A queue as one of the forms describes it."""

    name: str
    spec: dict[str, Any]
    exchange: ExchangeSpec | None
    routing_key: str | None
    binding_arguments: Mapping[str, Any] = field(default_factory=dict)
    more_bindings: tuple[BindingSpec, ...] = ()
    alias: str | None = None
    delivery_mode: int | None = None

    def entry(self, defaults: Defaults) -> QueueEntry:
        given = {name: value for name, value in self.spec.items() if value is not None}
        arguments = dict(given.pop("arguments", None) or {})
        if defaults.max_priority is not None and "x-max-priority" not in arguments:
            given.setdefault("max_priority", defaults.max_priority)
        spec = QueueSpec(self.name, **given, arguments=arguments)
        exchange = self.exchange or defaults.default_exchange()
        key = self.routing_key or ("" if self.alias else defaults.key_for(self.alias or self.name))
        bindings = self.more_bindings
        if exchange.name and not bindings:
            bindings = (BindingSpec(exchange.name, self.name, key, self.binding_arguments),)
        return QueueEntry(spec, exchange, key, bindings, self.alias, self.delivery_mode)


def _from_dict(name: str, options: Mapping[str, Any], defaults: Defaults) -> QueueEntry:
    for key in options:
        if key not in _DICT_KEYS:
            raise ImproperlyConfigured(
                f"task_queues[{name!r}] has no option {key!r}{did_you_mean(key, _DICT_KEYS)}"
            )
    exchange = options.get("exchange")
    if exchange is not None and not isinstance(exchange, str):
        spec = _exchange_of(exchange)
    elif exchange is None and "exchange_type" not in options:
        spec = None
    else:
        given = {_EXCHANGE_FIELDS[key]: options[key] for key in _EXCHANGE_FIELDS if key in options}
        spec = ExchangeSpec(
            name if exchange is None else exchange, options.get("exchange_type") or "direct", **given
        )
    return _Parts(
        name,
        {_QUEUE_FIELDS[key]: options[key] for key in _QUEUE_FIELDS if key in options},
        spec,
        options.get("binding_key") or options.get("routing_key"),
        options.get("binding_arguments") or {},
        alias=options.get("alias"),
    ).entry(defaults)


def _from_object(queue: Any, defaults: Defaults) -> QueueEntry:
    """From a ``Queue`` of the comfortable API, or anything with its attributes."""
    exchange = _exchange_of(getattr(queue, "exchange", None))
    alias = getattr(queue, "alias", None)
    name = queue.name or (f"bcast.{uuid.uuid4()}" if alias else "")
    more = []
    for bound in getattr(queue, "bindings", None) or ():
        spec = _exchange_of(bound.exchange)
        if spec is not None:
            more.append(BindingSpec(spec.name, name, bound.routing_key or "", bound.arguments or {}))
    fields = (
        "durable",
        "exclusive",
        "auto_delete",
        "expires",
        "message_ttl",
        "max_length",
        "max_length_bytes",
    )
    spec_fields = {attribute: getattr(queue, attribute, None) for attribute in (*fields, "max_priority")}
    return _Parts(
        name,
        {**spec_fields, "arguments": getattr(queue, "queue_arguments", None)},
        exchange,
        getattr(queue, "routing_key", None),
        getattr(queue, "binding_arguments", None) or {},
        tuple(more),
        alias,
        getattr(getattr(queue, "exchange", None), "delivery_mode", None),
    ).entry(defaults)


def _exchange_of(exchange: Any) -> ExchangeSpec | None:
    if exchange is None or isinstance(exchange, ExchangeSpec):
        return exchange
    if isinstance(exchange, str):
        return ExchangeSpec(exchange) if exchange else None
    if not exchange.name:
        return None
    return ExchangeSpec(
        exchange.name,
        exchange.type or "direct",
        bool(getattr(exchange, "durable", True)),
        bool(getattr(exchange, "auto_delete", False)),
        getattr(exchange, "arguments", None) or {},
    )

"""One queue with its exchange and bindings, read from any of the forms that ``task_queues`` takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, cast

from cicely_transports.errors import UnknownOption
from cicely_transports.topology import BindingSpec, ExchangeSpec, ExchangeType, QueueSpec, Topology

from .exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from cicely_transports.queue import Queue

    from .settings.settings import Settings


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queue, the exchange that messages for it are sent to, and the key they carry.

    ``topology`` is what must exist for the queue to be consumed from. ``alias`` is set for broadcasts: the
    name that routes use, while every consumer has a queue of its own. ``delivery_mode``: that of messages
    which do not say it.
    """

    spec: QueueSpec
    exchange: ExchangeSpec
    routing_key: str
    topology: Topology
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
        return QueueEntry(
            spec, exchange, key, Topology((exchange,), (spec,), (BindingSpec(exchange.name, name, key),))
        )


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
    if isinstance(item, QueueEntry):
        return item
    return _from_queue(_queue_of(item), defaults)


def _queue_of(item: Any) -> Queue:
    from cicely_transports.queue import Queue

    if isinstance(item, str):
        return Queue(item)
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        name, options = item
        if options is None or isinstance(options, Mapping):
            try:
                return Queue.from_dict(name, **(options or {}))
            except UnknownOption as exc:
                raise ImproperlyConfigured(f"task_queues: {exc}") from exc
        item = options
    if isinstance(item, Queue):
        return item
    raise ImproperlyConfigured(
        "task_queues takes names, cicely_transports.Queue objects, or a dict of options by name, "
        f"not {type(item).__module__}.{type(item).__name__}"
    )


def _from_queue(queue: Queue, defaults: Defaults) -> QueueEntry:
    from cicely_transports.exchange import Exchange

    queue = copy(queue)
    if not queue.exchange.name:
        queue.exchange = Exchange(
            defaults.exchange, defaults.exchange_type, delivery_mode=queue.exchange.delivery_mode
        )
    if not queue.routing_key and queue.exchange.type != "fanout":
        queue.routing_key = defaults.key_for(queue.name)
    spec = queue.spec()
    if spec.max_priority is None and spec.arguments.get("x-queue-type") != "quorum":
        queue.max_priority = defaults.max_priority
        spec = queue.spec()
    declared = queue.exchange.topology().exchanges
    return QueueEntry(
        spec,
        declared[0]
        if declared
        else ExchangeSpec(queue.exchange.name, cast(ExchangeType, queue.exchange.type)),
        queue.routing_key,
        queue.topology(),
        queue.alias,
        queue.exchange.delivery_mode,
    )

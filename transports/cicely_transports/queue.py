"""Queues as their users write them, with the attribute names of kombu."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from .channel import channel_of
from .entity import Entity
from .errors import MisuseError, NotSupported
from .exchange import Exchange, binding
from .inbox import Subscription
from .near import did_you_mean, reject_unknown
from .topology import BindingSpec, QueueSpec, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .channel import Channel, HasChannel
    from .received import ReceivedMessage

#: RabbitMQ's queue arguments that are a field of QueueSpec, and the divisor from their unit to ours.
X_ARGUMENTS: Mapping[str, tuple[str, int]] = {
    "x-expires": ("expires", 1000),
    "x-message-ttl": ("message_ttl", 1000),
    "x-max-length": ("max_length", 1),
    "x-max-length-bytes": ("max_length_bytes", 1),
    "x-max-priority": ("max_priority", 1),
}

#: Keys of :meth:`Queue.from_dict` beside the attributes: those of Celery's ``task_queues`` maps.
OTHER_KEYS: Mapping[str, str] = {
    "binding_key": "routing_key",
    "queue_durable": "durable",
    "queue_exclusive": "exclusive",
    "queue_auto_delete": "auto_delete",
}
EXCHANGE_KEYS: Mapping[str, str] = {
    "exchange_type": "type",
    "exchange_durable": "durable",
    "exchange_auto_delete": "auto_delete",
    "exchange_arguments": "arguments",
    "delivery_mode": "delivery_mode",
}


class QueueDeclared(NamedTuple):
    """What is there after a declaration. Consumers are not counted by every broker, hence by none."""

    queue: str
    message_count: int
    consumer_count: int = 0


class Queue(Entity):
    """A queue, the exchange that it is bound to, and the key.

    ``expires`` and ``message_ttl`` are seconds. ``queue_arguments`` may have RabbitMQ's ``x-`` names,
    times in milliseconds; those that have a name of their own here mean the same. ``no_ack``: its
    consumers have messages settled before they see them. A queue without a name gets one when it is
    declared. ``on_declared`` is called with the fields of QueueDeclared.
    """

    ATTRIBUTES = (
        "name",
        "exchange",
        "routing_key",
        "queue_arguments",
        "binding_arguments",
        "consumer_arguments",
        "durable",
        "exclusive",
        "auto_delete",
        "no_ack",
        "alias",
        "bindings",
        "no_declare",
        "expires",
        "message_ttl",
        "max_length",
        "max_length_bytes",
        "max_priority",
    )

    def __init__(
        self,
        name: str = "",
        exchange: Exchange | str | Iterable[binding] | None = None,
        routing_key: str = "",
        channel: Channel | HasChannel | None = None,
        bindings: Iterable[binding] | None = None,
        on_declared: Callable[[str, int, int], object] | None = None,
        *,
        queue_arguments: Mapping[str, Any] | None = None,
        binding_arguments: Mapping[str, Any] | None = None,
        consumer_arguments: Mapping[str, Any] | None = None,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        no_ack: bool = False,
        alias: str | None = None,
        no_declare: bool | None = None,
        expires: float | None = None,
        message_ttl: float | None = None,
        max_length: int | None = None,
        max_length_bytes: int | None = None,
        max_priority: int | None = None,
        **unknown: Any,
    ) -> None:
        reject_unknown("Queue()", unknown, (*self.ATTRIBUTES, "channel", "on_declared"))
        self.name = name
        self.bindings = list(bindings or ())
        if exchange is None or isinstance(exchange, str):
            exchange = Exchange(exchange or "")
        elif not isinstance(exchange, Exchange):
            self.bindings += exchange
            exchange = Exchange()
        self.exchange = exchange
        self.routing_key = routing_key
        self.on_declared = on_declared
        self.queue_arguments = queue_arguments
        self.binding_arguments = binding_arguments
        self.consumer_arguments = consumer_arguments
        self.durable = durable
        self.exclusive = exclusive
        self.auto_delete = auto_delete
        self.no_ack = no_ack
        self.alias = alias
        self.no_declare = no_declare
        self.expires = expires
        self.message_ttl = message_ttl
        self.max_length = max_length
        self.max_length_bytes = max_length_bytes
        self.max_priority = max_priority
        self._channel = None if channel is None else channel_of(channel)
        self._subscriptions: dict[str, Subscription] = {}

    @classmethod
    def from_dict(cls, name: str = "", **options: Any) -> Queue:
        """From one entry of ``task_queues`` as a map, or from :meth:`as_dict`. Raises UnknownOption."""
        known = (*cls.ATTRIBUTES, *OTHER_KEYS, *EXCHANGE_KEYS)
        reject_unknown(f"queue {name!r}", options, known)
        for key, attribute in OTHER_KEYS.items():
            if options.get(key) is not None:
                options.setdefault(attribute, options[key])
            options.pop(key, None)
        given = {EXCHANGE_KEYS[key]: options.pop(key) for key in EXCHANGE_KEYS if key in options}
        exchange = options.pop("exchange", None)
        if isinstance(exchange, Exchange):
            return cls(name, exchange, **options)
        if not isinstance(exchange, str) and exchange is not None:
            return cls(name, Exchange(**exchange), **options)
        if given.get("type") and exchange is None:
            exchange = name
        return cls(name, Exchange(exchange or "", **given), **options)

    def spec(self) -> QueueSpec:
        """The queue alone, as plain data."""
        arguments = dict(self.queue_arguments or {})
        fields: dict[str, Any] = {}
        for key, (field, divisor) in X_ARGUMENTS.items():
            value = arguments.pop(key, None)
            own = getattr(self, field)
            fields[field] = (
                own if own is not None or value is None else value if divisor == 1 else value / divisor
            )
        return QueueSpec(
            self.name,
            durable=self.durable,
            exclusive=self.exclusive,
            auto_delete=self.auto_delete,
            arguments=arguments,
            **fields,
        )

    def topology(self) -> Topology:
        """What declaring it asks for: exchanges, the queue, its bindings. Names it if it has no name."""
        if not self.name:
            self.name = f"cicely.gen-{uuid.uuid4()}"
        if self.no_declare:
            return Topology()
        own = binding(self.exchange, self.routing_key, self.binding_arguments)
        parts = [each.topology(self.name) for each in (own, *self.bindings)]
        return Topology(
            exchanges=tuple(spec for part in parts for spec in part.exchanges),
            queues=(self.spec(),),
            bindings=tuple(spec for part in parts for spec in part.bindings),
        )

    def declare(self, *, channel: Channel | HasChannel | None = None) -> str:
        """Make queue, exchange and bindings if they are missing. Returns the queue's name.

        Raises TopologyConflict, NotSupported.
        """
        target = self._to(channel)
        target.declare(self.topology())
        if self.on_declared is not None:
            self.on_declared(*self._declared(target))
        return self.name

    def queue_declare(
        self, *, passive: bool = False, channel: Channel | HasChannel | None = None
    ) -> QueueDeclared:
        """Make the queue alone and say how many messages are ready in it.

        With ``passive`` only look: MisuseError if there is no such queue.
        """
        target = self._to(channel)
        if passive:
            names = target.transport.queues()
            if self.name not in names:
                raise MisuseError(f"there is no queue {self.name!r}{did_you_mean(self.name, names)}")
        else:
            target.declare(Topology(queues=self.topology().queues))
        return self._declared(target)

    def queue_bind(self, *, channel: Channel | HasChannel | None = None) -> None:
        """Bind it to its exchange."""
        self.bind_to(self.exchange, self.routing_key, self.binding_arguments, channel=channel)

    def queue_unbind(self, arguments: Mapping[str, Any] | None = None) -> None:
        """Remove the binding to its exchange."""
        self.unbind_from(self.exchange, self.routing_key, arguments or self.binding_arguments)

    def bind_to(
        self,
        exchange: Exchange | str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        *,
        channel: Channel | HasChannel | None = None,
    ) -> None:
        """Bind it to another exchange, too. An Exchange is declared, a name must exist."""
        topology = binding(exchange, routing_key, arguments).topology(self.name)
        declared = () if isinstance(exchange, str) else topology.exchanges
        self._to(channel).declare(Topology(exchanges=declared, bindings=topology.bindings))

    def unbind_from(
        self,
        exchange: Exchange | str,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        *,
        channel: Channel | HasChannel | None = None,
    ) -> None:
        """Remove a binding; one that does not exist is fine."""
        name = exchange if isinstance(exchange, str) else exchange.name
        target = self._to(channel)
        target.session.forget_declared()
        target.transport.unbind([BindingSpec(name, self.name, routing_key, arguments or {})])

    def purge(self) -> int:
        """Drop the messages that nobody has in hand. Returns how many."""
        return self.channel.transport.purge(self.name)

    def delete(self, if_unused: bool = False, if_empty: bool = False) -> None:
        """Remove it with its messages, dead letters and bindings.

        With ``if_empty`` only if nothing is ready, delayed or in hand. Raises NotSupported for
        ``if_unused``: not every broker knows its consumers.
        """
        if if_unused:
            raise NotSupported("Queue.delete(if_unused=True): consumers are not known to every broker")
        transport = self.channel.transport
        size = transport.sizes([self.name])[self.name] if if_empty else None
        if size is None or not (size.ready or size.leased or size.delayed):
            self.channel.session.forget_declared()
            transport.delete(queues=[self.name])

    def consume(
        self,
        consumer_tag: str = "",
        callback: Callable[[ReceivedMessage], None] | None = None,
        no_ack: bool | None = None,
    ) -> str:
        """Have ``callback`` called for each message while the connection drains events.

        Returns the tag for :meth:`cancel`.
        """
        if callback is None:
            raise MisuseError("Queue.consume() needs a callback")
        tag = consumer_tag or str(uuid.uuid4())
        subscription = Subscription(
            callback, no_ack=self.no_ack if no_ack is None else no_ack, channel=self.channel
        )
        self.channel.subscribe(self.name, subscription)
        self._subscriptions[tag] = subscription
        return tag

    def cancel(self, consumer_tag: str) -> None:
        """End what :meth:`consume` began; an unknown tag is fine."""
        subscription = self._subscriptions.pop(consumer_tag, None)
        if subscription is not None:
            self.channel.unsubscribe(self.name, subscription)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_subscriptions": {}}

    def _declared(self, channel: Channel) -> QueueDeclared:
        return QueueDeclared(self.name, channel.transport.sizes([self.name])[self.name].ready)

    def __repr__(self) -> str:
        return f"<Queue {self.name!r} of {self.exchange!r} by {self.routing_key!r}>"

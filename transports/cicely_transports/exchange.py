"""Exchanges and bindings as their users write them, with the attribute names of kombu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .channel import channel_of
from .entity import PERSISTENT, TRANSIENT, Entity
from .entity import delivery_mode as mode_of
from .message import Message as PlainMessage
from .message import Properties
from .near import reject_unknown
from .spi import Send
from .topology import BindingSpec, ExchangeSpec, Topology

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .channel import Channel, HasChannel
    from .topology import ExchangeType


class Exchange(Entity):
    """An exchange. ``arguments`` go to the broker as they are; ``delivery_mode`` is for its messages."""

    ATTRIBUTES = (
        "name",
        "type",
        "arguments",
        "durable",
        "passive",
        "auto_delete",
        "delivery_mode",
        "no_declare",
    )
    TRANSIENT_DELIVERY_MODE = TRANSIENT
    PERSISTENT_DELIVERY_MODE = PERSISTENT

    def __init__(
        self,
        name: str = "",
        type: str = "",  # noqa: A002  # the name that users know
        channel: Channel | HasChannel | None = None,
        *,
        arguments: Mapping[str, Any] | None = None,
        durable: bool = True,
        passive: bool = False,
        auto_delete: bool = False,
        delivery_mode: int | str | None = None,
        no_declare: bool = False,
        **unknown: Any,
    ) -> None:
        reject_unknown("Exchange()", unknown, (*self.ATTRIBUTES, "channel"))
        self.name = name
        self.type = type or "direct"
        self.arguments = arguments
        self.durable = durable
        self.passive = passive
        self.auto_delete = auto_delete
        self.delivery_mode = mode_of(delivery_mode)
        self.no_declare = no_declare
        self._channel = None if channel is None else channel_of(channel)

    def topology(self) -> Topology:
        """What declaring it asks for; nothing for the default exchange."""
        if not self.name or self.no_declare or self.passive:
            return Topology()
        spec = ExchangeSpec(
            self.name,
            cast("ExchangeType", self.type),  # the transport says which types it has
            durable=self.durable,
            auto_delete=self.auto_delete,
            arguments=self.arguments or {},
        )
        return Topology(exchanges=(spec,))

    def declare(self, *, channel: Channel | HasChannel | None = None) -> None:
        """Make it if it is missing. Raises TopologyConflict, NotSupported."""
        self._to(channel).declare(self.topology())

    def binding(self, routing_key: str = "", arguments: Mapping[str, Any] | None = None) -> binding:
        """A binding of this exchange, for ``Queue(bindings=...)``."""
        return binding(self, routing_key, arguments)

    def Message(  # noqa: N802  # the name that users know
        self,
        body: bytes | str,
        delivery_mode: int | str | None = None,
        properties: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> PlainMessage:
        """A message as it will travel: ``body`` is not serialized. ``fields`` are those of Properties,
        and ``headers``.
        """
        given = {**(properties or {}), **fields}
        headers = given.pop("headers", None) or {}
        reject_unknown("Exchange.Message()", given, Properties.__dataclass_fields__)
        given.setdefault("content_type", "text/plain" if isinstance(body, str) else "application/data")
        given.setdefault("content_encoding", "utf-8" if isinstance(body, str) else "binary")
        mode = mode_of(delivery_mode) or self.delivery_mode or PERSISTENT
        data = body.encode() if isinstance(body, str) else body
        return PlainMessage(data, headers, Properties(delivery_mode=mode, **given))

    def publish(
        self, message: PlainMessage | bytes | str, routing_key: str = "", *, mandatory: bool = False
    ) -> None:
        """Publish one message here. Raises what Sender.publish raises."""
        if not isinstance(message, PlainMessage):
            message = self.Message(message)
        self.channel.publish([Send(message, routing_key, self.name, mandatory=mandatory)])

    def delete(self) -> None:
        """Remove it with its bindings."""
        self.channel.session.forget_declared()
        self.channel.transport.delete(exchanges=[self.name])

    def __repr__(self) -> str:
        return f"<Exchange {self.name!r} ({self.type})>"


class binding:  # noqa: N801  # the name that users know
    """One more way into a queue: messages of ``exchange`` whose key, or headers, match."""

    def __init__(
        self,
        exchange: Exchange | str | None = None,
        routing_key: str = "",
        arguments: Mapping[str, Any] | None = None,
        unbind_arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.exchange = Exchange(exchange) if isinstance(exchange, str) else exchange
        self.routing_key = routing_key
        self.arguments = arguments
        self.unbind_arguments = unbind_arguments

    def topology(self, queue: str) -> Topology:
        """What it asks for when bound to ``queue``: the exchange, unless it is not to be declared."""
        if self.exchange is None or not self.exchange.name:
            return Topology()
        return Topology(
            exchanges=self.exchange.topology().exchanges,
            bindings=(BindingSpec(self.exchange.name, queue, self.routing_key, self.arguments or {}),),
        )

    def as_dict(self, recurse: bool = False) -> dict[str, Any]:
        """The description; with ``recurse`` in plain maps only."""
        exchange = self.exchange
        return {
            "exchange": exchange.as_dict(True) if recurse and exchange is not None else exchange,
            "routing_key": self.routing_key,
            "arguments": self.arguments,
            "unbind_arguments": self.unbind_arguments,
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, binding) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((self.exchange, self.routing_key))

    def __repr__(self) -> str:
        return f"<binding {self.exchange!r} {self.routing_key!r}>"

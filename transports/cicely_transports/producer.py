"""Publishing with serializers, compression, declarations and retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from . import serialization
from .channel import channel_of
from .compression import compress
from .entity import PERSISTENT, delivery_mode
from .errors import MisuseError, PartialPublish, UnknownOption, Unroutable
from .exchange import Exchange
from .message import Message, Properties
from .near import did_you_mean
from .retry_policy import RetryPolicy
from .spi import Send

if TYPE_CHECKING:
    from types import TracebackType

    from .channel import Channel, HasChannel
    from .queue import Queue

#: Keywords of publish() that are properties of the message.
PROPERTIES = ("correlation_id", "reply_to", "message_id", "timestamp", "type")
#: Keywords that only one kind of broker understands; they travel in ``Properties.extra``.
EXTRA = (
    "user_id",
    "app_id",
    "cluster_id",
    "MessageGroupId",
    "MessageDeduplicationId",
    "MessageAttributes",
    "DelaySeconds",
)

#: Called with the error, the exchange, the routing key and the message that no queue wants.
OnReturn = Callable[[Unroutable, str, str, Message], object]


class Producer:
    """Publishes to an exchange by default. May be used from several threads."""

    def __init__(
        self,
        channel: Channel | HasChannel,
        exchange: Exchange | str | None = None,
        routing_key: str = "",
        serializer: str | None = None,
        auto_declare: bool = True,
        compression: str | None = None,
        on_return: OnReturn | None = None,
    ) -> None:
        self.channel = channel_of(channel)
        self.exchange = exchange if isinstance(exchange, Exchange) else Exchange(exchange or "")
        # Of an exchange given by name only the name is known: it must exist.
        self.auto_declare = auto_declare and isinstance(exchange, Exchange)
        self.routing_key = routing_key
        self.serializer = serializer
        self.compression = compression
        self.on_return = on_return
        self._release: Callable[[Producer], object] | None = None

    @property
    def connection(self) -> HasChannel:
        """The connection of its channel."""
        return self.channel.connection

    def publish(
        self,
        body: Any,
        routing_key: str | None = None,
        delivery_mode: int | str | None = None,
        mandatory: bool = False,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        serializer: str | None = None,
        headers: Mapping[str, Any] | None = None,
        compression: str | None = None,
        exchange: Exchange | str | None = None,
        retry: bool = False,
        retry_policy: Mapping[str, Any] | None = None,
        declare: Iterable[Exchange | Queue] = (),
        expiration: float | None = None,
        delay: float | None = None,
        eta: datetime | float | None = None,
        extra: Mapping[str, Any] | None = None,
        **properties: Any,
    ) -> None:
        """Publish one message. Returning means that the broker has stored it.

        ``expiration`` and ``delay`` are seconds from now, ``eta`` is an aware datetime or UTC epoch
        seconds. ``mandatory``: a message that no queue is bound to receive is Unroutable, or goes to
        ``on_return``; else it is dropped. With ``content_type`` the body is not serialized.
        ``declare``: what to declare first, once per connection. ``retry``: after a failure that may
        pass try again by ``retry_policy``, whose keys are the fields of RetryPolicy. Other keywords are
        the message's properties; ``extra`` takes those that only one transport understands.
        Raises EncodeError, UnknownOption, and what Sender.publish raises.
        """
        fields = _split(properties, extra)
        target = self.exchange if exchange is None else exchange
        name = target.name if isinstance(target, Exchange) else target
        key = self.routing_key if routing_key is None else routing_key
        if not name and not key:
            raise MisuseError("to publish to the default exchange give the queue's name as routing_key")
        now = time.time()
        message = self._message(
            body,
            headers=headers,
            serializer=serializer or self.serializer,
            compression=compression or self.compression,
            content_type=content_type,
            content_encoding=content_encoding,
            properties={
                **fields,
                "priority": priority or 0,
                "delivery_mode": self._delivery_mode(delivery_mode, target),
                "expiration": None if expiration is None else str(int(expiration * 1000)),
            },
        )
        send = Send(
            message,
            key,
            name,
            not_before=_not_before(now, delay, eta),
            expires_at=None if expiration is None else now + expiration,
            mandatory=mandatory,
        )
        entities = [*([self.exchange] if self.auto_declare else []), *declare]
        self._send(send, entities, RetryPolicy.of(retry_policy) if retry else RetryPolicy(max_retries=0))

    def maybe_declare(self, entity: Exchange | Queue) -> None:
        """Declare what was not declared on this connection before."""
        self.channel.declare(entity.topology(), once=True)

    def declare(self) -> None:
        """Declare the exchange."""
        self.exchange.declare(channel=self.channel)

    def revive(self, channel: Channel | HasChannel) -> None:
        """Use another channel from now on."""
        self.channel = channel_of(channel)

    def release(self) -> None:
        """Give a producer of a pool back to it; otherwise nothing is held."""
        if self._release is not None:
            self._release(self)

    close = release

    def on_release(self, release: Callable[[Producer], object]) -> None:
        """Have ``release`` called instead when the producer is closed: it belongs to a pool."""
        self._release = release

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _send(self, send: Send, entities: Sequence[Exchange | Queue], policy: RetryPolicy) -> None:
        sends: Sequence[Send] = [send]

        def attempt() -> None:
            nonlocal sends
            for entity in entities:
                self.maybe_declare(entity)
            try:
                self.channel.publish(sends)
            except PartialPublish as exc:
                sends = exc.unsent
                raise

        try:
            policy.run(attempt)
        except Unroutable as exc:
            if self.on_return is None:
                raise
            self.on_return(exc, send.exchange, send.routing_key, send.message)

    def _message(
        self,
        body: Any,
        *,
        headers: Mapping[str, Any] | None,
        serializer: str | None,
        compression: str | None,
        content_type: str | None,
        content_encoding: str | None,
        properties: dict[str, Any],
    ) -> Message:
        headers = dict(headers or {})
        if content_type is None:
            content_type, content_encoding, data = serialization.dumps(body, serializer)
        elif isinstance(body, str):
            content_encoding = content_encoding or "utf-8"
            data = body.encode(content_encoding)
        else:
            content_encoding, data = content_encoding or "binary", bytes(body)
        if compression is not None:
            data, headers["compression"] = compress(data, compression)
        return Message(
            data,
            headers,
            Properties(content_type=content_type, content_encoding=content_encoding, **properties),
        )

    @staticmethod
    def _delivery_mode(mode: int | str | None, exchange: Exchange | str) -> int:
        own = exchange.delivery_mode if isinstance(exchange, Exchange) else None
        return delivery_mode(mode) or own or PERSISTENT


def _split(properties: dict[str, Any], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """Fields of Properties out of the keywords of a publish. Raises UnknownOption."""
    fields: dict[str, Any] = {}
    more = dict(extra or {})
    for name, value in properties.items():
        if name in PROPERTIES:
            fields[name] = value
        elif name in EXTRA:
            more[name] = value
        else:
            known = (*PROPERTIES, *EXTRA, *Producer.publish.__annotations__)
            hint = did_you_mean(name, known) or "; what only the broker understands goes into extra={...}"
            raise UnknownOption(f"publish() has no option {name!r}{hint}")
    if isinstance(fields.get("timestamp"), datetime):
        fields["timestamp"] = fields["timestamp"].timestamp()
    return {**fields, "extra": more} if more else fields


def _not_before(now: float, delay: float | None, eta: datetime | float | None) -> float | None:
    if delay is not None and eta is not None:
        raise MisuseError("give delay or eta, not both")
    if delay is not None:
        return now + delay
    if isinstance(eta, datetime):
        if eta.tzinfo is None:
            raise MisuseError("eta has no time zone: give an aware datetime, or delay in seconds")
        return eta.timestamp()
    return eta

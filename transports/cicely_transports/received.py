"""A message in the hands of a consumer: read it, then ack, reject or requeue it."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from . import serialization
from .claims import LOST
from .compression import decompress
from .errors import LeaseLost, MisuseError, TransportError
from .spi import Settlement, Verdict

if TYPE_CHECKING:
    from .claims import Claims
    from .spi import Delivery, Tag

#: Why a message is among the dead letters, if its consumer gave no reason.
REJECTED = "rejected by its consumer"


class MessageStateError(MisuseError):
    """The message was settled before."""


class ReceivedMessage:
    """One delivery. It stays with its consumer, however long it takes, until it is settled or the
    connection is closed.

    ``headers``, ``properties`` and ``delivery_info`` are plain maps; ``attempt`` is 1 for the first
    delivery. ``body`` and ``payload`` raise DecodeError, ``payload`` ContentDisallowed, too.
    """

    def __init__(
        self,
        delivery: Delivery,
        claims: Claims,
        *,
        accept: Collection[str] | None = None,
        channel: object = None,
    ) -> None:
        message, properties = delivery.message, delivery.message.properties
        self._delivery = delivery
        self._claims = claims
        self._state: str | None = None
        self._cache: dict[str, Any] = {}
        self.accept = accept
        self.channel = channel
        self.headers = dict(message.headers)
        self.content_type = properties.content_type
        self.content_encoding = properties.content_encoding
        self.attempt = delivery.attempt
        named = ("correlation_id", "reply_to", "expiration", "message_id", "timestamp", "type")
        self.properties = {
            **properties.extra,
            "priority": properties.priority,
            "delivery_mode": properties.delivery_mode,
            **{name: value for name in named if (value := getattr(properties, name)) is not None},
        }
        self.delivery_info = {
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key,
            "priority": properties.priority,
            "redelivered": delivery.attempt > 1,
        }

    @property
    def delivery_tag(self) -> Tag:
        """What names this claim on the message."""
        return self._delivery.tag

    @property
    def queue(self) -> str:
        """The queue that the message came from."""
        return self._delivery.queue

    @property
    def acknowledged(self) -> bool:
        """Whether the message was settled, in whatever way, or belongs to somebody else now."""
        return self._state is not None

    @property
    def body(self) -> bytes:
        """The bytes as they were before compression."""
        if "body" not in self._cache:
            packed = self.headers.get("compression")
            body = self._delivery.message.body
            self._cache["body"] = body if packed is None else decompress(body, packed)
        found: bytes = self._cache["body"]
        return found

    @property
    def payload(self) -> Any:
        """The decoded body, decoded once."""
        if "payload" not in self._cache:
            self._cache["payload"] = self.decode()
        return self._cache["payload"]

    def decode(self) -> Any:
        """Decode the body. Raises ContentDisallowed if its type is not in ``accept``, DecodeError."""
        return serialization.loads(self.body, self.content_type, self.content_encoding, accept=self.accept)

    def ack(self) -> None:
        """It is dealt with. Raises MessageStateError the second time, LeaseLost if it came too late."""
        self._settle("acknowledged", Settlement(self.delivery_tag, Verdict.DONE))

    def reject(self, requeue: bool = False, *, reason: str = REJECTED) -> None:
        """Refuse it: to the dead letters of its queue, or with ``requeue`` back into the queue."""
        if requeue:
            self.requeue()
        else:
            self._settle("rejected", Settlement(self.delivery_tag, Verdict.DEAD, reason=reason))

    def requeue(self, *, not_before: float | None = None) -> None:
        """Give it back, to be delivered again at once or not before a time (UTC epoch seconds)."""
        self._settle("requeued", Settlement(self.delivery_tag, Verdict.RETURN, not_before=not_before))

    def ack_log_error(
        self, log: logging.Logger, errors: tuple[type[Exception], ...] = (TransportError,)
    ) -> None:
        """Like :meth:`ack`; an error is logged instead of raised."""
        try:
            self.ack()
        except errors as exc:
            log.critical("could not ack %r: %s", self.delivery_tag, exc, exc_info=True)

    def reject_log_error(
        self,
        log: logging.Logger,
        errors: tuple[type[Exception], ...] = (TransportError,),
        requeue: bool = False,
        reason: str = REJECTED,
    ) -> None:
        """Like :meth:`reject`; an error is logged instead of raised."""
        try:
            self.reject(requeue=requeue, reason=reason)
        except errors as exc:
            log.critical("could not reject %r: %s", self.delivery_tag, exc, exc_info=True)

    def mark_settled(self, state: str) -> None:
        """The claim has ended, perhaps without this object's doing."""
        self._state = self._state or state

    def _settle(self, state: str, settlement: Settlement) -> None:
        if self._state == LOST:
            raise LeaseLost([self.delivery_tag])
        if self._state is not None:
            raise MessageStateError(f"this message was {self._state} before")
        self._claims.settle(settlement)
        self._state = state

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.content_type} of {len(self._delivery.message.body)} bytes "
            f"from {self.queue!r}, {self._state or 'not settled'}>"
        )

"""How stores keep a message: its readable head as one JSON text beside the untouched body.

The head is a JSON list: exchange, routing key, headers, then the fields of
:class:`~cicely_transports.message.Properties` in their order. A list, because decoding it is one call
of the C scanner and three constructors; this is the hot path of every consumer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .errors import EncodeError
from .message import Message, Properties
from .spi import Delivery, Tag

#: Tag, delivery count, head, body.
Claimed = tuple[Tag, int, str, bytes]

# The C scanner itself: no Python frame, where json.loads has three.
_scan: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]


def encode_head(message: Message, exchange: str, routing_key: str) -> str:
    """The head of ``message`` as ASCII text. Raises EncodeError for a value that JSON does not have."""
    properties = message.properties
    head = [
        exchange,
        routing_key,
        message.headers,
        properties.content_type,
        properties.content_encoding,
        properties.correlation_id,
        properties.reply_to,
        properties.priority,
        properties.delivery_mode,
        properties.expiration,
        properties.message_id,
        properties.timestamp,
        properties.type,
        properties.extra,
    ]
    try:
        return _encoder.encode(head)
    except (TypeError, ValueError, RecursionError) as exc:
        where = _find(message.headers, "headers") or _find(properties.extra, "properties.extra")
        raise EncodeError(f"{where or 'the head of the message'} cannot be written as JSON: {exc}") from exc


def decode_message(head: str, body: bytes) -> Message:
    """The message of a head and a body; one with no headers if the head is damaged.

    A damaged head must not stop the batch that it came with: without headers the consumer finds the
    message unreadable and buries it, body and all.
    """
    return _decode(head, body)[2]


def decode_deliveries(claimed: Iterable[Claimed], queue: str, until: float) -> list[Delivery]:
    """The deliveries of one claim on ``queue``. Four Python frames a message at most, none of them ours."""
    claimed = list(claimed)
    try:
        return [
            Delivery(
                tag,
                queue,
                Message(body, (head := _scan(text, 0)[0])[2], Properties(*head[3:])),
                attempt,
                until,
                head[0],
                head[1],
            )
            for tag, attempt, text, body in claimed
        ]
    except (StopIteration, TypeError, ValueError, LookupError):
        deliveries = []
        for tag, attempt, text, body in claimed:
            exchange, routing_key, message = _decode(text, body)
            deliveries.append(Delivery(tag, queue, message, attempt, until, exchange, routing_key))
        return deliveries


def _decode(text: str, body: bytes) -> tuple[str, str, Message]:
    try:
        head = _scan(text, 0)[0]
        return head[0], head[1], Message(body, head[2], Properties(*head[3:]))
    except (StopIteration, TypeError, ValueError, LookupError):
        return "", "", Message(body)


def _as_dict(value: Any) -> dict[Any, Any]:
    """Other mappings than dict are as good."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_encoder = json.JSONEncoder(separators=(",", ":"), default=_as_dict)


def _find(value: Any, path: str) -> str | None:
    """The path of the first value inside that cannot be encoded."""
    try:
        _encoder.encode(value)
    except (TypeError, ValueError, RecursionError):
        pass
    else:
        return None
    inside: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, list | tuple):
        inside = enumerate(value)
    for key, item in inside:
        if len(path) < 200 and (found := _find(item, f"{path}[{key!r}]")):
            return found
    return path

"""A row as one bytes value, for stores that keep blobs: a line of JSON, then the untouched body."""

from __future__ import annotations

import json

from .envelope import encode_head
from .message import Message, Properties
from .store import Row


def encode_row(row: Row) -> bytes:
    """Everything but the queue and ``visible_at``. Raises EncodeError for headers that JSON does not have."""
    head = encode_head(row.message, row.exchange, row.routing_key)
    return b"[%b,%b]\n%b" % (json.dumps(row.expires_at).encode(), head.encode(), row.message.body)


def decode_row(blob: bytes, queue: str, visible_at: float) -> Row:
    """The row of a blob. A damaged one is all body: the consumer finds it unreadable and buries it."""
    line, _, body = blob.partition(b"\n")
    try:
        expires_at, (exchange, routing_key, headers, *properties) = json.loads(line)
        message = Message(body, headers, Properties(*properties))
    except (TypeError, ValueError):
        return Row(queue, Message(blob), visible_at)
    return Row(queue, message, visible_at, expires_at, exchange, routing_key)

"""Queues for common patterns."""

from __future__ import annotations

import uuid
from typing import Any

from .exchange import Exchange
from .queue import Queue

#: Seconds that the queue of a broadcast's consumer stays when the consumer has gone.
EXPIRES = 60.0


class Broadcast(Queue):
    """A queue of its own for every consumer, on a fanout exchange: each gets every message.

    ``name`` is the exchange, and the name by which tasks are routed here; ``queue`` that of this consumer's
    queue, by default one that nobody else has (``unique`` makes it so in any case). The queue goes
    ``expires`` seconds after its consumer, which every broker can do; AMQP's ``auto_delete`` works, too.
    """

    def __init__(
        self,
        name: str = "",
        queue: str | None = None,
        unique: bool = False,
        auto_delete: bool = False,
        exchange: Exchange | str | None = None,
        alias: str | None = None,
        *,
        expires: float | None = EXPIRES,
        **options: Any,
    ) -> None:
        own = f"{queue or 'bcast'}.{uuid.uuid4()}" if unique or not queue else queue
        super().__init__(
            own,
            Exchange(name, "fanout") if exchange is None else exchange,
            alias=alias or name,
            auto_delete=auto_delete,
            expires=None if auto_delete else expires,
            **options,
        )

"""Publishing to a store: route here, insert there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from .errors import NotSupported, PartialPublish, RetryableError
from .lifetime import Lifetime
from .spi import Send, Sender
from .store import Row

if TYPE_CHECKING:
    from .routing import RoutingTable
    from .spi import Capabilities
    from .store import Store


class Tables(Protocol):
    """Who compiles the bindings."""

    def routing_table(self, now: float) -> RoutingTable:
        """The bindings as they are now."""
        ...


class StoreSender(Sender):
    """Routes by the table of its transport and inserts the rows of all queues at once."""

    def __init__(
        self, tables: Tables, store: Store, *, clock: Callable[[], float], publish_timeout: float
    ) -> None:
        self._tables = tables
        self._store = store
        self._clock = clock
        self._publish_timeout = publish_timeout
        self._lifetime = Lifetime("sender")

    def publish(self, sends: Sequence[Send]) -> None:
        """Store all messages; see Sender.publish.

        Checks and routes everything before anything is stored. One message for several queues is
        inserted whole, so that either all of them have it or none.
        """
        self._lifetime.check()
        if not sends:
            return
        now = self._clock()
        refuse_excess(sends, self._store.capabilities, now)
        routed = route_all(sends, self._tables.routing_table(now), now)
        limit = self._store.capabilities.max_batch
        if limit is None or sum(map(len, routed)) <= limit:
            self._store.insert([row for rows in routed for row in rows])
        else:
            self._publish_batches(sends, routed, limit)

    def close(self) -> None:
        """Nothing is held; further calls raise ClosedError."""
        self._lifetime.end()

    def _publish_batches(self, sends: Sequence[Send], routed: Sequence[Sequence[Row]], limit: int) -> None:
        deadline = time.monotonic() + self._publish_timeout
        start = 0
        while start < len(sends):
            end, batch = start + 1, list(routed[start])
            while end < len(sends) and len(batch) + len(routed[end]) <= limit:
                batch += routed[end]
                end += 1
            if start and time.monotonic() > deadline:
                raise PartialPublish(sends[start:], f"it took longer than {self._publish_timeout:g} s")
            try:
                self._store.insert(batch)
            except RetryableError as exc:
                if not start:
                    raise
                raise PartialPublish(sends[start:], str(exc)) from exc
            start = end


def refuse_excess(sends: Sequence[Send], capabilities: Capabilities, now: float) -> None:
    """Raise NotSupported for a body or a delay over the capabilities."""
    if capabilities.max_body is not None:
        size = max([len(send.message.body) for send in sends])
        if size > capabilities.max_body:
            raise NotSupported(
                f"a body of {size:,} bytes is over the limit of this transport, {capabilities.max_body:,}"
            )
    if capabilities.max_delay is not None:
        delay = max([send.not_before or 0.0 for send in sends]) - now
        if delay > capabilities.max_delay:
            raise NotSupported(
                f"a delay of {delay:.0f} s is over the limit of this transport, {capabilities.max_delay:.0f}"
            )


def route_all(sends: Sequence[Send], table: RoutingTable, now: float) -> list[list[Row]]:
    """The rows of each message. Raises Unroutable."""
    ttls = table.ttls
    routed = []
    for send in sends:
        message, exchange, key = send.message, send.exchange, send.routing_key
        not_before, expires_at = send.not_before, send.expires_at
        visible_at = now if not_before is None or not_before < now else not_before
        queues = table.route(exchange, key, message.headers, mandatory=send.mandatory)
        routed.append(
            [
                Row(
                    queue,
                    message,
                    visible_at,
                    earliest(expires_at, ttls.get(queue), visible_at) if ttls else expires_at,
                    exchange,
                    key,
                )
                for queue in queues
            ]
        )
    return routed


def earliest(expires_at: float | None, ttl: float | None, since: float) -> float | None:
    """The message's own expiry or the queue's, counted from when the message can be had."""
    if ttl is None:
        return expires_at
    return since + ttl if expires_at is None else min(expires_at, since + ttl)

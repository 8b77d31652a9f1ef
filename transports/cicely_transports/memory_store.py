"""A thread-safe store in the memory of one process."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from .declaring import binding_key, refuse_conflicts
from .envelope import decode_deliveries, decode_message, encode_head
from .memory_queue import FOREVER, Entry, MemoryQueue
from .spi import Capabilities, DeadLetter, Delivery, QueueSize, Settlement, Tag, Verdict
from .store import Bindings, BoundQueue, Row, Store
from .topology import BindingSpec, ExchangeSpec


class MemoryStore(Store):
    """Queues of heaps under one lock. ``clock`` is that of the transport, for waiting until a delay is over.

    Messages are kept encoded, so that a sender and its receivers never share a mutable object, and
    what JSON cannot hold fails here as on any other broker.
    """

    capabilities = Capabilities()

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._queues: dict[str, MemoryQueue] = {}
        self._claims: dict[Tag, Entry] = {}
        self._serials = itertools.count(1)
        self._exchanges: dict[str, ExchangeSpec] = {}
        self._bound: dict[tuple[str, str, str, str], BoundQueue] = {}
        self._bindings = Bindings(0)
        #: Counts what may end a wait. Each thread remembers what it has seen, so that nothing slips
        #: through between its claim and its wait.
        self._news = 0
        self._seen = threading.local()

    def insert(self, rows: Sequence[Row]) -> None:
        """Store all rows."""
        entries = [
            Entry(
                row.queue,
                next(self._serials),
                9 - min(9, max(0, row.message.properties.priority)),
                row.visible_at,
                row.expires_at,
                encode_head(row.message, row.exchange, row.routing_key),
                bytes(row.message.body),
            )
            for row in rows
        ]
        with self._changed:
            for entry in entries:
                self._queue(entry.queue).add(entry)
            self._announce()

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        """Take what is available."""
        left = limit if suspects is None else suspects
        deliveries: list[Delivery] = []
        with self._changed:
            for name in queues:
                queue = self._queues.get(name)
                if queue is None or len(deliveries) >= limit:
                    continue
                room = limit - len(deliveries)
                taken, expired = queue.take(room, now=now, until=until, suspects=left)
                self._forget(expired)
                left -= sum([entry.attempt > 1 for entry in taken])
                self._forget(taken)
                for entry in taken:
                    entry.token = next(self._serials)
                    self._claims[entry.token] = entry
                claimed = [(entry.token, entry.attempt, entry.head, entry.body) for entry in taken]
                deliveries += decode_deliveries(claimed, name, until)
        return deliveries

    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        """End claims; returns the tags that are none."""
        refused: list[Tag] = []
        returned = False
        with self._changed:
            for item in items:
                entry = self._claims.pop(item.tag, None)
                if entry is None:
                    refused.append(item.tag)
                    continue
                entry.token = None
                queue = self._queues[entry.queue]
                if item.verdict is Verdict.RETURN:
                    returned = True
                    entry.attempt -= not item.counted
                    # Time zero is before everything that waits: next in line.
                    later = item.not_before is not None and item.not_before > now
                    queue.give_back(entry, item.not_before if later and item.not_before else 0.0)
                    continue
                queue.remove(entry)
                if item.verdict is Verdict.DEAD:
                    entry.reason, entry.died_at = item.reason or "", now
                    queue.dead[str(entry.serial)] = entry
            if returned:
                self._announce()
        return refused

    def renew(self, tags: Sequence[Tag], *, until: float) -> list[Tag]:
        """Prolong claims; returns the tags that are none."""
        lost: list[Tag] = []
        with self._changed:
            for tag in tags:
                entry = self._claims.get(tag)
                if entry is None:
                    lost.append(tag)
                else:
                    self._queues[entry.queue].renew(entry, until)
        return lost

    def bind(self, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> None:
        """Add or renew. Raises TopologyConflict."""
        with self._changed:
            refuse_conflicts(self._bindings, exchanges, bound)
            for spec in exchanges:
                self._exchanges.setdefault(spec.name, spec)
            for item in bound:
                self._bound[binding_key(item.binding)] = item
            self._publish_bindings()

    def unbind(
        self,
        *,
        bindings: Sequence[BindingSpec] = (),
        queues: Sequence[str] = (),
        exchanges: Sequence[str] = (),
    ) -> None:
        """Remove bindings, queues with all they hold, exchanges."""
        gone = {binding_key(binding) for binding in bindings}
        with self._changed:
            for name in queues:
                if (queue := self._queues.pop(name, None)) is not None:
                    self._forget(queue.entries.values())
            for name in exchanges:
                self._exchanges.pop(name, None)
            self._bound = {
                key: item
                for key, item in self._bound.items()
                if key not in gone
                and item.binding.queue not in queues
                and item.binding.exchange not in exchanges
            }
            self._publish_bindings()

    def bindings(self) -> Bindings:
        """The snapshot of the last change."""
        return self._bindings

    def sizes(self, *, now: float) -> dict[str, QueueSize]:
        """Every known queue with its size."""
        with self._changed:
            sizes = {item.binding.queue: QueueSize() for item in self._bound.values()}
            for name, queue in list(self._queues.items()):
                self._forget(queue.sweep(now))
                if queue.entries or queue.dead or name in sizes:
                    sizes[name] = queue.size(now)
                else:
                    del self._queues[name]
        return sizes

    def purge(self, queue: str, *, now: float) -> int:
        """Drop what is not claimed."""
        with self._changed:
            if queue not in self._queues:
                return 0
            dropped = self._queues[queue].purge(now)
            self._forget(dropped)
            return len(dropped)

    def dead(self, queue: str, *, limit: int | None, ids: Sequence[str] | None) -> list[DeadLetter]:
        """Dead letters, oldest first."""
        with self._changed:
            found = self._dead(queue, ids)[:limit]
        return [
            DeadLetter(
                str(entry.serial),
                queue,
                decode_message(entry.head, entry.body),
                entry.attempt,
                entry.reason or "",
                entry.died_at,
            )
            for entry in found
        ]

    def exhume(self, queue: str, ids: Sequence[str] | None, *, revive: bool, now: float) -> int:
        """Dead letters back into the queue, or dropped."""
        with self._changed:
            found = self._dead(queue, ids)
            for entry in found:
                del self._queues[queue].dead[str(entry.serial)]
                if revive:
                    entry.attempt, entry.visible_at, entry.expires_at, entry.reason = 0, now, None, None
                    self._queues[queue].add(entry)
            if found and revive:
                self._announce()
        return len(found)

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """Until something is inserted or returned, or a delay or lease ends."""
        deadline = time.monotonic() + timeout
        seen = getattr(self._seen, "news", None)
        since = getattr(self._seen, "time", 0.0)
        with self._changed:
            while self._news == seen:
                now = self._clock()
                known = [self._queues[name] for name in queues if name in self._queues]
                due = min([queue.next_due(since) for queue in known], default=FOREVER)
                left = min(deadline - time.monotonic(), due - now)
                if left <= 0:
                    break
                self._changed.wait(left)
            self._seen.news = self._news
        self._seen.time = self._clock()

    def wake(self) -> None:
        """End every wait."""
        with self._changed:
            self._announce()

    def close(self) -> None:
        """Nothing: the messages stay for other transports of the same name."""

    def _queue(self, name: str) -> MemoryQueue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = MemoryQueue()
        return queue

    def _dead(self, queue: str, ids: Sequence[str] | None) -> list[Entry]:
        if queue not in self._queues:
            return []
        dead = self._queues[queue].dead
        return list(dead.values()) if ids is None else [dead[key] for key in dead if key in set(ids)]

    def _forget(self, entries: Iterable[Entry]) -> None:
        """End the claims, if any, of entries that are dropped or claimed anew."""
        for entry in entries:
            if entry.token is not None:
                self._claims.pop(entry.token, None)
                entry.token = None

    def _publish_bindings(self) -> None:
        content = (tuple(self._exchanges.values()), tuple(self._bound.values()))
        if content != (self._bindings.exchanges, self._bindings.bound):
            self._bindings = Bindings(self._bindings.version + 1, *content)

    def _announce(self) -> None:
        self._news += 1
        self._changed.notify_all()

"""The store of one SQLite file: every verb is one short transaction."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cicely_transports.envelope import Claimed, decode_deliveries, encode_head
from cicely_transports.spi import Capabilities, DeadLetter, Delivery, QueueSize, Settlement, Tag
from cicely_transports.store import Bindings, BoundQueue, Row, Store
from cicely_transports.topology import BindingSpec, ExchangeSpec

from .bindings import BindingTable
from .claiming import next_times, sweep, take
from .clearing import in_chunks
from .connections import Connections
from .letters import LetterTable
from .schema import FRESH, INLINE_BODY
from .settling import RENEW, renewals, settle_all, settle_each
from .sizes import read_sizes
from .watch import Watch

#: SQLite refuses rows over a thousand million bytes; the head needs some, too.
MAX_BODY = 900_000_000
#: Messages of one insert, so that nobody waits long for the lock.
MAX_BATCH = 5_000
#: Seconds between searches for expired messages that nobody claims.
SWEEP_EVERY = 60.0

_INSERT = (
    "INSERT INTO cicely_message (queue, lane, rank, visible_at, attempt, expires_at, head, body) "
    f"VALUES (?, {FRESH}, ?, ?, 0, ?, ?, ?)"
)
_INSERT_BODY = "INSERT INTO cicely_message_body (id, data) VALUES (?, ?)"


class SQLiteStore(Store):
    """Messages in a file that any number of processes of one machine may share.

    ``timeout``: seconds that any verb waits for the write lock. ``synchronous``: SQLite's pragma.
    ``clock`` is that of the transport, for waiting until a delay is over. Opens the file when needed.
    """

    capabilities = Capabilities(durable=True, cross_process=True, max_body=MAX_BODY, max_batch=MAX_BATCH)

    def __init__(
        self,
        path: str,
        *,
        timeout: float = 5.0,
        synchronous: str = "normal",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connections = Connections(str(Path(path).absolute()), timeout=timeout, synchronous=synchronous)
        self._bindings = BindingTable(self._connections)
        self._letters = LetterTable(self._connections)
        self._watch = Watch(self._connections, clock)
        self._next_sweep = 0.0

    def insert(self, rows: Sequence[Row]) -> None:
        """Store all rows or none. Raises StorageFull, PublishTimeout, EncodeError."""
        values = [
            (
                row.queue,
                9 - min(9, max(0, row.message.properties.priority)),
                row.visible_at,
                row.expires_at,
                encode_head(row.message, row.exchange, row.routing_key),
                row.message.body,
            )
            for row in rows
        ]
        large = max([len(value[5]) for value in values], default=0) > INLINE_BODY
        with self._connections.writing(publishing=True) as connection:
            if large:
                _insert_one_by_one(connection, values)
            else:
                connection.executemany(_INSERT, values)
        self._watch.stir()

    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        """Take what is available, all queues in one transaction."""
        left = limit if suspects is None else suspects
        taken: list[tuple[str, list[Claimed]]] = []
        count = 0
        with self._connections.writing() as connection:
            if time.monotonic() >= self._next_sweep:
                self._next_sweep = time.monotonic() + SWEEP_EVERY
                sweep(connection, now)
            for queue in queues:
                if count >= limit:
                    break
                claimed = take(connection, queue, limit - count, now=now, until=until, suspects=left)
                count += len(claimed)
                left -= sum([attempt > 1 for _, attempt, _, _ in claimed])
                taken.append((queue, claimed))
        deliveries: list[Delivery] = []
        for queue, claimed in taken:
            deliveries += decode_deliveries(claimed, queue, until)
        return deliveries

    def settle(self, items: Sequence[Settlement], *, now: float) -> list[Tag]:
        """End claims; returns the tags that are none."""
        with self._connections.writing() as connection:
            refused = [] if settle_all(connection, items, now) else settle_each(connection, items, now)
        self._watch.stir()
        return refused

    def renew(self, tags: Sequence[Tag], *, until: float) -> list[Tag]:
        """Prolong claims; returns the tags that are none."""
        lost: list[Tag] = []
        with self._connections.writing() as connection:
            for tag, values in renewals(tags, until):
                if values is None or not connection.execute(RENEW, values).rowcount:
                    lost.append(tag)
        return lost

    def bind(self, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> None:
        """Add or renew. Raises TopologyConflict."""
        self._bindings.add(exchanges, bound)

    def unbind(
        self,
        *,
        bindings: Sequence[BindingSpec] = (),
        queues: Sequence[str] = (),
        exchanges: Sequence[str] = (),
    ) -> None:
        """Remove bindings, queues with all they hold, exchanges."""
        with self._connections.writing() as connection:
            self._bindings.remove(connection, bindings=bindings, queues=queues, exchanges=exchanges)
        for queue in queues:
            in_chunks(self._connections, "DELETE FROM cicely_message", "queue = ?", (queue,))

    def bindings(self) -> Bindings:
        """Exchanges and bindings of all processes."""
        return self._bindings.read()

    def sizes(self, *, now: float) -> dict[str, QueueSize]:
        """Every known queue with its size. Reads the whole index: about 0.1 s for a million messages."""
        sizes = {bound.binding.queue: QueueSize() for bound in self.bindings().bound}
        with self._connections.writing() as connection:
            sweep(connection, now)
        with self._connections.reading() as connection:
            return sizes | read_sizes(connection, now)

    def purge(self, queue: str, *, now: float) -> int:
        """Drop what is not claimed."""
        where = "queue = ? AND lane IN (0, 1) AND (token IS NULL OR visible_at <= ?)"
        return in_chunks(self._connections, "DELETE FROM cicely_message", where, (queue, now))

    def dead(self, queue: str, *, limit: int | None, ids: Sequence[str] | None) -> list[DeadLetter]:
        """Dead letters, oldest first."""
        return self._letters.read(queue, limit, ids)

    def exhume(self, queue: str, ids: Sequence[str] | None, *, revive: bool, now: float) -> int:
        """Dead letters back into the queue, or dropped."""
        count = self._letters.move(queue, ids, now) if revive else self._letters.drop(queue, ids)
        self._watch.stir()
        return count

    def wait(self, queues: Sequence[str], timeout: float) -> None:
        """Until a row appears or becomes available."""

        def probe(since: float) -> tuple[float, float]:
            with self._connections.reading() as connection:
                return next_times(connection, queues, since)

        self._watch.wait(probe, timeout)

    def wake(self) -> None:
        """End every wait."""
        self._watch.wake()

    def close(self) -> None:
        """Close the file. What is lent to a running verb closes when that ends."""
        self._watch.close()
        self._connections.close()


def _insert_one_by_one(
    connection: sqlite3.Connection, values: Sequence[tuple[str, int, float, float | None, str, bytes]]
) -> None:
    """Large bodies need the id of their row first."""
    for *front, body in values:
        if len(body) > INLINE_BODY:
            row = connection.execute(_INSERT, (*front, None))
            connection.execute(_INSERT_BODY, (row.lastrowid, body))
        else:
            connection.execute(_INSERT, (*front, body))

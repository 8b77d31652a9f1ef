"""A full transport on top of any store: exchanges, fan-out, leases, delays, dead letters."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from .declaring import plan
from .errors import InvalidURL
from .lifetime import Lifetime
from .routing import RoutingTable, is_lapsed
from .spi import Capabilities, DeadLetter, QueueSize, Transport
from .store_receiver import StoreReceiver
from .store_sender import StoreSender
from .topology import DEFAULT_EXCHANGE
from .url_options import check_options

if TYPE_CHECKING:
    from .store import Store
    from .topology import BindingSpec, Topology
    from .url import BrokerURL


class StoreTransport(Transport):
    """Routing, declaring and upkeep for one :class:`~cicely_transports.store.Store`.

    ``clock`` gives UTC epoch seconds. ``publish_timeout``: seconds after which a publish that spans
    several batches gives up with PartialPublish; the store bounds each single batch itself. The
    transport owns the store and closes it.
    """

    def __init__(
        self, store: Store, *, clock: Callable[[], float] = time.time, publish_timeout: float = 5.0
    ) -> None:
        self._store = store
        self._clock = clock
        self._publish_timeout = publish_timeout
        self._lifetime = Lifetime("transport")
        self._table: RoutingTable | None = None
        self._children: weakref.WeakSet[StoreSender | StoreReceiver] = weakref.WeakSet()

    @classmethod
    def from_url(cls, url: BrokerURL, options: Mapping[str, Any]) -> Self:
        """Stores are made in their own ways: a driver overrides this. Raises InvalidURL."""
        check_options(options, cls.options, url.scheme)
        raise InvalidURL(f"{cls.__name__} is made from a store, not from a URL")

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store."""
        return self._store.capabilities

    @property
    def store(self) -> Store:
        """The store below."""
        return self._store

    def declare(self, topology: Topology) -> None:
        """Make what is missing. Raises TopologyConflict, NotSupported, MisuseError."""
        self._lifetime.check()
        self._drop_lapsed()
        exchanges, bound = plan(topology, self._store.bindings(), self.capabilities, self._clock())
        if exchanges or bound:
            self._store.bind(exchanges, bound)

    def unbind(self, bindings: Sequence[BindingSpec]) -> None:
        """Remove bindings; those that do not exist are fine."""
        self._lifetime.check()
        if bindings:
            self._store.unbind(bindings=bindings)

    def delete(self, *, queues: Sequence[str] = (), exchanges: Sequence[str] = ()) -> None:
        """Remove queues with all their messages, and exchanges, with their bindings."""
        self._lifetime.check()
        if queues or exchanges:
            self._store.unbind(queues=queues, exchanges=exchanges)

    def routing_table(self, now: float) -> RoutingTable:
        """The compiled bindings as they are now; compiled again only when they changed."""
        bindings = self._store.bindings()
        table = self._table
        if table is None or table.version != bindings.version or now >= table.valid_until:
            table = RoutingTable(bindings, now, implicit_queues=self.capabilities.implicit_queues)
            self._table = table
        return table

    def sender(self) -> StoreSender:
        """A new sender for the calling thread."""
        self._lifetime.check()
        sender = StoreSender(self, self._store, clock=self._clock, publish_timeout=self._publish_timeout)
        self._children.add(sender)
        return sender

    def receiver(self, queues: Sequence[str], *, credit: int, lease: float) -> StoreReceiver:
        """A new receiver whose claims last ``lease`` seconds unless extended."""
        self._lifetime.check()
        receiver = StoreReceiver(self._store, queues, credit=credit, lease=lease, clock=self._clock)
        self._children.add(receiver)
        return receiver

    def queues(self) -> list[str]:
        """Names of the declared, bound or filled queues, sorted."""
        return sorted(self._sizes())

    def sizes(self, queues: Sequence[str]) -> dict[str, QueueSize]:
        """Sizes by name; zero for what does not exist."""
        sizes = self._sizes()
        return {queue: sizes.get(queue) or QueueSize() for queue in queues}

    def purge(self, queue: str) -> int:
        """Drop what is ready or delayed. Returns how many."""
        self._lifetime.check()
        return self._store.purge(queue, now=self._clock())

    def dead_letters(
        self, queue: str, *, limit: int = 100, ids: Sequence[str] | None = None
    ) -> list[DeadLetter]:
        """The oldest dead letters, or those with the given ids."""
        self._lifetime.check()
        return self._store.dead(queue, limit=limit, ids=ids)

    def requeue_dead(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Make dead letters ready again. Returns how many."""
        self._lifetime.check()
        return self._store.exhume(queue, ids, revive=True, now=self._clock())

    def purge_dead(self, queue: str, ids: Sequence[str] | None = None) -> int:
        """Drop dead letters. Returns how many."""
        self._lifetime.check()
        return self._store.exhume(queue, ids, revive=False, now=self._clock())

    def close(self) -> None:
        """Close senders and receivers, then the store. In a forked child it touches nothing."""
        if self._lifetime.end():
            for child in list(self._children):
                child.close()
            self._store.close()

    def _sizes(self) -> dict[str, QueueSize]:
        self._lifetime.check()
        self._drop_lapsed()
        return self._store.sizes(now=self._clock())

    def _drop_lapsed(self) -> None:
        """Remove queues that nobody consumed for their ``expires``, so that nothing piles up in them."""
        now = self._clock()
        lapsed = [
            bound.binding.queue
            for bound in self._store.bindings().bound
            if bound.binding.exchange == DEFAULT_EXCHANGE and is_lapsed(bound, now)
        ]
        if lapsed:
            self._store.unbind(queues=lapsed)

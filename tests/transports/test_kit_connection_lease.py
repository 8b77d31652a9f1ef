"""The kit on a transport whose connection is the lease, as AMQP's is: closing gives everything back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cicely_transports.memory import MemoryStore, MemoryTransport
from cicely_transports.spi import Capabilities, Delivery, Settlement, Tag, Verdict
from cicely_transports.store import Store
from cicely_transports.store_receiver import StoreReceiver
from cicely_transports.testing import OpenTransport
from cicely_transports.testing.themes.counting import CountingTheme
from cicely_transports.testing.themes.delivery import DeliveryTheme
from cicely_transports.testing.themes.leases import LeaseTheme
from cicely_transports.testing.themes.upkeep import UpkeepTheme

NO_END = 1e6


class HeldStore(MemoryStore):
    capabilities = Capabilities(lease="connection")


class HeldReceiver(StoreReceiver):
    """Claims have no deadline; those that are left at the end are returned, counted."""

    def __init__(self, store: Store, queues: Sequence[str], credit: int) -> None:
        super().__init__(store, queues, credit=credit, lease=NO_END, clock=time.time)
        self.claims: set[Tag] = set()

    def receive(self, limit: int, wait: float, *, suspects: int | None = None) -> list[Delivery]:
        received = super().receive(limit, wait, suspects=suspects)
        self.claims.update(delivery.tag for delivery in received)
        return [replace(delivery, leased_until=None) for delivery in received]

    def settle(self, items: Sequence[Settlement]) -> list[Tag]:
        self.claims.difference_update(item.tag for item in items)
        return super().settle(items)

    def extend(self, tags: Sequence[Tag], lease: float) -> list[Tag]:
        return [tag for tag in tags if tag not in self.claims]

    def close(self) -> None:
        if not self._lifetime.over:
            super().settle([Settlement(tag, Verdict.RETURN) for tag in self.claims])
        super().close()


class HeldTransport(MemoryTransport):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.connections: list[HeldReceiver] = []

    def receiver(self, queues: Sequence[str], *, credit: int, lease: float) -> HeldReceiver:
        self.connections.append(HeldReceiver(self.store, queues, credit))
        return self.connections[-1]

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        super().close()


class TestConnectionLease(DeliveryTheme, LeaseTheme, CountingTheme, UpkeepTheme):
    @pytest.fixture
    def open_transport(self) -> OpenTransport:
        store = HeldStore()
        return lambda: HeldTransport(store)

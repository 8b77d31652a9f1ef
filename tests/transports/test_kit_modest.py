"""A transport that promises little passes the kit, too: what it excludes must be refused, not ignored."""

from __future__ import annotations

import pytest

from cicely_transports.memory import MemoryStore, MemoryTransport
from cicely_transports.spi import Capabilities
from cicely_transports.testing import OpenTransport
from cicely_transports.testing.themes.batches import BatchTheme
from cicely_transports.testing.themes.counting import CountingTheme
from cicely_transports.testing.themes.delays import DelayTheme
from cicely_transports.testing.themes.delivery import DeliveryTheme
from cicely_transports.testing.themes.routing import RoutingTheme
from cicely_transports.testing.themes.upkeep import UpkeepTheme


class ModestStore(MemoryStore):
    capabilities = Capabilities(
        exchange_types=frozenset({"direct"}),
        max_delay=0.1,
        max_body=10_000,
        max_batch=7,
        shared_topology=False,
        implicit_queues=False,
        bounds_suspects=False,
        queue_options=frozenset(),
    )


class HourlyStore(MemoryStore):
    capabilities = Capabilities(max_delay=3600.0)


class TestModest(DeliveryTheme, BatchTheme, RoutingTheme, CountingTheme, DelayTheme, UpkeepTheme):
    @pytest.fixture
    def open_transport(self) -> OpenTransport:
        store = ModestStore()
        return lambda: MemoryTransport(store)


class TestSomeDelay(DelayTheme):
    @pytest.fixture
    def open_transport(self) -> OpenTransport:
        store = HourlyStore()
        return lambda: MemoryTransport(store)

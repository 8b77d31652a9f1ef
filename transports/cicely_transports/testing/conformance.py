"""The kit as one class, composed of its themes."""

from __future__ import annotations

from .themes.batches import BatchTheme
from .themes.burials import BurialTheme
from .themes.counting import CountingTheme
from .themes.crowd import CrowdTheme
from .themes.delays import DelayTheme
from .themes.delivery import DeliveryTheme
from .themes.faults import FaultTheme
from .themes.leases import LeaseTheme
from .themes.misuse import MisuseTheme
from .themes.ordering import OrderingTheme
from .themes.routing import RoutingTheme
from .themes.settling import SettlingTheme
from .themes.upkeep import UpkeepTheme
from .themes.waiting import WaitingTheme


class TransportConformance(
    DeliveryTheme,
    BatchTheme,
    OrderingTheme,
    RoutingTheme,
    SettlingTheme,
    LeaseTheme,
    CountingTheme,
    DelayTheme,
    BurialTheme,
    UpkeepTheme,
    WaitingTheme,
    MisuseTheme,
    CrowdTheme,
):
    """Every promise of the SPI. Derive from it and override the fixture ``open_transport``."""


class NetworkTransportConformance(TransportConformance, FaultTheme):
    """The same and what a bad network may do. Override the fixture ``open_through`` as well."""

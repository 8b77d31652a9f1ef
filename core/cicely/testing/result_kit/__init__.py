"""The conformance kit of result backends: subclass one class, give one fixture.

A backend passes the kit when this module of its tests does::

    import pytest
    from cicely.testing.result_kit import BackendRig, SharedResultBackendKit

    class TestMyBackend(SharedResultBackendKit):
        @pytest.fixture
        def rig(self):
            with BackendRig("mypackage.backends:MyBackend+my://host/") as rig:
                yield rig

:class:`SharedResultBackendKit` is for backends that several processes share, :class:`ResultBackendKit`
for the others. The store need not be empty: every test makes ids of its own.
"""

from __future__ import annotations

from .concurrency import ConcurrencyTests
from .lifetime import LifetimeTests
from .processes import ForkTests, ProcessTests
from .rig import BackendRig, record
from .storing import StoringTests
from .watching import WatchingTests

__all__ = ["BackendRig", "ResultBackendKit", "SharedResultBackendKit", "record"]


class ResultBackendKit(StoringTests, LifetimeTests, WatchingTests, ConcurrencyTests, ForkTests):
    """What every backend promises. The fixture ``rig`` gives a :class:`BackendRig`."""


class SharedResultBackendKit(ResultBackendKit, ProcessTests):
    """What a backend promises that processes share."""

    shared = True

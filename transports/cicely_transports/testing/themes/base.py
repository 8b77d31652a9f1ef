"""What every theme of the kit stands on: the fixtures, and the figures that an author may set."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from cicely_transports.testing.rig import OpenTransport, Rig


class Theme:
    """Base of the themes. Override :meth:`open_transport`; the figures are for slow or coarse brokers.

    All figures are seconds.
    """

    #: The shortest lease that the broker can hold; tests of lapsing claims wait for it.
    lease: float = 0.3
    #: How late a message may come after its time (delay, lease) on a busy machine.
    late: float = 2.0
    #: What is to happen "at once" (wakeup, close) takes less than this in the best of three attempts.
    at_once: float = 0.4
    #: After this long, what has not come counts as lost.
    patience: float = 15.0
    #: A receive that stays empty for this long shows that nothing is there.
    quiet: float = 0.05
    #: Does the broker itself drop messages past ``expires_at``? If not, they must still be delivered.
    drops_expired: bool = True

    def now(self) -> float:
        """The broker's clock, UTC epoch seconds; override it for a transport with a clock of its own."""
        return time.time()

    @pytest.fixture
    def open_transport(self) -> OpenTransport:
        """A function that opens a new, independent transport object on one and the same broker."""
        raise NotImplementedError(
            "override the fixture open_transport; see the docstring of cicely_transports.testing"
        )

    @pytest.fixture
    def rig(self, open_transport: OpenTransport) -> Iterator[Rig]:
        """The broker under test."""
        with Rig(open_transport, patience=self.patience, quiet=self.quiet) as rig:
            yield rig

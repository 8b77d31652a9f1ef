"""Theme: bad networks: reset, stalled, slow and refused connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from cicely_transports.errors import OperationalError, RetryableError
from cicely_transports.spi import Delivery, Receiver, Transport
from cicely_transports.testing.fault_proxy import FaultProxy
from cicely_transports.testing.rig import OpenTransport, Rig, bodies, done

from .base import Theme
from .batches import numbered

T = TypeVar("T")
OpenThrough = Callable[[str, int], Transport]


class FaultTheme(Theme):
    """What the network breaks is said in time and mended without loss."""

    #: The ``publish_timeout`` (seconds) of the transports that ``open_through`` opens; set it short.
    publish_timeout: float = 1.0
    #: Within this many seconds after the network healed, everything works again.
    reconnect: float = 10.0

    @pytest.fixture
    def broker_address(self) -> tuple[str, int]:
        """Host and port of the broker under test."""
        raise NotImplementedError("override the fixture broker_address")

    @pytest.fixture
    def open_through(self) -> OpenThrough:
        """A function of host and port that opens a transport on the same broker through that address."""
        raise NotImplementedError("override the fixture open_through")

    @pytest.fixture
    def proxy(self, broker_address: tuple[str, int]) -> Iterator[FaultProxy]:
        """The fault proxy before the broker."""
        with FaultProxy(*broker_address) as proxy:
            yield proxy

    @pytest.fixture
    def open_proxied(self, open_through: OpenThrough, proxy: FaultProxy) -> OpenTransport:
        """Opens transports behind the proxy."""
        return lambda: open_through(*proxy.address)

    def in_time(self, call: Callable[[], T], bound: float) -> T | RetryableError:
        """What the call gives, or the retryable error that it raises; fail if it takes too long."""
        started = time.monotonic()
        result: T | RetryableError
        try:
            result = call()
        except RetryableError as error:
            result = error
        took = time.monotonic() - started
        assert took <= bound + self.late, f"took {took:.1f} s where {bound:g} s are the bound"
        return result

    def finally_works(self, call: Callable[[], T]) -> T:
        """The result of the first attempt that succeeds; fail if none does within ``reconnect``."""
        deadline = time.monotonic() + self.reconnect
        while True:
            try:
                return call()
            except RetryableError:
                assert time.monotonic() < deadline, f"still failing {self.reconnect:g} s after the fault"

    def take_all(self, receiver: Receiver, expected: set[bytes]) -> list[Delivery]:
        """Settle deliveries until each expected body came; repetitions are allowed."""
        taken: list[Delivery] = []

        def settle_some() -> None:
            batch = receiver.receive(100, 0.5)
            taken.extend(batch)
            receiver.settle([done(delivery) for delivery in batch])

        deadline = time.monotonic() + self.reconnect + self.lease
        while not expected <= set(bodies(taken)):
            assert time.monotonic() < deadline, f"lost: {expected - set(bodies(taken))}"
            self.finally_works(settle_some)
        return taken

    def test_publishing_goes_on_after_a_reset(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue, transport = rig.queue(), open_proxied()
        rig.send(queue, b"0", transport=transport)
        for number in range(1, 4):
            proxy.reset()
            self.finally_works(lambda body=b"%d" % number: rig.send(queue, body, transport=transport))  # type: ignore[misc]
        transport.close()
        assert set(rig.drain(queue)) == set(numbered(4))

    def test_receiving_goes_on_after_a_reset(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue, transport = rig.queue(), open_proxied()
        receiver = rig.receiver(queue, lease=self.lease * 3, transport=transport)
        rig.send(queue, *numbered(5))
        rig.take(receiver, 2)
        proxy.reset()
        self.take_all(receiver, set(numbered(5)))
        transport.close()
        assert rig.size(queue).ready == 0

    def test_stalled_publishing_fails_in_time(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue, transport = rig.queue(), open_proxied()
        rig.send(queue, b"0", transport=transport)
        proxy.stall()
        error = self.in_time(lambda: rig.send(queue, b"1", transport=transport), self.publish_timeout)
        assert isinstance(error, RetryableError), "publishing into a black hole passed for success"
        proxy.heal()
        self.finally_works(lambda: rig.send(queue, b"2", transport=transport))
        transport.close()
        assert {b"0", b"2"} <= set(rig.drain(queue))

    def test_stalled_connecting_fails_in_time(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue = rig.queue()
        proxy.stall()
        transport = open_proxied()
        error = self.in_time(lambda: rig.send(queue, b"1", transport=transport), self.publish_timeout)
        assert isinstance(error, RetryableError)
        self.in_time(transport.close, self.publish_timeout)

    def test_stalled_receiving_ends_in_time(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue, transport = rig.queue(), open_proxied()
        receiver = rig.receiver(queue, lease=self.lease * 3, transport=transport)
        rig.nothing(receiver)
        proxy.stall()
        rig.send(queue, b"one")
        got = self.in_time(lambda: receiver.receive(1, 0.5), 0.5 + self.publish_timeout)
        assert got == [] or isinstance(got, RetryableError)
        proxy.heal()
        assert bodies(self.take_all(receiver, {b"one"}))[:1] == [b"one"]
        transport.close()

    def test_stalled_settling_fails_in_time_and_loses_nothing(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue, transport = rig.queue(), open_proxied()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue, lease=self.lease * 3, transport=transport)
        held = rig.take_one(receiver)
        proxy.stall()
        error = self.in_time(lambda: receiver.settle([done(held)]), self.publish_timeout)
        assert isinstance(error, RetryableError), "settling into a black hole passed for success"
        proxy.heal()
        refused = self.finally_works(lambda: receiver.settle([done(held)]))
        if refused:
            rig.drain(queue)
        transport.close()
        rig.eventually(lambda: rig.size(queue).leased == 0, "the claim is settled or lapses")

    def test_slow_network_delivers_whole_messages(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue, transport = rig.queue(), open_proxied()
        body = bytes(range(256)) * 200
        proxy.slow(len(body) * 4 / self.publish_timeout)
        self.finally_works(lambda: rig.send(queue, body, transport=transport))
        receiver = rig.receiver(queue, transport=transport)
        assert bodies(self.take_all(receiver, {body}))[0] == body
        transport.close()

    def test_absent_broker_is_an_error_in_time(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue = rig.queue()
        proxy.refuse()
        transport = open_proxied()
        error = self.in_time(lambda: rig.send(queue, b"1", transport=transport), self.publish_timeout)
        assert isinstance(error, OperationalError)
        proxy.heal()
        self.finally_works(lambda: rig.send(queue, b"2", transport=transport))
        assert b"2" in self.finally_works(lambda: rig.drain(queue))
        transport.close()

    def test_closing_a_stalled_transport_ends_in_time(
        self, rig: Rig, proxy: FaultProxy, open_proxied: OpenTransport
    ) -> None:
        queue, transport = rig.queue(), open_proxied()
        receiver = rig.receiver(queue, transport=transport)
        rig.nothing(receiver)
        proxy.stall()
        self.in_time(receiver.close, self.publish_timeout)
        self.in_time(transport.close, self.publish_timeout)

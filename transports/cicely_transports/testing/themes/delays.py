"""Theme: not before, and not after."""

from __future__ import annotations

import threading

import pytest

from cicely_transports.errors import NotSupported
from cicely_transports.message import Message
from cicely_transports.spi import Send
from cicely_transports.testing.rig import Rig, bodies

from .base import Theme
from .batches import numbered

DELAY = 0.4


class DelayTheme(Theme):
    """A delay is never cut short; an expired message is not run."""

    def delays(self, rig: Rig, seconds: float = DELAY) -> bool:
        """Does the transport delay that long? If not, check that it refuses."""
        limit = rig.capabilities.max_delay
        if limit is None or seconds <= limit:
            return True
        queue = rig.queue()
        with pytest.raises(NotSupported):
            rig.send(queue, b"late", not_before=self.now() + seconds)
        assert rig.drain(queue) == []
        return False

    def test_delayed_is_neither_early_nor_late(self, rig: Rig) -> None:
        if not self.delays(rig):
            return
        queue = rig.queue()
        due = self.now() + DELAY
        rig.send(queue, b"delayed", not_before=due)
        rig.send(queue, b"prompt")
        receiver = rig.receiver(queue)
        assert rig.take_one(receiver).message.body == b"prompt"
        (delayed,) = rig.take(receiver, 1, poll=0.01)
        came = self.now()
        assert (delayed.message.body, delayed.attempt) == (b"delayed", 1)
        assert due <= came, f"delivered {due - came:.3f} s early"
        assert came <= due + self.late

    def test_delayed_come_in_the_order_of_their_times(self, rig: Rig) -> None:
        if not self.delays(rig):
            return
        queue = rig.queue()
        start = self.now() + 0.2
        for index in (2, 0, 3, 1):
            rig.send(queue, b"%d" % index, not_before=start + index * 0.1)
        receiver = rig.receiver(queue)
        for index in range(4):
            assert bodies(rig.take(receiver, 1, poll=0.01)) == [b"%d" % index]
            assert self.now() >= start + index * 0.1

    def test_delay_applies_to_every_routed_copy(self, rig: Rig) -> None:
        if not self.delays(rig):
            return
        exchange, queues = rig.exchange("direct"), [rig.queue(), rig.queue()]
        for queue in queues:
            rig.bind(exchange, queue)
        due = self.now() + DELAY
        rig.publish([Send(Message(b"copy"), "", exchange, not_before=due)])
        taken = rig.take(rig.receiver(*queues), 2, poll=0.01)
        assert self.now() >= due
        assert {delivery.queue for delivery in taken} == set(queues)

    def test_past_time_is_no_delay(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"first")
        rig.send(queue, b"overdue", not_before=self.now() - 3600)
        assert sorted(bodies(rig.take(rig.receiver(queue), 2))) == [b"first", b"overdue"]

    def test_longest_delay(self, rig: Rig) -> None:
        limit = rig.capabilities.max_delay
        month = 30 * 86400.0
        if not self.delays(rig, month if limit is None else limit + 60):
            return
        queue = rig.queue()
        rig.send(queue, b"next month", not_before=self.now() + month)
        rig.nothing(rig.receiver(queue))
        assert rig.size(queue).delayed == 1

    def test_delayed_do_not_hide_ready_ones(self, rig: Rig) -> None:
        if not self.delays(rig, 30.0):
            return
        queue = rig.queue()
        rig.send(queue, *numbered(200), priority=9, not_before=self.now() + 30)
        rig.send(queue, b"ready")
        assert rig.take_one(rig.receiver(queue)).message.body == b"ready"

    def test_expired_is_not_delivered(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"expired", expires_at=self.now() - 1)
        rig.send(queue, b"valid", expires_at=self.now() + 60)
        rig.send(queue, b"timeless")
        expected = [b"valid", b"timeless"] if self.drops_expired else [b"expired", b"valid", b"timeless"]
        assert rig.drain(queue) == expected

    def test_expiring_while_stored(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"expiring", expires_at=self.now() + 0.2)
        rig.send(queue, b"valid", expires_at=self.now() + 60)
        threading.Event().wait(0.25)
        expected = [b"valid"] if self.drops_expired else [b"expiring", b"valid"]
        assert rig.drain(queue) == expected

    def test_delayed_past_its_expiry(self, rig: Rig) -> None:
        if not self.delays(rig):
            return
        queue = rig.queue()
        rig.send(queue, b"too late", not_before=self.now() + 0.3, expires_at=self.now() + 0.1)
        rig.send(queue, b"in time", not_before=self.now() + 0.4)
        receiver = rig.receiver(queue)
        if not self.drops_expired:
            assert rig.take_one(receiver).message.body == b"too late"
        assert rig.take_one(receiver).message.body == b"in time"

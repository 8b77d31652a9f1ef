"""Theme: leases: lapsing, renewal, and fencing of those who come too late."""

from __future__ import annotations

import pytest

from cicely_transports.spi import Delivery, Receiver, Verdict
from cicely_transports.testing.rig import LONG_LEASE, Rig, bodies, bury, done, give_back, tags

from .base import Theme
from .batches import numbered


class LeaseTheme(Theme):
    """A message has one owner at a time, and never none for good."""

    def lose(self, rig: Rig, receiver: Receiver) -> None:
        """Let the claims of ``receiver`` lapse at once where the connection is the lease."""
        if rig.capabilities.lease == "connection":
            receiver.close()

    def needs_timed(self, rig: Rig) -> None:
        if rig.capabilities.lease != "timed":
            pytest.skip("lease='connection': claims have no deadline of their own")

    def lapsed(self, rig: Rig, *, leases: int = 1) -> tuple[Receiver, Delivery, Receiver, Delivery]:
        """A first owner whose lease ran out, and the second owner of the same message."""
        self.needs_timed(rig)
        queue = rig.queue()
        rig.send(queue, b"one")
        first = rig.receiver(queue, lease=self.lease * leases)
        old = rig.take_one(first)
        second = rig.receiver(queue, transport=rig.open())
        return first, old, second, rig.take_one(second)

    def test_abandoned_claim_comes_back(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(3))
        first = rig.receiver(queue, lease=self.lease, transport=rig.open())
        claimed = self.now()
        assert bodies(rig.take(first, 3)) == numbered(3)
        self.lose(rig, first)
        again = rig.take(rig.receiver(queue), 3, poll=0.01)
        came = self.now()
        assert sorted(bodies(again)) == numbered(3)
        assert [delivery.attempt for delivery in again] == [2, 2, 2]
        assert came <= claimed + self.lease + self.late
        if rig.capabilities.lease == "timed":
            assert came >= claimed + self.lease, "a claim lapsed before its lease was over"

    def test_closing_does_not_lose_claims(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        other = rig.open()
        rig.take_one(rig.receiver(queue, lease=self.lease, transport=other))
        other.close()
        assert rig.take_one(rig.receiver(queue)).attempt == 2

    def test_returned_early_does_not_come_twice(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue, lease=self.lease * 3)
        assert receiver.settle([give_back(rig.take_one(receiver))]) == []
        keeper = rig.receiver(queue)
        assert rig.take_one(keeper).attempt == 2
        rig.nothing(keeper, wait=self.lease * 4)

    def test_settled_does_not_come_back_after_its_lease(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(3))
        receiver = rig.receiver(queue, lease=self.lease * 3)
        first, second, third = rig.take(receiver, 3)
        assert receiver.settle([done(first), bury(second), done(third)]) == []
        rig.nothing(receiver, wait=self.lease * 4)
        assert rig.size(queue).dead == 1

    def test_renewed_claim_is_kept(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"kept", b"left")
        first = rig.receiver(queue, lease=self.lease * 3)
        kept, _left = rig.take(first, 2)
        assert first.extend([kept.tag], LONG_LEASE) == []
        if rig.capabilities.lease == "connection":
            return
        second = rig.receiver(queue, transport=rig.open())
        assert rig.take_one(second).message.body == b"left"
        rig.nothing(second, wait=self.lease)
        assert first.settle([done(kept)]) == []

    def test_renewal_can_be_repeated(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        first = rig.receiver(queue, lease=self.lease * 3)
        held = rig.take_one(first)
        second = rig.receiver(queue, transport=rig.open())
        for _ in range(4):
            assert first.extend([held.tag], self.lease * 3) == []
            rig.nothing(second, wait=self.lease)
        assert first.extend([held.tag], self.lease) == []
        assert first.settle([done(held)]) == []

    def test_renewal_ends_too(self, rig: Rig) -> None:
        self.needs_timed(rig)
        queue = rig.queue()
        rig.send(queue, b"one")
        first = rig.receiver(queue)
        held = rig.take_one(first)
        renewed = self.now()
        assert first.extend([held.tag], self.lease) == []
        (again,) = rig.take(rig.receiver(queue, transport=rig.open()), 1, poll=0.01)
        assert self.now() >= renewed + self.lease
        assert again.attempt == 2

    def test_renewal_of_settled_claims_is_refused(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(4))
        receiver = rig.receiver(queue)
        first, second, third, held = rig.take(receiver, 4)
        later = give_back(second, not_before=self.now() + 30)
        assert receiver.settle([done(first), later, bury(third)]) == []
        lost = receiver.extend(tags([first, second, third, held]), LONG_LEASE)
        assert set(lost) == {first.tag, second.tag, third.tag}

    @pytest.mark.parametrize("verdict", Verdict)
    def test_late_settlement_is_refused(self, rig: Rig, verdict: Verdict) -> None:
        first, old, second, new = self.lapsed(rig)
        make = {Verdict.DONE: done, Verdict.RETURN: give_back, Verdict.DEAD: bury}
        assert first.settle([make[verdict](old)]) == [old.tag]
        rig.nothing(second)
        assert rig.size(new.queue).dead == 0
        assert second.settle([done(new)]) == [], "the late settlement ended the new owner's claim"

    def test_late_renewal_is_refused(self, rig: Rig) -> None:
        first, old, second, new = self.lapsed(rig)
        assert first.extend([old.tag], LONG_LEASE) == [old.tag]
        assert second.extend([new.tag], LONG_LEASE) == []
        assert second.settle([done(new)]) == []

    def test_late_settlement_spoils_no_batch(self, rig: Rig) -> None:
        first, old, second, new = self.lapsed(rig, leases=3)
        rig.send(new.queue, b"fresh")
        fresh = rig.take_one(first)
        assert first.settle([done(old), done(fresh)]) == [old.tag]
        assert second.settle([done(new)]) == []
        assert rig.drain(new.queue) == []

    def test_fenced_after_the_second_owner_is_done(self, rig: Rig) -> None:
        first, old, second, new = self.lapsed(rig)
        assert second.settle([done(new)]) == []
        assert first.settle([give_back(old)]) == [old.tag]
        assert first.extend([old.tag], LONG_LEASE) == [old.tag]
        assert rig.drain(new.queue) == []

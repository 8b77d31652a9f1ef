"""Theme: the end of a claim: done, returned, dead, refused."""

from __future__ import annotations

import pytest

from cicely_transports.spi import Verdict
from cicely_transports.testing.rig import Rig, bodies, bury, done, give_back

from .base import Theme
from .batches import numbered


class SettlingTheme(Theme):
    """A claim ends once; what it ends in is what the verdict says."""

    def test_done_is_gone(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.settle([done(rig.take_one(receiver))]) == []
        rig.nothing(receiver)
        assert rig.size(queue).ready == 0

    def test_unsettled_is_not_delivered_again(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        held = rig.take_one(receiver)
        rig.nothing(receiver)
        rig.nothing(rig.receiver(queue, transport=rig.open()))
        assert receiver.settle([done(held)]) == []

    @pytest.mark.parametrize("first", Verdict)
    @pytest.mark.parametrize("second", Verdict)
    def test_second_settlement_is_refused(self, rig: Rig, first: Verdict, second: Verdict) -> None:
        make = {Verdict.DONE: done, Verdict.RETURN: give_back, Verdict.DEAD: bury}
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        held = rig.take_one(receiver)
        assert receiver.settle([make[first](held)]) == []
        assert receiver.settle([make[second](held)]) == [held.tag]
        returned, dead = first is Verdict.RETURN, first is Verdict.DEAD
        assert rig.drain(queue) == ([b"one"] if returned else [])
        assert len(rig.transport.dead_letters(queue)) == dead

    def test_same_tag_twice_in_one_batch(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        held = rig.take_one(receiver)
        assert receiver.settle([give_back(held), give_back(held)]) == [held.tag]
        assert rig.drain(queue) == [b"one"]

    def test_unknown_tag_is_refused_and_others_are_not(self, rig: Rig) -> None:
        queue, other = rig.queue(), rig.queue()
        rig.send(queue, b"a", b"b")
        rig.send(other, b"gone")
        receiver = rig.receiver(queue, other)
        taken = rig.take(receiver, 3)
        gone = next(delivery for delivery in taken if delivery.queue == other)
        mine = [delivery for delivery in taken if delivery.queue == queue]
        assert receiver.settle([done(gone)]) == []
        assert receiver.settle([done(mine[0]), done(gone), done(mine[1])]) == [gone.tag]
        assert rig.drain(queue, other) == []

    def test_settlement_outlives_the_settler(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(3))
        other = rig.open()
        receiver = rig.receiver(queue, transport=other)
        first, second, third = rig.take(receiver, 3)
        assert receiver.settle([done(first), give_back(second), bury(third)]) == []
        other.close()
        assert rig.drain(queue) == [b"1"]
        assert [letter.message.body for letter in rig.transport.dead_letters(queue)] == [b"2"]

    def test_returned_is_next_in_line(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(5))
        receiver = rig.receiver(queue)
        first, second = rig.take(receiver, 2)
        assert receiver.settle([give_back(first)]) == []
        assert rig.take_one(receiver).message.body == first.message.body
        assert receiver.settle([give_back(second)]) == []
        assert bodies(rig.take(receiver, 4, limit=1)) == [b"1", b"2", b"3", b"4"]

    def test_batch_returned_keeps_its_order(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(6))
        receiver = rig.receiver(queue)
        assert receiver.settle([give_back(delivery) for delivery in rig.take(receiver, 3)]) == []
        assert bodies(rig.take(receiver, 6)) == numbered(6)

    def test_returned_is_the_same_message_with_a_new_tag(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one", priority=2)
        receiver = rig.receiver(queue)
        held = rig.take_one(receiver)
        assert receiver.settle([give_back(held)]) == []
        again = rig.take_one(rig.receiver(queue, transport=rig.open()))
        assert again.message == held.message
        assert again.tag != held.tag

    def test_returned_until_later(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"later", b"next")
        receiver = rig.receiver(queue)
        later = rig.take_one(receiver)
        due = self.now() + 0.4
        assert receiver.settle([give_back(later, not_before=due)]) == []
        assert rig.take_one(receiver).message.body == b"next"
        (again,) = rig.take(receiver, 1, poll=0.01)
        came = self.now()
        assert (again.message.body, again.attempt) == (b"later", 2)
        assert due <= came <= due + self.late

    def test_returned_until_a_past_time_is_available_now(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.settle([give_back(rig.take_one(receiver), not_before=self.now() - 60)]) == []
        assert rig.take_one(receiver).message.body == b"one"

    def test_dead_is_not_delivered(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.settle([bury(rig.take_one(receiver))]) == []
        rig.nothing(receiver)
        assert rig.size(queue).dead == 1

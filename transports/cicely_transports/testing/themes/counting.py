"""Theme: the delivery count, which ends the loops of poisonous messages, and the bound on suspects."""

from __future__ import annotations

from cicely_transports.testing.rig import Rig, bodies, done, give_back

from .base import Theme
from .batches import numbered


class CountingTheme(Theme):
    """Every claim counts unless it was given back uncounted."""

    def test_returns_are_counted(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        for attempt in range(1, 7):
            receiver = rig.receiver(queue, transport=rig.open() if attempt % 2 else None)
            held = rig.take_one(receiver)
            assert held.attempt == attempt
            assert receiver.settle([give_back(held)]) == []

    def test_lapses_are_counted(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"poison")
        for attempt in range(1, 4):
            receiver = rig.receiver(queue, lease=self.lease)
            assert rig.take_one(receiver).attempt == attempt
            if rig.capabilities.lease == "connection":
                receiver.close()

    def test_uncounted_return_is_taken_off(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        for _ in range(3):
            held = rig.take_one(receiver)
            assert held.attempt == 1
            assert receiver.settle([give_back(held, counted=False)]) == []
        held = rig.take_one(receiver)
        assert receiver.settle([give_back(held)]) == []
        held = rig.take_one(receiver)
        assert held.attempt == 2
        assert receiver.settle([give_back(held, counted=False)]) == []
        assert rig.take_one(receiver).attempt == 2

    def test_delayed_returns_are_counted(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"counted", b"uncounted")
        receiver = rig.receiver(queue)
        first, second = rig.take(receiver, 2)
        soon = self.now() + 0.1
        items = [give_back(first, not_before=soon), give_back(second, not_before=soon, counted=False)]
        assert receiver.settle(items) == []
        again = {delivery.message.body: delivery.attempt for delivery in rig.take(receiver, 2)}
        assert again == {b"counted": 2, b"uncounted": 1}

    def test_messages_are_counted_apart(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(4))
        receiver = rig.receiver(queue)
        taken = rig.take(receiver, 2)
        assert receiver.settle([give_back(delivery) for delivery in taken]) == []
        again = rig.take(receiver, 4)
        assert [delivery.attempt for delivery in again] == [2, 2, 1, 1]

    def suspicious(self, rig: Rig) -> str:
        """A queue of three messages delivered before, in front of three fresh ones."""
        queue = rig.queue()
        rig.send(queue, b"s0", b"s1", b"s2")
        receiver = rig.receiver(queue)
        assert receiver.settle([give_back(delivery) for delivery in rig.take(receiver, 3)]) == []
        rig.send(queue, b"f0", b"f1", b"f2")
        return queue

    def test_suspects_are_bounded(self, rig: Rig) -> None:
        queue = self.suspicious(rig)
        receiver = rig.receiver(queue)
        got = receiver.receive(10, self.patience, suspects=1)
        if not rig.capabilities.bounds_suspects:
            assert got
            return
        assert len([delivery for delivery in got if delivery.attempt > 1]) <= 1
        assert bodies(got) == [b"s0", b"f0", b"f1", b"f2"], "suspects must not hide fresh messages"
        assert bodies(receiver.receive(10, self.patience, suspects=1)) == [b"s1"]
        assert receiver.receive(10, self.quiet, suspects=0) == []
        assert bodies(receiver.receive(10, self.patience, suspects=None)) == [b"s2"]

    def test_no_suspects_at_all(self, rig: Rig) -> None:
        queue = self.suspicious(rig)
        got = rig.receiver(queue).receive(10, self.patience, suspects=0)
        if rig.capabilities.bounds_suspects:
            assert bodies(got) == [b"f0", b"f1", b"f2"]
        else:
            assert got

    def test_any_number_of_suspects(self, rig: Rig) -> None:
        queue = self.suspicious(rig)
        taken = rig.take(rig.receiver(queue), 6)
        assert [delivery.attempt for delivery in taken] == [2, 2, 2, 1, 1, 1]

    def test_bound_counts_over_all_queues(self, rig: Rig) -> None:
        queues = [self.suspicious(rig), self.suspicious(rig)]
        receiver = rig.receiver(*queues)
        got = receiver.receive(20, self.patience, suspects=1)
        if rig.capabilities.bounds_suspects:
            assert len([delivery for delivery in got if delivery.attempt > 1]) == 1
        assert receiver.settle([done(delivery) for delivery in got]) == []

    def test_uncounted_return_is_no_suspect(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.settle([give_back(rig.take_one(receiver), counted=False)]) == []
        assert bodies(receiver.receive(1, self.patience, suspects=0)) == [b"one"]

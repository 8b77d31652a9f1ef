"""Theme: first in first out, and priorities."""

from __future__ import annotations

import random

from cicely_transports.message import Message, Properties
from cicely_transports.spi import Send
from cicely_transports.testing.rig import Rig, bodies, give_back

from .base import Theme
from .batches import numbered


class OrderingTheme(Theme):
    """Age decides among equals, priority before age."""

    def mixed(self, rig: Rig) -> tuple[str, list[tuple[int, bytes]]]:
        """A queue with three messages of each priority, published shuffled, and what was published."""
        queue = rig.queue()
        wanted = [priority for priority in range(10) for _ in range(3)]
        random.Random(7).shuffle(wanted)
        published = [(priority, b"%d" % number) for number, priority in enumerate(wanted)]
        rig.publish(
            [
                Send(Message(body, properties=Properties(priority=priority)), queue)
                for priority, body in published
            ]
        )
        return queue, published

    def expected(self, rig: Rig, published: list[tuple[int, bytes]]) -> list[bytes]:
        if rig.capabilities.priorities:
            published = sorted(published, key=lambda item: -item[0])
        return [body for _, body in published]

    def test_one_batch_is_fifo(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(50))
        assert bodies(rig.take(rig.receiver(queue), 50, limit=7)) == numbered(50)

    def test_batches_are_fifo(self, rig: Rig) -> None:
        queue = rig.queue()
        other = rig.open()
        for index, body in enumerate(numbered(20)):
            rig.send(queue, body, transport=other if index % 2 else None)
        assert bodies(rig.take(rig.receiver(queue), 20)) == numbered(20)

    def test_priorities_in_one_receive(self, rig: Rig) -> None:
        queue, published = self.mixed(rig)
        taken = rig.take(rig.receiver(queue), 30)
        assert bodies(taken) == self.expected(rig, published)
        assert all((d.message.properties.priority, d.message.body) in published for d in taken)

    def test_priorities_one_by_one(self, rig: Rig) -> None:
        queue, published = self.mixed(rig)
        assert bodies(rig.take(rig.receiver(queue), 30, limit=1)) == self.expected(rig, published)

    def test_urgent_latecomer_overtakes(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"a", b"b", priority=4)
        receiver = rig.receiver(queue)
        rig.take_one(receiver)
        rig.send(queue, b"urgent", priority=5)
        order = [b"urgent", b"b"] if rig.capabilities.priorities else [b"b", b"urgent"]
        assert bodies(rig.take(receiver, 2, limit=1)) == order

    def test_returned_message_keeps_its_priority(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"low", priority=0)
        receiver = rig.receiver(queue)
        low = rig.take_one(receiver)
        rig.send(queue, b"high", priority=9)
        assert receiver.settle([give_back(low)]) == []
        order = [b"high", b"low"] if rig.capabilities.priorities else [b"low", b"high"]
        assert bodies(rig.take(receiver, 2, limit=1)) == order

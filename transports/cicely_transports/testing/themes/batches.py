"""Theme: batch edges: none, one, many, more than the broker takes at once."""

from __future__ import annotations

from cicely_transports.message import Message
from cicely_transports.spi import Send
from cicely_transports.testing.rig import LONG_LEASE, Rig, bodies, bury, done, give_back, tags

from .base import Theme


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


class BatchTheme(Theme):
    """Every verb takes none, one and many."""

    def many(self, rig: Rig) -> int:
        limit = rig.capabilities.max_batch
        return 501 if limit is None else limit + 1

    def test_nothing_is_fine(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.publish([])
        receiver = rig.receiver(queue)
        assert receiver.settle([]) == []
        assert receiver.extend([], LONG_LEASE) == []
        rig.transport.unbind([])
        rig.transport.delete()
        assert rig.transport.sizes([]) == {}
        assert queue in rig.transport.queues()

    def test_receive_of_none_claims_none(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.receive(0, 0.0) == []
        assert bodies(receiver.receive(1, self.patience)) == [b"one"]

    def test_more_than_one_batch_goes_in_and_comes_out(self, rig: Rig) -> None:
        queue = rig.queue()
        expected = numbered(self.many(rig))
        rig.send(queue, *expected)
        receiver = rig.receiver(queue)
        taken = rig.take(receiver, len(expected))
        assert bodies(taken) == expected
        assert len(set(tags(taken))) == len(expected)
        assert receiver.extend(tags(taken), LONG_LEASE) == []
        assert receiver.settle([done(delivery) for delivery in taken]) == []
        rig.nothing(receiver)

    def test_limit_is_kept(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(10))
        receiver = rig.receiver(queue)
        first = receiver.receive(3, self.patience)
        assert 1 <= len(first) <= 3
        assert bodies(first + rig.take(receiver, 10 - len(first), limit=3)) == numbered(10)

    def test_receive_gives_what_there_is_without_waiting_for_more(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(2))
        receiver = rig.receiver(queue)
        got = receiver.receive(100, self.patience)
        if len(got) == 1:
            got += receiver.receive(100, self.patience)
        assert bodies(got) == numbered(2)

    def test_one_batch_to_several_queues(self, rig: Rig) -> None:
        queues = [rig.queue() for _ in range(4)]
        rig.publish([Send(Message(body), queues[int(body) % 4]) for body in numbered(20)])
        for index, queue in enumerate(queues):
            assert rig.drain(queue) == numbered(20)[index::4]

    def test_same_send_twice_is_two_messages(self, rig: Rig) -> None:
        queue = rig.queue()
        send = Send(Message(b"twin"), queue)
        rig.publish([send, send])
        assert rig.drain(queue) == [b"twin", b"twin"]

    def test_one_batch_of_several_verdicts(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"done", b"returned", b"dead")
        receiver = rig.receiver(queue)
        first, second, third = rig.take(receiver, 3)
        assert receiver.settle([done(first), give_back(second), bury(third)]) == []
        again = rig.take_one(receiver)
        assert again.message.body == b"returned"
        assert receiver.settle([done(again)]) == []
        rig.nothing(receiver)
        assert [letter.message.body for letter in rig.transport.dead_letters(queue)] == [b"dead"]

    def test_queues_are_served_in_rotation(self, rig: Rig) -> None:
        queues = [rig.queue() for _ in range(3)]
        for queue in queues:
            rig.send(queue, *numbered(30))
        taken = rig.take(rig.receiver(*queues), 30, limit=5)
        assert {delivery.queue for delivery in taken} == set(queues), "a full queue starves the others"

    def test_queues_are_added_and_cancelled(self, rig: Rig) -> None:
        first, second = rig.queue(), rig.queue()
        rig.send(first, b"first")
        rig.send(second, b"second", b"third")
        receiver = rig.receiver(first)
        held = rig.take_one(receiver)
        assert held.message.body == b"first"
        rig.nothing(receiver)
        receiver.add_queue(second)
        assert rig.take_one(receiver).message.body == b"second"
        receiver.cancel_queue(first)
        receiver.cancel_queue(second)
        rig.nothing(receiver)
        assert receiver.settle([done(held)]) == [], "a cancelled queue's deliveries stay claimed"

"""Theme: dead letters: kept with their reason, listed, requeued, purged."""

from __future__ import annotations

from cicely_transports.message import Message, Properties
from cicely_transports.spi import DeadLetter, Send
from cicely_transports.testing.rig import Rig, bodies, bury, done, give_back

from .base import Theme
from .batches import numbered

REASON = "Ünwanted: 'it' \"broke\"\n../badly & often -- 100%"


class BurialTheme(Theme):
    """A message that was given up is kept until somebody decides."""

    def buried(self, rig: Rig, count: int) -> tuple[str, list[DeadLetter]]:
        """A queue with dead letters ``0`` to ``count - 1``, buried in that order."""
        queue = rig.queue()
        rig.send(queue, *numbered(count))
        receiver = rig.receiver(queue)
        for delivery in rig.take(receiver, count):
            reason = f"reason {delivery.message.body.decode()}"
            assert receiver.settle([bury(delivery, reason)]) == []
        receiver.close()
        return queue, rig.transport.dead_letters(queue)

    def left(self, rig: Rig, queue: str) -> list[bytes]:
        return [letter.message.body for letter in rig.transport.dead_letters(queue)]

    def test_letter_keeps_everything(self, rig: Rig) -> None:
        queue = rig.queue()
        properties = Properties("application/json", "utf-8", correlation_id="c", priority=4)
        message = Message(bytes(range(256)), {"nested": {"ü": [1, None]}}, properties)
        rig.publish([Send(message, queue)])
        receiver = rig.receiver(queue)
        assert receiver.settle([give_back(rig.take_one(receiver))]) == []
        before = self.now()
        assert receiver.settle([bury(rig.take_one(receiver), REASON)]) == []
        (letter,) = rig.open().dead_letters(queue)
        assert letter.message == message
        assert (letter.queue, letter.attempt) == (queue, 2)
        assert letter.reason == REASON
        assert before - 1 <= letter.died_at <= self.now() + 1
        assert letter.id
        assert isinstance(letter.id, str)

    def test_reason_is_optional(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.settle([bury(rig.take_one(receiver), None)]) == []
        (letter,) = rig.transport.dead_letters(queue)
        assert isinstance(letter.reason, str)

    def test_oldest_first_up_to_the_limit(self, rig: Rig) -> None:
        queue, letters = self.buried(rig, 5)
        assert [letter.message.body for letter in letters] == numbered(5)
        assert [letter.reason for letter in letters] == [f"reason {number}" for number in range(5)]
        assert len({letter.id for letter in letters}) == 5
        assert rig.transport.dead_letters(queue, limit=2) == letters[:2]
        assert rig.transport.dead_letters(queue, limit=50) == letters

    def test_listed_by_id(self, rig: Rig) -> None:
        queue, letters = self.buried(rig, 4)
        wanted = [letters[3].id, "no such id", letters[1].id]
        found = rig.transport.dead_letters(queue, ids=wanted)
        assert sorted(letter.id for letter in found) == sorted([letters[1].id, letters[3].id])
        assert rig.transport.dead_letters(queue, ids=[]) == []

    def test_queues_have_their_own(self, rig: Rig) -> None:
        queue, letters = self.buried(rig, 1)
        other = rig.queue()
        assert rig.transport.dead_letters(other) == []
        assert rig.transport.dead_letters(rig.name("unknown")) == []
        assert rig.transport.requeue_dead(other) == 0
        assert rig.transport.purge_dead(other) == 0
        assert rig.transport.dead_letters(queue) == letters

    def test_requeued_starts_from_zero(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.settle([give_back(rig.take_one(receiver))]) == []
        assert receiver.settle([bury(rig.take_one(receiver))]) == []
        assert rig.transport.requeue_dead(queue) == 1
        (again,) = receiver.receive(1, self.patience, suspects=0)
        assert (again.message.body, again.attempt) == (b"one", 1)
        assert self.left(rig, queue) == []
        assert receiver.settle([done(again)]) == []

    def test_requeued_after_its_expiry_is_delivered(self, rig: Rig) -> None:
        queue = rig.queue()
        due = self.now() + 0.5
        rig.send(queue, b"one", expires_at=due)
        receiver = rig.receiver(queue)
        assert receiver.settle([bury(rig.take_one(receiver))]) == []
        rig.eventually(lambda: self.now() > due, "time passes")
        assert self.left(rig, queue) == [b"one"], "dead letters do not expire"
        assert rig.transport.requeue_dead(queue) == 1
        assert rig.drain(queue) == [b"one"]

    def test_all_are_requeued_in_order(self, rig: Rig) -> None:
        queue, _ = self.buried(rig, 4)
        assert rig.transport.requeue_dead(queue) == 4
        assert rig.transport.requeue_dead(queue) == 0
        assert bodies(rig.take(rig.receiver(queue), 4)) == numbered(4)

    def test_requeued_wakes_a_waiting_receiver(self, rig: Rig) -> None:
        queue, letters = self.buried(rig, 2)
        receiver = rig.receiver(queue)
        rig.nothing(receiver)
        assert rig.open().requeue_dead(queue, [letters[1].id]) == 1
        assert rig.take_one(receiver).message.body == b"1"

    def test_requeued_by_id(self, rig: Rig) -> None:
        queue, letters = self.buried(rig, 3)
        assert rig.transport.requeue_dead(queue, [letters[1].id, "no such id"]) == 1
        assert rig.transport.requeue_dead(queue, []) == 0
        assert rig.drain(queue) == [b"1"]
        assert self.left(rig, queue) == [b"0", b"2"]

    def test_requeued_can_die_again(self, rig: Rig) -> None:
        queue, _ = self.buried(rig, 1)
        assert rig.transport.requeue_dead(queue) == 1
        receiver = rig.receiver(queue)
        assert receiver.settle([bury(rig.take_one(receiver), "again")]) == []
        (letter,) = rig.transport.dead_letters(queue)
        assert (letter.reason, letter.attempt) == ("again", 1)

    def test_purged_by_id_and_wholly(self, rig: Rig) -> None:
        queue, letters = self.buried(rig, 3)
        assert rig.transport.purge_dead(queue, [letters[0].id, "no such id"]) == 1
        assert rig.transport.purge_dead(queue, []) == 0
        assert self.left(rig, queue) == [b"1", b"2"]
        assert rig.transport.purge_dead(queue) == 2
        assert self.left(rig, queue) == []
        assert rig.drain(queue) == []

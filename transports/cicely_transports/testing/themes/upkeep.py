"""Theme: sizes, purging, deleting, and queues that go by themselves."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from cicely_transports.errors import NotSupported, Unroutable
from cicely_transports.message import Message
from cicely_transports.spi import QueueSize, Send
from cicely_transports.testing.rig import LONG_LEASE, Rig, bodies, bury, done, give_back
from cicely_transports.topology import QueueSpec, Topology

from .base import Theme
from .batches import numbered

QUEUE_OPTIONS: dict[str, Any] = {
    "expires": 60.0,
    "message_ttl": 60.0,
    "max_length": 100,
    "max_length_bytes": 1_000_000,
    "max_priority": 9,
    "exclusive": True,
    "auto_delete": True,
}


class UpkeepTheme(Theme):
    """What an operator does to queues."""

    def test_sizes_follow_a_message(self, rig: Rig) -> None:
        queue = rig.queue()
        other = rig.open()
        assert rig.size(queue) == QueueSize()
        rig.send(queue, *numbered(5))
        assert rig.size(queue, transport=other) == QueueSize(ready=5)
        receiver = rig.receiver(queue)
        first, second, third = rig.take(receiver, 3)
        assert rig.size(queue, transport=other) == QueueSize(ready=2, leased=3)
        assert receiver.settle([done(first), bury(second), give_back(third)]) == []
        assert rig.size(queue, transport=other) == QueueSize(ready=3, dead=1)
        rig.transport.requeue_dead(queue)
        assert rig.size(queue, transport=other) == QueueSize(ready=4)

    def test_sizes_tell_delayed_from_leased(self, rig: Rig) -> None:
        if rig.capabilities.max_delay is not None and rig.capabilities.max_delay < 60:
            pytest.skip(f"max_delay={rig.capabilities.max_delay:g}: too short to be counted safely")
        queue = rig.queue()
        rig.send(queue, b"a", b"b", not_before=self.now() + 50)
        rig.send(queue, b"c", b"d", b"e")
        receiver = rig.receiver(queue)
        first, _second = rig.take(receiver, 2)
        assert rig.size(queue) == QueueSize(ready=1, leased=2, delayed=2)
        assert receiver.settle([give_back(first, not_before=self.now() + 50)]) == []
        assert rig.size(queue) == QueueSize(ready=1, leased=1, delayed=3)

    def test_renewed_claim_counts_as_leased(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.extend([rig.take_one(receiver).tag], LONG_LEASE) == []
        assert rig.size(queue) == QueueSize(leased=1)

    def test_sizes_of_several_and_of_unknown_queues(self, rig: Rig) -> None:
        first, second, unknown = rig.queue(), rig.queue(), rig.name("unknown")
        rig.send(second, b"one")
        sizes = rig.transport.sizes([first, second, unknown])
        assert sizes == {first: QueueSize(), second: QueueSize(ready=1), unknown: QueueSize()}
        assert unknown not in rig.transport.queues()

    def test_queues_are_listed_sorted(self, rig: Rig) -> None:
        names = [rig.queue() for _ in range(3)]
        listed = rig.open().queues()
        assert listed == sorted(set(listed))
        assert set(names) <= set(listed)

    def test_purge_keeps_what_is_claimed_or_dead(self, rig: Rig) -> None:
        queue, other = rig.queue(), rig.queue()
        rig.send(queue, *numbered(5))
        rig.send(other, b"elsewhere")
        receiver = rig.receiver(queue)
        claimed, returned, dead = rig.take(receiver, 3)
        assert receiver.settle([bury(dead)]) == []
        assert rig.transport.purge(queue) == 2
        assert rig.size(queue) == QueueSize(leased=2, dead=1)
        assert receiver.settle([done(claimed), give_back(returned)]) == []
        assert rig.drain(queue) == [b"1"]
        assert rig.drain(other) == [b"elsewhere"]

    def test_purge_takes_delayed_ones(self, rig: Rig) -> None:
        queue = rig.queue()
        if rig.capabilities.max_delay is not None and rig.capabilities.max_delay < 60:
            pytest.skip(f"max_delay={rig.capabilities.max_delay:g}: too short to be purged safely")
        rig.send(queue, b"ready")
        rig.send(queue, b"delayed", not_before=self.now() + 50)
        assert rig.transport.purge(queue) == 2
        assert rig.size(queue) == QueueSize()

    def test_purge_of_returned_and_empty_and_unknown(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        assert receiver.settle([give_back(rig.take_one(receiver))]) == []
        assert rig.transport.purge(queue) == 1, "a returned message is no longer claimed"
        assert rig.transport.purge(queue) == 0
        assert rig.transport.purge(rig.name("unknown")) == 0

    def test_deleted_queue_leaves_nothing(self, rig: Rig) -> None:
        queue, exchange = rig.queue(), rig.exchange("direct")
        rig.bind(exchange, queue, "key")
        rig.send(queue, *numbered(3))
        receiver = rig.receiver(queue)
        assert receiver.settle([bury(rig.take_one(receiver))]) == []
        held = rig.take_one(receiver)
        rig.transport.delete(queues=[queue])
        rig.transport.delete(queues=[queue])
        assert queue not in rig.transport.queues()
        assert rig.size(queue) == QueueSize()
        assert rig.transport.dead_letters(queue) == []
        if rig.capabilities.lease == "timed":
            assert receiver.settle([give_back(held)]) == [held.tag]
        with pytest.raises(Unroutable):
            rig.publish([Send(Message(b"lost"), "key", exchange)])
        rig.queue(name=queue)
        assert rig.drain(queue) == []

    @pytest.mark.parametrize("option", QUEUE_OPTIONS)
    def test_queue_option_is_honoured_or_refused(self, rig: Rig, option: str) -> None:
        name = rig.name("queue")
        rig.own(queues=[name])
        spec = QueueSpec(name, **{option: QUEUE_OPTIONS[option]})
        if option in rig.capabilities.queue_options:
            rig.transport.declare(Topology(queues=[spec]))
            rig.send(name, b"one")
            assert rig.drain(name) == [b"one"]
            return
        with pytest.raises(NotSupported, match=option):
            rig.transport.declare(Topology(queues=[spec]))
        assert name not in rig.transport.queues()

    def test_unused_queue_expires_with_its_bindings(self, rig: Rig) -> None:
        self.needs_option(rig, "expires")
        exchange, queue = rig.exchange("direct"), rig.queue(expires=0.3)
        rig.bind(exchange, queue)
        assert queue in rig.transport.queues()
        other = rig.open()
        rig.eventually(lambda: queue not in other.queues(), "the unused queue expires")
        with pytest.raises(Unroutable):
            rig.publish([Send(Message(b"lost"), "", exchange)])

    def test_consumed_queue_does_not_expire(self, rig: Rig) -> None:
        self.needs_option(rig, "expires")
        exchange, queue = rig.exchange("direct"), rig.queue(expires=1.0)
        rig.bind(exchange, queue)
        receiver = rig.receiver(queue)
        rig.nothing(receiver, wait=1.5)
        rig.publish([Send(Message(b"one"), "", exchange)])
        assert bodies([rig.take_one(receiver)]) == [b"one"]

    def test_queue_drops_old_messages(self, rig: Rig) -> None:
        self.needs_option(rig, "message_ttl")
        queue, exchange = rig.queue(message_ttl=0.2), rig.exchange("direct")
        rig.bind(exchange, queue, "key")
        rig.send(queue, b"old")
        rig.publish([Send(Message(b"old"), "key", exchange)])
        threading.Event().wait(0.25)
        assert rig.drain(queue) == []
        rig.send(queue, b"new")
        assert rig.drain(queue) == [b"new"]

    def needs_option(self, rig: Rig, option: str) -> None:
        if option not in rig.capabilities.queue_options:
            pytest.skip(f"queue_options lacks {option!r}; its refusal is tested elsewhere")

"""Theme: which queues a message reaches, and how the topology changes."""

from __future__ import annotations

from typing import Any

import pytest

from cicely_transports.errors import NotSupported, TopologyConflict, Unroutable
from cicely_transports.message import Message
from cicely_transports.spi import Send
from cicely_transports.testing.rig import Rig
from cicely_transports.topology import ExchangeSpec, QueueSpec, Topology

from .base import Theme
from .routing_cases import CASES, RoutingCase


def refuses_type(rig: Rig, kind: str) -> bool:
    """Is the exchange type outside the capabilities? If so, check that it is refused."""
    if kind in rig.capabilities.exchange_types:
        return False
    with pytest.raises(NotSupported):
        rig.exchange(kind)  # type: ignore[arg-type]  # one of the four, as text
    return True


class RoutingTheme(Theme):
    """Exchanges, bindings and what becomes of messages that nobody is bound for."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
    def test_routes(self, rig: Rig, case: RoutingCase) -> None:
        if refuses_type(rig, case.exchange):
            return
        exchange = rig.exchange(case.exchange)
        queues = {letter: rig.queue() for letter in sorted({bind.queue for bind in case.bound})}
        for bind in case.bound:
            rig.bind(exchange, queues[bind.queue], bind.key, **bind.arguments)
        rig.publish([Send(Message(b"body", case.headers), case.key, exchange)])
        receiver = rig.receiver(*queues.values())
        reached = [delivery.queue for delivery in rig.take(receiver, len(case.reached))]
        rig.nothing(receiver)
        assert sorted(reached) == sorted(queues[letter] for letter in case.reached)

    def test_default_exchange_knows_every_queue(self, rig: Rig) -> None:
        first, second = rig.queue(), rig.queue()
        rig.send(first, b"1")
        rig.send(second, b"2")
        assert (rig.drain(first), rig.drain(second)) == ([b"1"], [b"2"])

    def test_undeclared_queue(self, rig: Rig) -> None:
        queue = rig.name("undeclared")
        rig.own(queues=[queue])
        if rig.capabilities.implicit_queues:
            rig.send(queue, b"made by publishing")
            assert queue in rig.transport.queues()
            assert rig.drain(queue) == [b"made by publishing"]
        else:
            with pytest.raises(Unroutable):
                rig.send(queue, b"lost")
            assert queue not in rig.transport.queues()

    def test_mandatory_without_a_queue_is_unroutable(self, rig: Rig) -> None:
        exchange, queue = rig.exchange("direct"), rig.queue()
        rig.bind(exchange, queue, "key")
        with pytest.raises(Unroutable):
            rig.publish([Send(Message(b"lost"), "other key", exchange)])
        assert rig.drain(queue) == []

    def test_optional_without_a_queue_is_dropped(self, rig: Rig) -> None:
        exchange, queue = rig.exchange("direct"), rig.queue()
        rig.bind(exchange, queue, "key")
        dropped = Send(Message(b"dropped"), "other key", exchange, mandatory=False)
        kept = Send(Message(b"kept"), "key", exchange, mandatory=False)
        rig.publish([dropped, kept])
        assert rig.drain(queue) == [b"kept"]

    def test_unknown_exchange_is_unroutable(self, rig: Rig) -> None:
        with pytest.raises(Unroutable):
            rig.publish([Send(Message(b"lost"), "key", rig.name("unknown"))])

    def test_unbound_queue_gets_no_more(self, rig: Rig) -> None:
        exchange, first, second = rig.exchange("direct"), rig.queue(), rig.queue()
        binding = rig.bind(exchange, first, "key")
        rig.bind(exchange, first, "other")
        rig.bind(exchange, second, "key")
        rig.transport.unbind([binding])
        rig.transport.unbind([binding])
        rig.publish([Send(Message(b"1"), "key", exchange), Send(Message(b"2"), "other", exchange)])
        assert rig.drain(first) == [b"2"]
        assert rig.drain(second) == [b"1"]

    def test_unbinding_reaches_senders_that_exist(self, rig: Rig) -> None:
        exchange, queue = rig.exchange("direct"), rig.queue()
        binding = rig.bind(exchange, queue, "key")
        sender = rig.transport.sender()
        sender.publish([Send(Message(b"1"), "key", exchange)])
        rig.transport.unbind([binding])
        with pytest.raises(Unroutable):
            sender.publish([Send(Message(b"2"), "key", exchange)])
        rig.bind(exchange, queue, "key")
        sender.publish([Send(Message(b"3"), "key", exchange)])
        sender.close()
        assert rig.drain(queue) == [b"1", b"3"]

    def test_topology_of_one_object_routes_for_another(self, rig: Rig) -> None:
        other = rig.open()
        early = other.sender()
        exchange, queue, late_queue = rig.exchange("direct"), rig.queue(), rig.queue()
        rig.bind(exchange, queue)
        if not rig.capabilities.shared_topology:
            rig.publish([Send(Message(b"mine"), "", exchange)])
            assert rig.drain(queue) == [b"mine"]
            return
        early.publish([Send(Message(b"1"), "", exchange)])
        rig.bind(exchange, late_queue)
        early.publish([Send(Message(b"2"), "", exchange)])
        early.close()
        assert rig.drain(queue) == [b"1", b"2"]
        assert rig.drain(late_queue) == [b"2"]

    def test_queue_with_other_options_conflicts(self, rig: Rig) -> None:
        options = sorted(rig.capabilities.queue_options & {"expires", "message_ttl", "max_priority"})
        if not options:
            pytest.skip("queue_options lists none that could differ")
        before: dict[str, Any] = {options[0]: 9}
        other: dict[str, Any] = {options[0]: 5}
        queue = rig.queue(**before)
        for transport in (rig.transport, rig.open()):
            with pytest.raises(TopologyConflict, match=queue):
                transport.declare(Topology(queues=[QueueSpec(queue, **other)]))
        rig.send(queue, b"as before")
        assert rig.drain(queue) == [b"as before"]

    def test_declaring_again_changes_nothing(self, rig: Rig) -> None:
        exchange, queue = rig.exchange("direct"), rig.queue()
        rig.bind(exchange, queue, "key")
        rig.publish([Send(Message(b"kept"), "key", exchange)])
        again = Topology([ExchangeSpec(exchange, "direct")], [QueueSpec(queue)])
        rig.transport.declare(again)
        rig.open().declare(again)
        rig.bind(exchange, queue, "key")
        rig.publish([Send(Message(b"once"), "key", exchange)])
        assert rig.drain(queue) == [b"kept", b"once"]

    def test_exchange_of_another_type_conflicts(self, rig: Rig) -> None:
        exchange = rig.exchange("direct")
        kinds = rig.capabilities.exchange_types - {"direct"}
        for kind in sorted(kinds) or ["direct"]:
            changed = Topology([ExchangeSpec(exchange, kind, durable=bool(kinds))])  # type: ignore[arg-type]
            for transport in (rig.transport, rig.open()):
                with pytest.raises(TopologyConflict, match=exchange):
                    transport.declare(changed)

    def test_deleted_exchange_routes_no_more(self, rig: Rig) -> None:
        exchange, queue = rig.exchange("direct"), rig.queue()
        rig.bind(exchange, queue, "key")
        rig.transport.delete(exchanges=[exchange])
        rig.transport.delete(exchanges=[exchange])
        with pytest.raises(Unroutable):
            rig.publish([Send(Message(b"lost"), "key", exchange)])
        rig.transport.declare(Topology([ExchangeSpec(exchange, "direct")]))
        with pytest.raises(Unroutable):
            rig.publish([Send(Message(b"the old binding is gone"), "key", exchange)])

    def test_exchange_without_bindings(self, rig: Rig) -> None:
        exchange = rig.exchange("direct")
        with pytest.raises(Unroutable):
            rig.publish([Send(Message(b"lost"), "", exchange)])
        rig.publish([Send(Message(b"dropped"), "", exchange, mandatory=False)])

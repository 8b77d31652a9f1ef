"""Declarations to a store: what is refused, what conflicts, what goes by itself."""

from __future__ import annotations

from typing import Any

import pytest
from stores import Clock, bodies, drain, publish, send

from cicely_transports.errors import MisuseError, NotSupported, TopologyConflict, Unroutable
from cicely_transports.memory import MemoryStore
from cicely_transports.store_transport import StoreTransport
from cicely_transports.topology import BindingSpec, ExchangeSpec, QueueSpec, Topology


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transport(clock: Clock) -> StoreTransport:
    return StoreTransport(MemoryStore(clock=clock), clock=clock)


def queue(**options: Any) -> Topology:
    return Topology(queues=[QueueSpec("q", **options)])


def test_conflict_of_a_queue_names_the_argument(transport: StoreTransport) -> None:
    transport.declare(queue(expires=60.0, message_ttl=5.0))
    transport.declare(queue(expires=60.0, message_ttl=5.0))
    with pytest.raises(
        TopologyConflict, match=r"queue 'q' exists with expires=60.0, not expires=30.0: "
    ) as caught:
        transport.declare(queue(expires=30.0, message_ttl=5.0))
    assert "message_ttl" not in str(caught.value)
    with pytest.raises(TopologyConflict, match="durable=True, not durable=False"):
        transport.declare(queue(expires=60.0, message_ttl=5.0, durable=False))


def test_conflict_of_an_exchange_names_the_argument(transport: StoreTransport) -> None:
    transport.declare(Topology([ExchangeSpec("x", "topic")]))
    with pytest.raises(TopologyConflict, match="exchange 'x' exists with type='topic', not type='fanout'"):
        transport.declare(Topology([ExchangeSpec("x", "fanout")]))


def test_conflict_changes_nothing(transport: StoreTransport) -> None:
    transport.declare(queue())
    conflicting = [QueueSpec("new"), QueueSpec("q", expires=1.0)]
    with pytest.raises(TopologyConflict):
        transport.declare(Topology([ExchangeSpec("x")], conflicting))
    assert transport.queues() == ["q"]
    with pytest.raises(Unroutable):
        publish(transport, send(exchange="x"))


def test_queue_that_publishing_made_can_be_declared(transport: StoreTransport) -> None:
    publish(transport, send(b"early"))
    transport.declare(queue(message_ttl=60.0))
    assert drain(transport, "q") == [b"early"]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ({"x-expires": 60_000}, {"expires": 60.0}),
        ({"x-message-ttl": 1500}, {"message_ttl": 1.5}),
        ({"x-max-priority": 5}, {"max_priority": 5}),
        ({"x-queue-type": "quorum"}, {}),
    ],
)
def test_arguments_of_rabbitmq(
    transport: StoreTransport, arguments: dict[str, Any], options: dict[str, Any]
) -> None:
    transport.declare(queue(arguments=arguments))
    transport.declare(queue(**options))


@pytest.mark.parametrize(
    ("topology", "text"),
    [
        (queue(exclusive=True), "queue 'q': this transport does not honour 'exclusive'"),
        (queue(arguments={"x-max-length": 3}), "does not honour 'max_length'"),
        (
            queue(arguments={"x-dead-letter-exchange": "d"}),
            "know the argument 'x-dead-letter-exchange'",
        ),
        (
            Topology([ExchangeSpec("x", arguments={"alternate-exchange": "y"})]),
            "'alternate-exchange'",
        ),
        (Topology([ExchangeSpec("x", "tpoic")]), "no type 'tpoic'; did you mean 'topic'"),  # type: ignore[arg-type]  # the mistake
    ],
)
def test_not_supported(transport: StoreTransport, topology: Topology, text: str) -> None:
    with pytest.raises(NotSupported, match=text):
        transport.declare(topology)
    assert transport.queues() == []


def test_binding_to_an_unknown_exchange(transport: StoreTransport) -> None:
    transport.declare(Topology([ExchangeSpec("orders")]))
    with pytest.raises(MisuseError, match="exchange 'order' does not exist; did you mean 'orders'"):
        transport.declare(Topology(bindings=[BindingSpec("order", "q", "key")]))


def test_default_exchange_is_there(transport: StoreTransport) -> None:
    transport.declare(Topology([ExchangeSpec("", "direct")], bindings=[BindingSpec("", "q", "q")]))
    with pytest.raises(MisuseError, match="by its own name only"):
        transport.declare(Topology(bindings=[BindingSpec("", "q", "other")]))
    with pytest.raises(TopologyConflict):
        transport.declare(Topology([ExchangeSpec("", "topic")]))


def test_declaring_again_does_not_disturb_publishers(transport: StoreTransport) -> None:
    topology = Topology([ExchangeSpec("x")], [QueueSpec("q")], [BindingSpec("x", "q", "k")])
    transport.declare(topology)
    version = transport.store.bindings().version
    table = transport.routing_table(0.0)
    transport.declare(topology)
    assert transport.store.bindings().version == version
    assert transport.routing_table(0.0) is table


def test_unused_queue_goes_with_everything(transport: StoreTransport, clock: Clock) -> None:
    transport.declare(
        Topology([ExchangeSpec("x", "fanout")], [QueueSpec("q", expires=60.0)], [BindingSpec("x", "q")])
    )
    publish(transport, send(b"unread", exchange="x"))
    clock.advance(59)
    assert transport.queues() == ["q"]
    clock.advance(1)
    with pytest.raises(Unroutable):
        publish(transport, send(exchange="x"))
    assert transport.queues() == []
    transport.declare(queue(expires=30.0))
    assert drain(transport, "q") == []


def test_binding_that_comes_later_lapses_with_its_queue(transport: StoreTransport, clock: Clock) -> None:
    transport.declare(Topology([ExchangeSpec("x")], [QueueSpec("q", expires=60.0)]))
    transport.declare(Topology(bindings=[BindingSpec("x", "q", "k")]))
    clock.advance(60)
    with pytest.raises(Unroutable):
        publish(transport, send(queue="k", exchange="x"))


def test_receiver_keeps_its_queues_alive(transport: StoreTransport, clock: Clock) -> None:
    transport.declare(
        Topology([ExchangeSpec("x")], [QueueSpec("q", expires=60.0)], [BindingSpec("x", "q", "k")])
    )
    receiver = transport.receiver(["q"], credit=10, lease=30)
    for _ in range(5):
        assert receiver.receive(1, 0) == []
        clock.advance(50)
    assert receiver.receive(1, 0) == []
    publish(transport, send(queue="k", exchange="x"))
    assert bodies(receiver.receive(1, 0)) == [b"body"]
    receiver.close()
    clock.advance(60)
    assert transport.queues() == []


def test_message_ttl_is_the_earlier_of_two(transport: StoreTransport, clock: Clock) -> None:
    transport.declare(queue(message_ttl=10.0))
    publish(transport, send(b"queue's"), send(b"own", expires_at=clock.now + 5))
    publish(transport, send(b"delayed", not_before=clock.now + 8))
    clock.advance(5)
    assert transport.sizes(["q"])["q"].ready == 1
    clock.advance(5)
    assert drain(transport, "q") == [b"delayed"]

"""What is special about the memory broker: who shares it, and that it forgets what it should."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from stores import Clock, bodies, done, drain, publish, send

from cicely_transports.errors import InvalidURL
from cicely_transports.memory import MemoryStore, MemoryTransport
from cicely_transports.message import Message
from cicely_transports.spi import Send, Settlement, Verdict
from cicely_transports.store_transport import StoreTransport
from cicely_transports.url import parse_url


def open_memory(url: str) -> MemoryTransport:
    return MemoryTransport.from_url(parse_url(url), {})


def test_transports_of_one_name_share_a_broker() -> None:
    first, second, other = [open_memory(f"memory://{name}") for name in ("shared", "shared", "")]
    publish(first, send(b"1"))
    assert drain(other, "q") == []
    assert drain(second, "q") == [b"1"]


def test_broker_lives_while_somebody_uses_it() -> None:
    first, second = open_memory("memory://lifetime"), open_memory("memory://lifetime")
    publish(first, send(b"kept"))
    first.close()
    del first
    gc.collect()
    assert drain(second, "q") == [b"kept"]


def test_broker_goes_with_its_last_user() -> None:
    transport = open_memory("memory://forgotten")
    publish(transport, send(b"x"))
    store = weakref.ref(transport.store)
    transport.close()
    del transport
    gc.collect()
    assert store() is None


@pytest.mark.parametrize("url", ["memory://user@name", "memory://name:80"])
def test_url_has_nothing_but_a_name(url: str) -> None:
    with pytest.raises(InvalidURL, match="memory://name"):
        open_memory(url)


def test_no_object_is_shared_with_the_publisher() -> None:
    transport = StoreTransport(MemoryStore())
    headers: dict[str, Any] = {"list": [1]}
    publish(transport, Send(Message(b"x", headers), "q"))
    headers["list"].append(2)
    (delivery,) = transport.receiver(["q"], credit=1, lease=9).receive(1, 0)
    assert delivery.message.headers == {"list": [1]}


def test_settled_messages_leave_nothing_behind() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    transport = StoreTransport(store, clock=clock)
    receiver = transport.receiver(["q"], credit=100, lease=3600)
    for _ in range(50):
        publish(transport, *[send() for _ in range(40)])
        deliveries = receiver.receive(40, 0)
        receiver.extend([delivery.tag for delivery in deliveries], 7200)
        assert receiver.settle([done(delivery) for delivery in deliveries]) == []
    queue = store._queues["q"]
    items = sum(map(len, [*queue._fresh, *queue._suspect, queue._leases]))
    assert items < 200, "heaps keep items of settled messages"
    assert not queue.entries
    assert not store._claims


def test_emptied_queue_that_nobody_declared_is_forgotten() -> None:
    transport = StoreTransport(MemoryStore())
    publish(transport, send(b"1"))
    assert transport.queues() == ["q"]
    drain(transport, "q")
    assert transport.queues() == []


def test_claim_outlives_its_lease_until_somebody_else_claims() -> None:
    clock = Clock()
    transport = StoreTransport(MemoryStore(clock=clock), clock=clock)
    publish(transport, send(b"1"), send(b"2"))
    receiver = transport.receiver(["q"], credit=10, lease=10)
    first, second = receiver.receive(2, 0)
    clock.advance(20)
    assert transport.sizes(["q"])["q"].ready == 2
    assert receiver.settle([done(first)]) == []
    other = transport.receiver(["q"], credit=10, lease=10)
    assert bodies(other.receive(10, 0)) == [b"2"]
    assert receiver.settle([done(second)]) == [second.tag]


def test_purge_takes_lapsed_claims_and_refuses_them_afterwards() -> None:
    clock = Clock()
    transport = StoreTransport(MemoryStore(clock=clock), clock=clock)
    publish(transport, send(b"1"))
    receiver = transport.receiver(["q"], credit=10, lease=10)
    (held,) = receiver.receive(1, 0)
    assert transport.purge("q") == 0
    clock.advance(10)
    assert transport.purge("q") == 1
    assert receiver.settle([Settlement(held.tag, Verdict.RETURN)]) == [held.tag]
    assert drain(transport, "q") == []


def test_delayed_and_leased_ones_cost_a_claim_nothing() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    transport = StoreTransport(store, clock=clock)
    publish(transport, *[send(not_before=clock.now + 9000 - number) for number in range(5000)])
    publish(transport, *[send(b"%d" % number) for number in range(3)])
    receiver = transport.receiver(["q"], credit=10, lease=10)
    assert bodies(receiver.receive(10, 0)) == [b"0", b"1", b"2"]
    lanes = store._queues["q"]._fresh
    assert sum(map(len, lanes)) == 5000

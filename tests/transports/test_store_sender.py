"""Publishing to a store: checks first, then as few inserts as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from stores import Clock, drain, publish, send

from cicely_transports.errors import (
    EncodeError,
    NotSupported,
    OperationalError,
    PartialPublish,
    StorageFull,
    Unroutable,
)
from cicely_transports.memory import MemoryStore
from cicely_transports.spi import Capabilities, Delivery
from cicely_transports.store import Row
from cicely_transports.store_transport import StoreTransport
from cicely_transports.topology import BindingSpec, ExchangeSpec, QueueSpec, Topology


class LimitedStore(MemoryStore):
    """Remembers its inserts, and can be out of room from one of them on."""

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__()
        self.capabilities = capabilities
        self.inserts: list[list[bytes]] = []
        self.full_from: int | None = None

    def insert(self, rows: Sequence[Row]) -> None:
        if self.full_from is not None and len(self.inserts) >= self.full_from:
            raise StorageFull("no room")
        self.inserts.append([row.message.body for row in rows])
        super().insert(rows)


def limited(**limits: Any) -> tuple[StoreTransport, LimitedStore]:
    store = LimitedStore(replace(Capabilities(), **limits))
    transport = StoreTransport(store)
    queues = ["a", "b", "c"]
    transport.declare(
        Topology(
            [ExchangeSpec("x", "fanout")],
            [QueueSpec(name) for name in queues],
            [BindingSpec("x", name) for name in queues],
        )
    )
    return transport, store


def test_fan_out_is_one_insert() -> None:
    transport, store = limited()
    publish(transport, send(b"1", exchange="x"), send(b"2", "a"))
    assert store.inserts == [[b"1", b"1", b"1", b"2"]]


def test_batches_keep_to_the_limit_and_fan_outs_whole() -> None:
    transport, store = limited(max_batch=4)
    publish(transport, send(b"1", "a"), send(b"2", "a"), send(b"3", exchange="x"), send(b"4", "b"))
    assert store.inserts == [[b"1", b"2"], [b"3", b"3", b"3", b"4"]]


def test_fan_out_over_the_limit_is_still_one_insert() -> None:
    transport, store = limited(max_batch=2)
    publish(transport, send(b"1", "a"), send(b"2", exchange="x"))
    assert store.inserts == [[b"1"], [b"2", b"2", b"2"]]


def test_first_batch_fails_as_it_is() -> None:
    transport, store = limited(max_batch=2)
    store.full_from = 0
    with pytest.raises(StorageFull):
        publish(transport, *[send() for _ in range(5)])


def test_later_batch_fails_with_what_is_not_stored() -> None:
    transport, store = limited(max_batch=2)
    store.full_from = 1
    sends = [send(b"%d" % number, "a") for number in range(5)]
    with pytest.raises(PartialPublish, match="no room") as caught:
        publish(transport, *sends)
    assert caught.value.unsent == tuple(sends[2:])
    store.full_from = None
    publish(transport, *caught.value.unsent)
    assert drain(transport, "a") == [b"0", b"1", b"2", b"3", b"4"]


def test_timeout_between_batches() -> None:
    store = LimitedStore(replace(Capabilities(), max_batch=1))
    transport = StoreTransport(store, publish_timeout=-1.0)
    with pytest.raises(PartialPublish, match="longer than") as caught:
        publish(transport, send(b"1"), send(b"2"))
    assert [unsent.message.body for unsent in caught.value.unsent] == [b"2"]


def test_nothing_is_stored_when_one_message_is_wrong() -> None:
    transport, store = limited(max_body=10, max_delay=60.0, max_batch=1)
    now = Clock()
    store_clock = StoreTransport(store, clock=now)
    wrong = [
        (Unroutable, send(exchange="missing")),
        (NotSupported, send(b"x" * 11)),
        (NotSupported, send(not_before=now.now + 61)),
    ]
    for error, culprit in wrong:
        with pytest.raises(error):
            publish(store_clock, send(b"good", "a"), culprit)
    publish(store_clock, send(b"x" * 10), send(not_before=now.now + 60))
    assert drain(transport, "a") == []


def test_headers_that_json_does_not_have() -> None:
    transport, _ = limited()
    headers = {"good": 1, "outer": {"list": [1, {"inner": b"bytes"}]}}
    with pytest.raises(EncodeError, match=r"headers\['outer'\]\['list'\]\[1\]\['inner'\] cannot .* bytes"):
        publish(transport, send(b"good", "a"), send(headers=headers))
    assert drain(transport, "a") == []


def test_recursive_headers() -> None:
    headers: dict[str, object] = {}
    headers["self"] = headers
    with pytest.raises(EncodeError, match=r"headers"):
        publish(limited()[0], send(headers=headers))


def test_bindings_of_others_are_seen_at_once() -> None:
    transport, store = limited()
    sender = transport.sender()
    sender.publish([send(b"1", exchange="x")])
    StoreTransport(store).declare(Topology([], [QueueSpec("d")], [BindingSpec("x", "d")]))
    sender.publish([send(b"2", exchange="x")])
    assert drain(transport, "d") == [b"2"]


def test_compiled_table_is_shared_until_a_binding_lapses() -> None:
    clock = Clock()
    transport = StoreTransport(MemoryStore(clock=clock), clock=clock)
    transport.declare(Topology(queues=[QueueSpec("q", expires=5.0)]))
    table = transport.routing_table(clock.now)
    assert transport.routing_table(clock.now + 4) is table
    assert transport.routing_table(clock.now + 5) is not table


class BrokenStore(MemoryStore):
    def claim(
        self, queues: Sequence[str], limit: int, *, now: float, until: float, suspects: int | None
    ) -> list[Delivery]:
        raise OperationalError("gone")


def test_errors_of_the_store_reach_the_receiver_and_leave_it_usable() -> None:
    receiver = StoreTransport(BrokenStore()).receiver(["q"], credit=1, lease=1)
    for _ in range(2):
        with pytest.raises(OperationalError, match="gone"):
            receiver.receive(1, 1)

"""Theme: what goes in comes out, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest

from cicely_transports.errors import NotSupported
from cicely_transports.message import Message, Properties
from cicely_transports.spi import Send
from cicely_transports.testing.rig import Rig, done

from .base import Theme

MEGABYTE = 1024 * 1024

BODIES = {
    "empty": b"",
    "one byte": b"\x00",
    "every byte": bytes(range(256)),
    "not utf-8": b"\xff\xfe\xc3\x28",
    "line ends": b"\r\n\r\n$3\r\n\n\x00\n",
    "utf-8": "žluťoučký kůň ✓ 🐎".encode(),
}

HEADERS: dict[str, dict[str, Any]] = {
    "none": {},
    "unicode": {"clé": "été ✓ 🐎", "": "empty name", "with space": "a\nb\tc\"d'"},
    "scalars": {"true": True, "false": False, "none": None, "int": -7, "big": 2**40, "float": 0.1},
    "nested": {"a": {"b": [1, [2, {"c": None}], "d"], "e": {}}, "f": []},
    "long": {"text": "x" * 20_000},
}

ALL_PROPERTIES = Properties(
    content_type="application/json",
    content_encoding="utf-8",
    correlation_id="c-1/ü",
    reply_to="reply queue",
    priority=3,
    delivery_mode=1,
    expiration="3600000",
    message_id="m-1",
    timestamp=1_700_000_000.0,
    type="kind",
)

QUEUE_NAMES = (
    "plain",
    "dots.and-dashes_",
    "a/b/../c",
    "colon:{brace}",
    "spaced out",
    "größe✓",
    "100%2F",
    "#*",
)


class DeliveryTheme(Theme):
    """Bodies, headers, properties and names survive."""

    def carry(self, rig: Rig, message: Message) -> Message:
        queue = rig.queue()
        rig.publish([Send(message, queue)])
        receiver = rig.receiver(queue, transport=rig.open())
        delivery = rig.take_one(receiver)
        assert receiver.settle([done(delivery)]) == []
        return delivery.message

    @pytest.mark.parametrize("case", BODIES)
    def test_body(self, rig: Rig, case: str) -> None:
        body = self.carry(rig, Message(BODIES[case])).body
        assert isinstance(body, bytes)
        assert body == BODIES[case]

    def test_body_of_a_megabyte(self, rig: Rig) -> None:
        size = min(MEGABYTE, rig.capabilities.max_body or MEGABYTE)
        body = bytes(range(251)) * (size // 251)
        assert self.carry(rig, Message(body)).body == body

    def test_body_over_the_limit_is_refused(self, rig: Rig) -> None:
        limit = rig.capabilities.max_body
        if limit is None:
            body = b"\xa5" * (4 * MEGABYTE)
            assert self.carry(rig, Message(body)).body == body
            return
        queue = rig.queue()
        with pytest.raises(NotSupported):
            rig.send(queue, b"x" * (limit + 1))
        assert rig.drain(queue) == []

    @pytest.mark.parametrize("case", HEADERS)
    def test_headers(self, rig: Rig, case: str) -> None:
        headers = self.carry(rig, Message(b"body", HEADERS[case])).headers
        assert dict(headers) == HEADERS[case]
        assert {name: type(value) for name, value in headers.items()} == {
            name: type(value) for name, value in HEADERS[case].items()
        }

    def test_every_property(self, rig: Rig) -> None:
        assert self.carry(rig, Message(b"body", properties=ALL_PROPERTIES)).properties == ALL_PROPERTIES

    def test_default_properties(self, rig: Rig) -> None:
        assert self.carry(rig, Message(b"body")).properties == Properties()

    @pytest.mark.parametrize("suffix", QUEUE_NAMES)
    def test_queue_name(self, rig: Rig, suffix: str) -> None:
        queue = rig.queue(name=rig.name(suffix))
        other = rig.queue(name=queue + "-other")
        rig.send(queue, b"here")
        assert {queue, other} <= set(rig.transport.queues())
        assert rig.drain(other) == []
        assert rig.drain(queue) == [b"here"]

    def test_delivery_says_where_it_came_from(self, rig: Rig) -> None:
        queue, exchange = rig.queue(), rig.exchange("direct")
        rig.bind(exchange, queue, "the key")
        rig.publish([Send(Message(b"routed"), "the key", exchange)])
        rig.send(queue, b"straight")
        receiver = rig.receiver(queue)
        routed, straight = rig.take(receiver, 2)
        assert (routed.queue, routed.exchange, routed.routing_key) == (queue, exchange, "the key")
        assert (straight.queue, straight.exchange, straight.routing_key) == (queue, "", queue)
        assert [routed.attempt, straight.attempt] == [1, 1]
        assert len({hash(routed.tag), hash(straight.tag)}) == 2

    def test_lease_is_announced(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        before = self.now()
        delivery = rig.take_one(rig.receiver(queue, lease=20.0))
        if rig.capabilities.lease == "connection":
            assert delivery.leased_until is None
        else:
            assert delivery.leased_until is not None
            assert before + 20.0 <= delivery.leased_until + 0.001 <= self.now() + 20.002

    def test_what_is_published_before_receiving_is_kept(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"kept")
        if not rig.capabilities.durable:
            assert rig.drain(queue, transport=rig.open()) == [b"kept"]
            return
        rig.transport.close()
        assert rig.drain(queue, transport=rig.open()) == [b"kept"]

"""Theme: use after close, after a fork, with wrong options: refused with a clear error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cicely_transports.errors import ClosedError, ForkMisuse, InvalidURL
from cicely_transports.message import Message
from cicely_transports.spi import Send
from cicely_transports.testing.forked import Child, can_fork
from cicely_transports.testing.rig import LONG_LEASE, Rig, done
from cicely_transports.topology import QueueSpec, Topology
from cicely_transports.url import BrokerURL

from .base import Theme


def outcome(call: Callable[[], Any]) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # the name of the error is what is tested
        return type(error).__name__
    return "no error"


class MisuseTheme(Theme):
    """Wrong use never passes for success."""

    def test_closed_sender(self, rig: Rig) -> None:
        queue = rig.queue()
        sender = rig.transport.sender()
        sender.close()
        sender.close()
        with pytest.raises(ClosedError):
            sender.publish([Send(Message(b"lost"), queue)])
        assert rig.drain(queue) == []

    def test_closed_receiver(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"one")
        receiver = rig.receiver(queue)
        receiver.close()
        receiver.close()
        with pytest.raises(ClosedError):
            receiver.receive(1, 0.0)
        assert rig.drain(queue) == [b"one"]

    def test_closed_transport(self, rig: Rig) -> None:
        queue = rig.queue()
        transport = rig.open()
        sender = transport.sender()
        sender.publish([Send(Message(b"one"), queue)])
        receiver = transport.receiver([queue], credit=1, lease=LONG_LEASE)
        transport.close()
        transport.close()
        calls: dict[str, Callable[[], Any]] = {
            "declare": lambda: transport.declare(Topology(queues=[QueueSpec(queue)])),
            "sender": transport.sender,
            "receiver": lambda: transport.receiver([queue], credit=1, lease=LONG_LEASE),
            "sizes": lambda: transport.sizes([queue]),
            "publish": lambda: sender.publish([Send(Message(b"lost"), queue)]),
            "receive": lambda: receiver.receive(1, 0.0),
        }
        assert {name: outcome(call) for name, call in calls.items()} == dict.fromkeys(calls, "ClosedError")
        sender.close()
        receiver.close()
        assert rig.drain(queue) == [b"one"]

    def test_closing_one_object_leaves_the_others(self, rig: Rig) -> None:
        queue = rig.queue()
        other = rig.open()
        rig.send(queue, b"one", transport=other)
        receiver = rig.receiver(queue)
        held = rig.take_one(receiver)
        other.close()
        rig.receiver(queue).close()
        assert receiver.settle([done(held)]) == []

    def test_use_in_a_forked_child_is_refused(self, rig: Rig) -> None:
        if not can_fork:
            pytest.skip("this platform has no fork")
        queue = rig.queue()
        transport, sender, receiver = rig.transport, rig.transport.sender(), rig.receiver(queue)
        sender.publish([Send(Message(b"one"), queue), Send(Message(b"two"), queue)])
        held = rig.take_one(receiver)
        calls: dict[str, Callable[[], Any]] = {
            "publish": lambda: sender.publish([Send(Message(b"lost"), queue)]),
            "receive": lambda: receiver.receive(1, 0.0),
            "settle": lambda: receiver.settle([done(held)]),
            "extend": lambda: receiver.extend([held.tag], LONG_LEASE),
            "sender": transport.sender,
            "receiver": lambda: transport.receiver([queue], credit=1, lease=LONG_LEASE),
            "declare": lambda: transport.declare(Topology(queues=[QueueSpec(queue)])),
            "sizes": lambda: transport.sizes([queue]),
        }
        with Child(lambda: {name: outcome(call) for name, call in calls.items()}) as child:
            assert child.result(self.patience) == dict.fromkeys(calls, ForkMisuse.__name__)
        assert receiver.settle([done(held)]) == []
        assert rig.drain(queue) == [b"two"]

    def test_closing_in_a_forked_child_leaves_the_parent_alone(self, rig: Rig) -> None:
        if not can_fork:
            pytest.skip("this platform has no fork")
        queue = rig.queue()
        sender, receiver = rig.transport.sender(), rig.receiver(queue)
        sender.publish([Send(Message(b"one"), queue)])
        held = rig.take_one(receiver)
        closes = (sender.close, receiver.close, rig.transport.close)
        with Child(lambda: [outcome(close) for close in closes]) as child:
            assert set(child.result(self.patience)) <= {"no error", ForkMisuse.__name__}
        sender.publish([Send(Message(b"two"), queue)])
        assert receiver.settle([done(held)]) == []
        assert rig.take_one(receiver).message.body == b"two"

    def test_unknown_option_is_refused(self, rig: Rig) -> None:
        kind = type(rig.transport)
        with pytest.raises(InvalidURL, match="no_such_option"):
            kind.from_url(BrokerURL("kit", path="unused"), {"no_such_option": "1"})

    def test_near_option_is_named(self, rig: Rig) -> None:
        kind = type(rig.transport)
        if not kind.options:
            pytest.skip("this transport has no options")
        known = min(kind.options)
        with pytest.raises(InvalidURL, match=known):
            kind.from_url(BrokerURL("kit", path="unused"), {known + "x": "1"})

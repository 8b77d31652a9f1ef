"""What the tests of the store transport and its stores share: a clock, and short words."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from cicely_transports.message import Message, Properties
from cicely_transports.spi import Delivery, Send, Settlement, Tag, Transport, Verdict


class Clock:
    """UTC epoch seconds that pass only when a test says so."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def send(body: bytes = b"body", queue: str = "q", **fields: Any) -> Send:
    """A message; `priority` and `headers` go into it, everything else is of the Send."""
    properties = Properties(priority=fields.pop("priority", 0))
    return Send(Message(body, fields.pop("headers", {}), properties), queue, **fields)


def publish(transport: Transport, *sends: Send) -> None:
    sender = transport.sender()
    sender.publish(sends)
    sender.close()


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.message.body for delivery in deliveries]


def done(delivery: Delivery) -> Settlement:
    return Settlement(delivery.tag, Verdict.DONE)


def drain(transport: Transport, *queues: str) -> list[bytes]:
    """Settle what is available now; returns the bodies."""
    receiver = transport.receiver(queues, credit=100_000, lease=60)
    found: list[bytes] = []
    while deliveries := receiver.receive(1000, 0):
        found += bodies(deliveries)
        refused: list[Tag] = receiver.settle([done(delivery) for delivery in deliveries])
        assert refused == []
    receiver.close()
    return found


def until(condition: Callable[[], object], what: str, timeout: float = 20.0) -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} s in vain for {what}"
        pause.wait(0.005)

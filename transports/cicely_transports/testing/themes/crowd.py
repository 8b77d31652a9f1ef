"""Theme: many consumers at once: none lost, none doubled, whoever dies."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from cicely_transports.spi import Transport
from cicely_transports.testing.forked import Child, can_fork, read_within
from cicely_transports.testing.rig import LONG_LEASE, OpenTransport, Rig, bodies, done

from .base import Theme
from .batches import numbered

CONSUMERS = 4
MESSAGES = 1_000


class CrowdTheme(Theme):
    """Four consumers, a thousand messages."""

    #: Seconds for all of them to get through.
    crowd_patience: float = 40.0

    def consume(self, transport: Transport, queue: str, enough: Callable[[int], bool]) -> list[bytes]:
        """Take and settle in small batches until ``enough``, told of each batch's size, says so."""
        receiver = transport.receiver([queue], credit=64, lease=LONG_LEASE)
        seen: list[bytes] = []
        deadline = time.monotonic() + self.crowd_patience
        taken = 0
        while not enough(taken) and time.monotonic() < deadline:
            batch = receiver.receive(16, 0.2)
            assert receiver.settle([done(delivery) for delivery in batch]) == []
            taken = len(batch)
            seen += bodies(batch)
        receiver.close()
        return seen

    def publish_all(self, rig: Rig, queue: str, transport: Transport | None = None) -> None:
        messages = numbered(MESSAGES)
        for start in range(0, MESSAGES, 50):
            rig.send(queue, *messages[start : start + 50], transport=transport)

    def test_threads_lose_and_double_nothing(self, rig: Rig) -> None:
        queue = rig.queue()
        transports = [rig.open() for _ in range(CONSUMERS)]
        total, lock = 0, threading.Lock()

        def enough(taken: int) -> bool:
            nonlocal total
            with lock:
                total += taken
                return total >= MESSAGES

        with ThreadPoolExecutor(CONSUMERS) as pool:
            futures = [pool.submit(self.consume, transport, queue, enough) for transport in transports]
            self.publish_all(rig, queue)
            seen = [body for future in futures for body in future.result()]
        assert Counter(seen) == Counter(numbered(MESSAGES))
        assert rig.drain(queue) == []

    def test_threads_of_one_transport_publish_and_consume(self, rig: Rig) -> None:
        queue = rig.queue()
        with ThreadPoolExecutor(CONSUMERS) as pool:
            for future in [pool.submit(rig.send, queue, *numbered(50)) for _ in range(CONSUMERS)]:
                future.result()
            receivers = [rig.receiver(queue, credit=50) for _ in range(CONSUMERS)]
            parts = list(pool.map(lambda receiver: rig.take(receiver, 50, limit=9), receivers))
        assert Counter(body for part in parts for body in bodies(part)) == Counter(numbered(50) * CONSUMERS)

    def test_processes_lose_and_double_nothing(self, rig: Rig, open_transport: OpenTransport) -> None:
        self.needs_processes(rig)
        queue = rig.queue()

        def enough_when_dry() -> Callable[[int], bool]:
            dry = 0

            def enough(taken: int) -> bool:
                nonlocal dry
                dry = 0 if taken else dry + 1
                return dry > 5

            return enough

        with ExitStack() as stack:
            children = [
                stack.enter_context(Child(lambda: self.consume(open_transport(), queue, enough_when_dry())))
                for _ in range(CONSUMERS)
            ]
            self.publish_all(rig, queue)
            seen = [body for child in children for body in child.result(self.crowd_patience)]
            seen += rig.drain(queue)
        assert Counter(seen) == Counter(numbered(MESSAGES))

    def test_killed_consumers_lose_nothing(self, rig: Rig, open_transport: OpenTransport) -> None:
        self.needs_processes(rig)
        queue = rig.queue()
        rig.send(queue, *numbered(20))
        claimed, ready = os.pipe()

        def claim_and_hang() -> None:
            rig_of_child = Rig(open_transport, patience=self.patience, quiet=self.quiet)
            rig_of_child.take(rig_of_child.receiver(queue, lease=self.lease), 5)
            os.write(ready, b".")
            threading.Event().wait()

        try:
            with Child(claim_and_hang), Child(claim_and_hang):
                read_within(claimed, 2, self.patience)
        finally:
            os.close(claimed)
            os.close(ready)
        taken = rig.take(rig.receiver(queue), 20)
        assert Counter(bodies(taken)) == Counter(numbered(20))

    def test_killed_publisher_keeps_its_word(self, rig: Rig, open_transport: OpenTransport) -> None:
        self.needs_processes(rig)
        queue = rig.queue()
        reader, writer = os.pipe()

        def publish_for_ever() -> None:
            rig_of_child = Rig(open_transport, patience=self.patience, quiet=self.quiet)
            number = 0
            while True:
                rig_of_child.send(queue, b"%06d" % number)
                os.write(writer, b"%06d" % number)
                number += 1

        try:
            with Child(publish_for_ever):
                confirmed = read_within(reader, 6 * 20, self.patience)
            os.close(writer)
            writer = -1
            while more := os.read(reader, 65536):
                confirmed += more
        finally:
            os.close(reader)
            if writer >= 0:
                os.close(writer)
        stored = set(rig.drain(queue))
        missing = {confirmed[at : at + 6] for at in range(0, len(confirmed), 6)} - stored
        assert not missing, "published messages are gone with the process that published them"

    def needs_processes(self, rig: Rig) -> None:
        if not rig.capabilities.cross_process:
            pytest.skip("cross_process=False: other processes see another broker")
        if not can_fork:
            pytest.skip("this platform has no fork")

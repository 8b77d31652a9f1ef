"""Theme: receive waits as long as it should, and others may act meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from cicely_transports.errors import ClosedError
from cicely_transports.testing.rig import LONG_LEASE, Rig, bodies, done, give_back, tags

from .base import Theme
from .batches import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cicely_transports.spi import Delivery, Receiver, Transport

T = TypeVar("T")


class WaitingTheme(Theme):
    """Credit, waiting, waking."""

    @contextmanager
    def waiting(self, rig: Rig, receiver: Receiver) -> Iterator[Future[list[Delivery]]]:
        """A second thread that sits in ``receive`` of an empty queue, woken at the end."""
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(receiver.receive, 10, rig.patience)
            try:
                assert not self.finished(future, 0.1), "receive did not wait"
                yield future
            finally:
                while not self.finished(future, 0.02):
                    receiver.wakeup()

    def finished(self, future: Future[T], within: float) -> bool:
        ended = threading.Event()
        future.add_done_callback(lambda _: ended.set())
        return ended.wait(within)

    def promptly(self, call: Callable[[], T]) -> T:
        """The call's result; fail if it takes as long as the waiting that goes on beside it."""
        started = time.monotonic()
        result = call()
        assert time.monotonic() - started < self.late, "the call waited for the receive beside it"
        return result

    def test_empty_receive_waits_and_returns(self, rig: Rig) -> None:
        receiver = rig.receiver(rig.queue())
        started = time.monotonic()
        assert receiver.receive(1, 0.3) == []
        assert 0.28 <= time.monotonic() - started <= 0.3 + self.late

    def test_no_wait_does_not_wait(self, rig: Rig) -> None:
        receiver = rig.receiver(rig.queue())
        assert self.promptly(lambda: receiver.receive(1, 0.0)) == []

    def test_publishing_ends_the_wait(self, rig: Rig) -> None:
        queue = rig.queue()
        with self.waiting(rig, rig.receiver(queue)) as received:
            rig.send(queue, b"news", transport=rig.open())
            assert bodies(received.result(self.late)) == [b"news"]

    def test_publishing_by_the_same_transport_ends_the_wait(self, rig: Rig) -> None:
        queue = rig.queue()
        with self.waiting(rig, rig.receiver(queue)) as received:
            self.promptly(lambda: rig.send(queue, b"news"))
            assert bodies(received.result(self.late)) == [b"news"]

    def test_wakeup_ends_the_wait(self, rig: Rig) -> None:
        receiver = rig.receiver(rig.queue())
        took = []
        for _ in range(3):
            with self.waiting(rig, receiver) as received:
                started = time.monotonic()
                receiver.wakeup()
                assert received.result(self.late) == []
                took.append(time.monotonic() - started)
        assert min(took) < self.at_once, f"a woken receive returned after {took} seconds"

    def test_wakeup_is_no_end(self, rig: Rig) -> None:
        queue = rig.queue()
        receiver = rig.receiver(queue)
        with self.waiting(rig, receiver):
            receiver.wakeup()
        rig.send(queue, b"one")
        assert rig.take_one(receiver).message.body == b"one"

    def test_closing_the_receiver_ends_the_wait(self, rig: Rig) -> None:
        self.closing_ends_the_wait(rig, lambda _, receiver: receiver.close())

    def test_closing_the_transport_ends_the_wait(self, rig: Rig) -> None:
        self.closing_ends_the_wait(rig, lambda transport, _: transport.close())

    def closing_ends_the_wait(self, rig: Rig, close: Callable[[Transport, Receiver], None]) -> None:
        queue = rig.queue()
        took = []
        for _ in range(3):
            transport = rig.open()
            receiver = rig.receiver(queue, transport=transport)
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(receiver.receive, 10, rig.patience)
                assert not self.finished(future, 0.1), "receive did not wait"
                started = time.monotonic()
                close(transport, receiver)
                error = future.exception(self.late)
                took.append(time.monotonic() - started)
            assert isinstance(error, ClosedError) or future.result() == []
        assert min(took) < self.at_once, f"a closed receive returned after {took} seconds"

    def test_settling_beside_a_wait(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"a", b"b")
        receiver = rig.receiver(queue)
        first, second = rig.take(receiver, 2)
        with self.waiting(rig, receiver) as received:
            assert self.promptly(lambda: receiver.settle([done(first)])) == []
            assert self.promptly(lambda: receiver.settle([done(first)])) == [first.tag]
            assert not received.done()
            assert self.promptly(lambda: receiver.settle([give_back(second)])) == []
            assert bodies(received.result(self.late)) == [b"b"]

    def test_extending_beside_a_wait(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, b"a", b"b")
        receiver = rig.receiver(queue)
        taken = rig.take(receiver, 2)
        with self.waiting(rig, receiver):
            assert self.promptly(lambda: receiver.extend(tags(taken), LONG_LEASE)) == []

    def test_added_queue_is_served_by_a_waiting_receiver(self, rig: Rig) -> None:
        queue, added = rig.queue(), rig.queue()
        rig.send(added, b"one")
        receiver = rig.receiver(queue)
        rig.nothing(receiver)
        receiver.add_queue(added)
        assert rig.take_one(receiver).message.body == b"one"

    def test_credit_bounds_what_is_held(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(10))
        receiver = rig.receiver(queue, credit=3)
        held = rig.take(receiver, 3, limit=10)
        rig.nothing(receiver)
        assert receiver.settle([done(held[0]), give_back(held[1])]) == []
        rig.take(receiver, 2, limit=10)
        rig.nothing(receiver)
        others = rig.receiver(queue, transport=rig.open())
        assert len(rig.take(others, 6)) == 6, "credit holds back this receiver, not the queue"

    def test_credit_can_be_changed(self, rig: Rig) -> None:
        queue = rig.queue()
        rig.send(queue, *numbered(6))
        receiver = rig.receiver(queue, credit=0)
        rig.nothing(receiver)
        receiver.set_credit(2)
        rig.take(receiver, 2, limit=10)
        rig.nothing(receiver)
        receiver.set_credit(5)
        rig.take(receiver, 3, limit=10)
        receiver.set_credit(1)
        rig.nothing(receiver)
        receiver.set_credit(100)
        rig.take(receiver, 1, limit=10)

"""Publishing: retries within a bound, batches, threads, forks (features TR13)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cicely import Cicely
from cicely.publisher import Publisher
from cicely_transports.errors import (
    NotSupported,
    OperationalError,
    PartialPublish,
    PublishTimeout,
    StorageFull,
    Unroutable,
)
from cicely_transports.memory import MemoryStore
from cicely_transports.message import Message
from cicely_transports.spi import Capabilities, Send, Sender, Transport
from cicely_transports.store_transport import StoreTransport


def send(text: str = "x", queue: str = "celery") -> Send:
    return Send(Message(text.encode(), {"task": "t", "id": text}), queue)


class Flaky(StoreTransport):
    """A memory broker whose senders fail as a script says, one entry for each publish."""

    def __init__(self, script: Sequence[Callable[[Sequence[Send]], BaseException | None]] = ()) -> None:
        super().__init__(MemoryStore())
        self.script = list(script)
        self.batches: list[int] = []
        self.senders = 0
        self.closed_senders = 0
        self.declared: list[Any] = []
        self.largest: int | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(max_batch=self.largest)

    def declare(self, topology: Any) -> None:
        self.declared.append([queue.name for queue in topology.queues])
        super().declare(topology)

    def sender(self) -> Sender:  # type: ignore[override]  # a wrapper of what the base class makes
        self.senders += 1
        return FlakySender(self, super().sender())


class FlakySender(Sender):
    def __init__(self, broker: Flaky, inner: Sender) -> None:
        self.broker, self.inner, self.open = broker, inner, True

    def publish(self, sends: Sequence[Send]) -> None:
        error = self.broker.script.pop(0)(sends) if self.broker.script else None
        if error is not None:
            raise error
        self.broker.batches.append(len(sends))
        self.inner.publish(sends)

    def close(self) -> None:
        if self.open:
            self.open = False
            self.broker.closed_senders += 1
            self.inner.close()


class Bench:
    """A publisher on a flaky broker, with a clock that only its own pauses and failures move."""

    def __init__(self, app: Cicely, *script: Callable[[Sequence[Send]], BaseException | None]) -> None:
        self.broker = Flaky(script)
        self.pauses: list[float] = []
        self.time = 0.0
        self.app = app
        self.publisher = Publisher(
            lambda: self.broker, app.conf, app.queues, sleep=self.sleep, clock=lambda: self.time
        )

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def ready(self) -> int:
        return self.broker.sizes(["celery"])["celery"].ready


def refused(_: Sequence[Send]) -> BaseException:
    return OperationalError("connection refused")


def test_one_sender_for_a_thread(app: Cicely) -> None:
    bench = Bench(app)
    for _ in range(3):
        bench.publisher.publish([send()])
    thread = threading.Thread(target=bench.publisher.publish, args=([send()],))
    thread.start()
    thread.join()
    assert (bench.broker.senders, bench.ready()) == (2, 4)
    # The sender of a thread goes with it.
    assert bench.broker.closed_senders == 1
    bench.publisher.close()
    assert bench.broker.closed_senders == 2


def test_queues_are_declared_once(app: Cicely) -> None:
    bench = Bench(app)
    for queue in ("celery", "other", "celery", "other"):
        bench.publisher.publish([send(queue=queue)])
    assert bench.broker.declared == [["celery"], ["other"]]


def test_a_broken_connection_is_tried_again_as_the_policy_says(app: Cicely) -> None:
    bench = Bench(app, refused, refused, refused)
    bench.publisher.publish([send()])
    assert bench.pauses == [0, 0.2, 0.4]
    assert bench.ready() == 1
    assert bench.broker.senders == 4


def test_then_it_is_an_error(app: Cicely) -> None:
    bench = Bench(app, *[refused] * 9)
    with pytest.raises(OperationalError, match="connection refused"):
        bench.publisher.publish([send()])
    assert len(bench.pauses) == 3


@pytest.mark.parametrize(
    ("retry", "policy", "pauses"),
    [
        (False, None, []),
        (None, {"max_retries": 1}, [0]),
        (True, {"max_retries": 4, "interval_start": 2, "interval_step": 3, "interval_max": 4}, [2, 4, 4, 4]),
        (None, {"max_retries": 0}, []),
    ],
)
def test_the_call_may_say_otherwise(
    app: Cicely, retry: bool | None, policy: dict[str, Any] | None, pauses: list[float]
) -> None:
    bench = Bench(app, *[refused] * 9)
    with pytest.raises(OperationalError):
        bench.publisher.publish([send()], retry=retry, policy=policy)
    assert bench.pauses == pauses


def test_a_try_that_timed_out_is_not_repeated(app: Cicely) -> None:
    bench = Bench(app, lambda _: PublishTimeout("5 seconds"))
    with pytest.raises(PublishTimeout):
        bench.publisher.publish([send()])
    assert bench.pauses == []


def test_all_tries_together_are_bounded(app: Cicely) -> None:
    bench = Bench(app)

    def slow(_: Sequence[Send]) -> BaseException:
        bench.time += 3
        return OperationalError("slow refusal")

    bench.broker.script = [slow] * 99
    with pytest.raises(OperationalError):
        bench.publisher.publish([send()], policy={"max_retries": None})
    assert bench.time <= 3 + app.conf.broker_publish_timeout + 3


def test_only_what_was_not_confirmed_goes_out_again(app: Cicely) -> None:
    bench = Bench(app, lambda sends: PartialPublish(sends[1:], "lost"))
    bench.publisher.publish([send("a"), send("b"), send("c")])
    assert bench.broker.batches == [2]


@pytest.mark.parametrize("error", [StorageFull("disk"), PartialPublish([send()], "lost")])
def test_every_failure_that_may_pass_is_operational(app: Cicely, error: Exception) -> None:
    bench = Bench(app, *[lambda _: error] * 9)
    with pytest.raises(OperationalError) as caught:
        bench.publisher.publish([send()])
    assert error in (caught.value, caught.value.__cause__)


@pytest.mark.parametrize("error", [Unroutable("nobody"), NotSupported("too large")])
def test_what_can_never_succeed_is_not_repeated(app: Cicely, error: Exception) -> None:
    bench = Bench(app, lambda _: error)
    with pytest.raises(type(error)):
        bench.publisher.publish([send()])
    assert bench.pauses == []


def test_batches_are_cut_to_size(app: Cicely) -> None:
    bench = Bench(app)
    bench.broker.largest = 4
    bench.publisher.publish([send(str(number)) for number in range(10)])
    assert bench.broker.batches == [4, 4, 2]


def test_nothing_to_publish(app: Cicely) -> None:
    Bench(app).publisher.publish([])


def test_it_can_be_used_after_closing(app: Cicely) -> None:
    brokers: list[Transport] = []

    def connect() -> Transport:
        brokers.append(Flaky())
        return brokers[-1]

    publisher = Publisher(connect, app.conf, app.queues)
    publisher.publish([send()])
    publisher.close()
    publisher.close()
    publisher.publish([send()])
    assert len(brokers) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_has_connections_of_its_own(app: Cicely) -> None:
    brokers: list[Flaky] = []

    def connect() -> Transport:
        brokers.append(Flaky())
        return brokers[-1]

    publisher = Publisher(connect, app.conf, app.queues)
    publisher.publish([send()])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            publisher.publish([send()])
            # A new broker was opened, and nothing was said on the parent's connection.
            code = 0 if len(brokers) == 2 and brokers[0].closed_senders == 0 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    publisher.publish([send()])
    assert len(brokers) == 1

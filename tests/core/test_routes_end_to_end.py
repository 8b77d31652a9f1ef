"""Direct, topic and fanout routes from ``send_task`` to the receiver, on the transports of this version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicely import Cicely
from cicely_transports import Exchange, Queue
from cicely_transports.common import Broadcast

MEDIA = Exchange("media", "topic")


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"memory://{tmp_path.name}" if request.param == "memory" else f"sqlite:///{tmp_path}/q.db"


@pytest.fixture
def apps(url: str) -> Iterator[Any]:
    made: list[Cicely] = []

    def make(**settings: Any) -> Cicely:
        app = Cicely("proj", broker=url, set_as_current=False, **settings)
        made.append(app)
        return app

    yield make
    for app in made:
        app.close()


def consume(app: Cicely, *names: str) -> None:
    app.transport.declare(app.queues.topology(app.queues.select(names)))


def waiting(app: Cicely, name: str) -> int:
    (queue,) = app.queues.select([name])
    return app.transport.sizes([queue])[queue].ready


def test_direct(apps: Any) -> None:
    app = apps(task_queues=["a", "b"], task_routes={"t": "b"})
    consume(app)
    app.send_task("t")
    assert (waiting(app, "a"), waiting(app, "b")) == (0, 1)


def test_topic(apps: Any) -> None:
    app = apps(
        task_queues=[Queue("video", MEDIA, "media.video.#"), Queue("all", MEDIA, "media.#")],
        task_routes={"encode": {"exchange": "media", "routing_key": "media.video.encode"}, "any": "all"},
    )
    consume(app)
    app.send_task("encode")
    assert (waiting(app, "video"), waiting(app, "all")) == (1, 1)
    app.send_task("encode", routing_key="media.audio", exchange="media")
    assert (waiting(app, "video"), waiting(app, "all")) == (1, 2)


def test_default_exchange_of_type_topic(apps: Any) -> None:
    app = apps(
        task_default_exchange="tasks",
        task_default_exchange_type="topic",
        task_default_routing_key="task.default",
        task_queues=[Queue("celery", routing_key="task.#"), Queue("feed", routing_key="feed.#")],
    )
    app.send_task("t")
    app.send_task("t", routing_key="feed.import")
    assert (waiting(app, "celery"), waiting(app, "feed")) == (1, 1)


def test_broadcast_reaches_every_consumer(apps: Any) -> None:
    settings = {"task_routes": {"reload": "everybody"}}
    workers = [apps(task_queues=[Broadcast("everybody")], **settings) for _ in range(2)]
    for worker in workers:
        consume(worker)
    producer = apps(task_queues=[Broadcast("everybody")], **settings)
    producer.send_task("reload")
    assert [waiting(worker, "everybody") for worker in workers] == [1, 1]
    (unused,) = producer.queues.select()
    assert unused not in producer.transport.queues()


def test_priorities_of_a_queue(apps: Any) -> None:
    app = apps(task_queues=[Queue("q", max_priority=9)], task_routes={"*": "q"})
    consume(app)
    for priority in (1, 9, 5):
        app.send_task("t", priority=priority)
    receiver = app.transport.receiver(["q"], credit=3, lease=10)
    received = [delivery.message.properties.priority for delivery in receiver.receive(3, 1)]
    receiver.close()
    assert received == [9, 5, 1]

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cicely import Cicely
from cicely.exceptions import CicelyWarning, UnknownOption
from cicely_transports.spi import Delivery, Send


@pytest.fixture
def app(request: pytest.FixtureRequest) -> Iterator[Cicely]:
    app = Cicely("proj", broker=f"memory://{request.node.name}", set_as_current=False)
    app.task(name="add", queue="sums")(lambda x, y: x + y)
    yield app
    app.close()


def received(app: Cicely, *queues: str) -> list[Delivery]:
    receiver = app.transport.receiver(queues, credit=100, lease=10)
    try:
        return receiver.receive(100, 1)
    finally:
        receiver.close()


def arguments(deliveries: Sequence[Delivery]) -> list[Any]:
    return [json.loads(delivery.message.body)[:2] for delivery in deliveries]


def test_send_task_by_name(app: Cicely) -> None:
    result = app.send_task("elsewhere.task", (1,), {"b": 2}, priority=3)
    (delivery,) = received(app, "celery")
    assert delivery.message.headers["task"] == "elsewhere.task"
    assert delivery.message.headers["id"] == result.id
    assert delivery.message.properties.priority == 3
    assert arguments([delivery]) == [[[1], {"b": 2}]]


def test_send_task_follows_routes_and_options(app: Cicely) -> None:
    app.conf.task_routes = {"video.*": "video"}
    app.send_task("video.encode")
    app.send_task("video.encode", queue="urgent")
    assert [delivery.queue for delivery in received(app, "video")] == ["video"]
    assert [delivery.queue for delivery in received(app, "urgent")] == ["urgent"]
    with pytest.raises(UnknownOption, match="did you mean 'countdown'"):
        app.send_task("video.encode", countdwn=3)


def test_send_many_keeps_order_and_options(app: Cicely) -> None:
    add = app.tasks["add"]
    results = app.send_many(
        [add.s(1, 1), add.s(2, 2).set(queue="others"), app.signature("unknown.task", (3,)), dict(add.s(4, 4))]
    )
    sums, others, rest = received(app, "sums"), received(app, "others"), received(app, "celery")
    assert arguments(sums) == [[[1, 1], {}], [[4, 4], {}]]
    assert arguments(others) == [[[2, 2], {}]]
    assert arguments(rest) == [[[3], {}]]
    ids = [delivery.message.headers["id"] for delivery in (sums[0], others[0], rest[0], sums[1])]
    assert [result.id for result in results] == ids


def test_send_many_is_one_publish(app: Cicely, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    publish = app.publisher.publish

    def counted(sends: Sequence[Send]) -> None:
        batches.append(len(sends))
        publish(sends)

    monkeypatch.setattr(app.publisher, "publish", counted)
    assert len(app.send_many(app.tasks["add"].s(number, 1) for number in range(50))) == 50
    assert batches == [50]
    assert app.send_many([]) == []


def test_send_many_checks_everything_before_it_publishes(app: Cicely) -> None:
    add = app.tasks["add"]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        app.send_many([add.s(1, 1), add.s(1)])
    assert received(app, "sums") == []


def test_eager(app: Cicely) -> None:
    app.conf.task_always_eager = True
    assert [result.get() for result in app.send_many([app.tasks["add"].s(2, 3)])] == [5]
    with pytest.warns(CicelyWarning, match="no effect on send_task"):
        app.send_task("add", (1, 2))
    assert arguments(received(app, "celery")) == [[[1, 2], {}]]


def test_messages_name_the_process_for_replies(app: Cicely) -> None:
    app.send_task("t")
    (delivery,) = received(app, "celery")
    assert delivery.message.properties.reply_to == app.oid


def test_results_belong_to_the_app(app: Cicely) -> None:
    assert app.AsyncResult("some-id").app is app
    assert app.signature("t").app is app

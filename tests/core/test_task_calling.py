"""What a call becomes on the wire (features TK1)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cicely import Cicely, Task
from cicely.exceptions import UnknownOption
from cicely.signals import after_task_publish, before_task_publish, task_sent
from cicely.testing.inprocess import Drain
from cicely_transports.errors import EncodeError
from cicely_transports.spi import Delivery


@pytest.fixture
def add(app: Cicely) -> Task[[int, int], int]:
    @app.task(name="add")
    def add(x: int, y: int = 0) -> int:
        return x + y

    return add


def taken(app: Cicely, queue: str = "celery") -> Delivery:
    receiver = app.transport.receiver([queue], credit=1, lease=60)
    try:
        (found,) = receiver.receive(1, 1.0)
    finally:
        receiver.close()
    return found


def test_delay(app: Cicely, add: Task[..., int]) -> None:
    result = add.delay(1, y=2)
    message = taken(app).message
    assert message.headers["id"] == result.id == message.properties.correlation_id
    assert message.headers["task"] == "add"
    assert message.headers["argsrepr"] == "(1,)"
    assert message.headers["ignore_result"] is False
    assert message.properties.reply_to == app.oid
    assert message.body.startswith(b'[[1], {"y": 2}, ')


def test_options_travel(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async(
        (1,),
        task_id="my-id",
        priority=7,
        headers={"tenant": "a"},
        shadow="other",
        time_limit=30,
        soft_time_limit=20,
        ignore_result=True,
        reply_to="me",
        delivery_mode="transient",
        MessageGroupId="g",
        group_id="grp",
        group_index=2,
        root_id="root",
        parent_id="parent",
        queue="q2",
    )
    delivery = taken(app, "q2")
    headers, properties = delivery.message.headers, delivery.message.properties
    expected = {
        "id": "my-id",
        "tenant": "a",
        "shadow": "other",
        "timelimit": [30, 20],
        "ignore_result": True,
        "group": "grp",
        "group_index": 2,
        "root_id": "root",
        "parent_id": "parent",
    }
    assert {name: headers[name] for name in expected} == expected
    assert (properties.priority, properties.reply_to, properties.delivery_mode) == (7, "me", 1)
    assert properties.extra == {"MessageGroupId": "g"}


def test_countdown_belongs_to_the_broker(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1,), countdown=60)
    size = app.transport.sizes(["celery"])["celery"]
    assert (size.ready, size.delayed) == (0, 1)


def test_eta_is_in_header_and_delay(app: Cicely, add: Task[..., int]) -> None:
    moment = datetime.now(UTC) - timedelta(seconds=5)
    add.apply_async((1,), eta=moment)
    assert taken(app).message.headers["eta"] == moment.isoformat()


def test_a_naive_eta_is_local_to_the_app(app: Cicely, add: Task[..., int]) -> None:
    app.conf.timezone = "Asia/Tokyo"
    add.apply_async((1,), eta=datetime(2020, 1, 2, 3, 4, 5))  # noqa: DTZ001 - naive on purpose
    assert taken(app).message.headers["eta"] == "2020-01-02T03:04:05+09:00"


def test_expires_in_seconds(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1,), expires=120)
    message = taken(app).message
    left = datetime.fromisoformat(message.headers["expires"]) - datetime.now(UTC)
    assert timedelta(seconds=110) < left <= timedelta(seconds=120)
    assert message.properties.expiration == "120000"


def test_an_expiry_in_the_past_is_sent_nevertheless(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1,), expires=datetime.now(UTC) - timedelta(hours=1))
    assert taken(app).message.properties.expiration == "0"


@pytest.mark.parametrize(("serializer", "kind"), [("pickle", "x-python-serialize"), ("msgpack", "x-msgpack")])
def test_serializer(app: Cicely, add: Task[..., int], serializer: str, kind: str) -> None:
    add.apply_async((1,), serializer=serializer)
    assert taken(app).message.properties.content_type == f"application/{kind}"


def test_compression(app: Cicely, add: Task[..., int]) -> None:
    add.apply_async((1,), compression="gzip")
    assert taken(app).message.headers["compression"] == "application/x-gzip"


def test_a_typo_in_an_option_sends_nothing(app: Cicely, add: Task[..., int]) -> None:
    with pytest.raises(UnknownOption, match="did you mean 'countdown'"):
        add.apply_async((1,), countdwon=3)
    assert app.transport.sizes(["celery"])["celery"].ready == 0


def test_limits_are_checked(add: Task[..., int]) -> None:
    with pytest.raises(ValueError, match="soft_time_limit must be less than or equal to time_limit"):
        add.apply_async((1,), soft_time_limit=3, time_limit=2)


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((), {}, r"add\(\) missing 1 required positional argument: 'x'"),
        ((1, 2, 3), {}, r"add\(\) takes from 1 to 2 positional arguments but 3 were given"),
        ((1,), {"z": 1}, r"add\(\) got an unexpected keyword argument 'z'"),
        ((1,), {"x": 1}, r"add\(\) got multiple values for argument 'x'"),
    ],
)
def test_arguments_are_checked_when_sending(
    add: Task[..., int], args: tuple[Any, ...], kwargs: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError, match=text):
        add.apply_async(args, kwargs)


def test_the_check_can_be_left_out(app: Cicely) -> None:
    @app.task(name="loose", typing=False)
    def loose(x: int) -> None: ...

    loose.delay()
    assert taken(app).message.headers["task"] == "loose"


def test_a_bound_task_is_checked_without_self(app: Cicely) -> None:
    @app.task(name="bound", bind=True)
    def bound(self: Any, x: int) -> None: ...

    bound.delay(1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        bound.delay()


def test_what_cannot_be_written_names_its_path(add: Task[..., int]) -> None:
    with pytest.raises(EncodeError, match=r"the call of add cannot be sent: args\[1\] is an object"):
        add.delay(1, object())


def test_attributes_of_the_task_are_options_of_its_calls(app: Cicely) -> None:
    @app.task(name="heavy", queue="slow", priority=2, time_limit=9, ignore_result=True, serializer="pickle")
    def heavy() -> None: ...

    heavy.delay()
    delivery = taken(app, "slow")
    assert delivery.message.properties.priority == 2
    assert delivery.message.headers["timelimit"] == [9, None]
    assert delivery.message.headers["ignore_result"] is True
    assert delivery.message.properties.content_type == "application/x-python-serialize"
    heavy.apply_async(queue="fast", priority=5)
    assert taken(app, "fast").message.properties.priority == 5


def test_a_changed_attribute_counts_from_then_on(app: Cicely, add: Task[..., int]) -> None:
    add.delay(1)
    taken(app)
    add.queue = "elsewhere"
    add.delay(1)
    assert taken(app, "elsewhere").message.headers["task"] == "add"


def test_an_option_that_is_none_is_one_that_is_not_given(app: Cicely) -> None:
    @app.task(name="slow", queue="slow")
    def slow() -> None: ...

    slow.apply_async(queue=None)
    assert taken(app, "slow")


def test_before_publish_may_change_the_headers(app: Cicely, add: Task[..., int]) -> None:
    seen: dict[str, Any] = {}

    def listen(sender: str, headers: dict[str, Any], body: Any, **rest: Any) -> None:
        seen.update(sender=sender, body=body, **rest)
        headers["tenant"] = "a"

    before_task_publish.connect(listen, sender="add")
    try:
        add.delay(1)
    finally:
        before_task_publish.disconnect(listen, sender="add")
    assert taken(app).message.headers["tenant"] == "a"
    assert seen["sender"] == "add"
    assert seen["body"][0] == (1,)
    assert seen["routing_key"] == "celery"
    assert seen["declare"] == ["celery"]
    assert seen["properties"]["correlation_id"]


@pytest.fixture
def published() -> Iterator[list[dict[str, Any]]]:
    found: list[dict[str, Any]] = []

    def listen(**named: Any) -> None:
        found.append(named)

    after_task_publish.connect(listen)
    yield found
    after_task_publish.disconnect(listen)


def test_after_publish(add: Task[..., int], published: list[dict[str, Any]]) -> None:
    result = add.delay(1)
    (named,) = published
    assert named["sender"] == "add"
    assert named["headers"]["id"] == result.id
    assert named["body"][0] == [1]
    assert (named["exchange"], named["routing_key"]) == ("", "celery")


def test_the_old_signal(app: Cicely, add: Task[..., int]) -> None:
    seen: list[Any] = []

    def listen(**named: Any) -> None:
        seen.append((named["task_id"], named["task"], named["args"], named["kwargs"], named["eta"]))

    task_sent.connect(listen)
    try:
        result = add.apply_async((1,), compression="gzip")
    finally:
        task_sent.disconnect(listen)
    assert seen == [(result.id, "add", [1], {}, None)]


def test_sending_from_a_coroutine(app: Cicely, add: Task[..., int]) -> None:
    result = asyncio.run(add.adelay(1))
    assert taken(app).message.headers["id"] == result.id


def test_sending_by_name(app: Cicely) -> None:
    result = app.send_task("elsewhere.task", [1], {"a": 2}, queue="q2")
    message = taken(app, "q2").message
    assert message.headers["id"] == result.id
    assert message.headers["ignore_result"] is None
    assert message.headers["argsrepr"] == "[1]"


def test_calls_inside_a_task_inherit(app: Cicely, drain: Drain) -> None:
    app.conf.task_inherit_parent_priority = True

    @app.task(name="child")
    def child() -> None: ...

    @app.task(name="parent")
    def parent() -> None:
        child.delay()
        child.apply_async(add_to_parent=False)

    result = parent.apply_async(priority=6, root_id="the-root")
    drain.run_one()
    message = taken(app).message
    assert message.headers["root_id"] == "the-root"
    assert message.headers["parent_id"] == result.id
    assert message.properties.priority == 6
    children = result.children
    assert children is not None
    assert [found.id for found in children] == [message.headers["id"]]


def test_the_root_of_a_call_without_parent_is_itself(app: Cicely, add: Task[..., int]) -> None:
    result = add.delay(1)
    headers = taken(app).message.headers
    assert (headers["root_id"], headers["parent_id"]) == (result.id, None)


def test_a_subclass_may_add_to_every_call(app: Cicely) -> None:
    class Tenant(Task[..., Any]):
        def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
            return super().apply_async(args, kwargs, headers={"tenant": "a"}, **options)

    @app.task(name="mine", base=Tenant)
    def mine() -> None: ...

    mine.delay()
    assert taken(app).message.headers["tenant"] == "a"

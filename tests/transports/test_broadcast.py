from __future__ import annotations

from cicely_transports import Connection, Exchange, Producer
from cicely_transports.common import EXPIRES, Broadcast


def test_names() -> None:
    queue = Broadcast("news")
    assert queue.name.startswith("bcast.")
    assert queue.alias == "news"
    assert queue.exchange == Exchange("news", "fanout")
    assert queue.spec().expires == EXPIRES
    assert Broadcast("news", queue="mine").name == "mine"
    assert Broadcast("news", queue="mine", unique=True).name.startswith("mine.")
    assert Broadcast("news").name != queue.name


def test_auto_delete_instead_of_expiry() -> None:
    spec = Broadcast("news", auto_delete=True).spec()
    assert (spec.auto_delete, spec.expires) == (True, None)


def test_every_consumer_gets_the_message() -> None:
    with Connection("memory://broadcast") as connection:
        queues = [Broadcast("news")(connection) for _ in range(3)]
        for queue in queues:
            queue.declare()
        Producer(connection).publish({"hello": "all"}, exchange=Exchange("news", "fanout"), routing_key="")
        sizes = queues[0].channel.transport.sizes([queue.name for queue in queues])
        assert [size.ready for size in sizes.values()] == [1, 1, 1]

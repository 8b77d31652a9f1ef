"""Exchanges, queues and bindings: descriptions, what they declare, what they do when bound."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from cicely_transports import Connection, Exchange, Message, Queue, binding
from cicely_transports.errors import MisuseError, NotSupported, TopologyConflict, UnknownOption
from cicely_transports.topology import BindingSpec, ExchangeSpec, QueueSpec, Topology

#: The map of an active_queues reply (wire-compat section 8.6), with its order of keys.
ACTIVE_QUEUE: dict[str, Any] = {
    "name": "celery",
    "exchange": {
        "name": "celery",
        "type": "direct",
        "arguments": None,
        "durable": True,
        "passive": False,
        "auto_delete": False,
        "delivery_mode": None,
        "no_declare": False,
    },
    "routing_key": "celery",
    "queue_arguments": None,
    "binding_arguments": None,
    "consumer_arguments": None,
    "durable": True,
    "exclusive": False,
    "auto_delete": False,
    "no_ack": False,
    "alias": None,
    "bindings": [],
    "no_declare": None,
    "expires": None,
    "message_ttl": None,
    "max_length": None,
    "max_length_bytes": None,
    "max_priority": None,
}


def test_as_dict_is_that_of_active_queues() -> None:
    queue = Queue("celery", Exchange("celery"), "celery")
    assert list(queue.as_dict(recurse=True).items()) == list(ACTIVE_QUEUE.items())
    assert queue.as_dict()["exchange"] is queue.exchange


def test_from_dict_reads_what_as_dict_writes() -> None:
    queue = Queue("q", Exchange("e", "topic", durable=False), "a.#", message_ttl=3, max_priority=5)
    assert Queue.from_dict(**queue.as_dict()) == queue
    assert Queue.from_dict(**queue.as_dict(recurse=True)) == queue


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Queue("q")),
        ({"exchange": "e", "routing_key": "k"}, Queue("q", Exchange("e"), "k")),
        (
            {"exchange": "e", "exchange_type": "topic", "binding_key": "k"},
            Queue("q", Exchange("e", "topic"), "k"),
        ),
        ({"exchange_type": "fanout"}, Queue("q", Exchange("q", "fanout"))),
        (
            {"exchange": "e", "exchange_durable": False, "queue_durable": False, "delivery_mode": 1},
            Queue("q", Exchange("e", durable=False, delivery_mode=1), durable=False),
        ),
        ({"queue_arguments": {"x-max-priority": 3}}, Queue("q", queue_arguments={"x-max-priority": 3})),
    ],
)
def test_from_dict(options: dict[str, Any], expected: Queue) -> None:
    assert Queue.from_dict("q", **options) == expected


def test_unknown_keywords_have_the_near_name() -> None:
    with pytest.raises(UnknownOption, match=r"Queue\(\) has no option 'durabel'; did you mean 'durable'"):
        Queue("q", durabel=True)
    with pytest.raises(UnknownOption, match="did you mean 'auto_delete'"):
        Exchange("e", autodelete=True)
    with pytest.raises(UnknownOption, match="queue 'q' has no option 'routing_keys'"):
        Queue.from_dict("q", routing_keys="k")
    with pytest.raises(MisuseError, match="neither 'transient'"):
        Exchange("e", delivery_mode="sometimes")


def test_topology_of_a_queue() -> None:
    extra = binding(Exchange("logs", "fanout"))
    queue = Queue("q", Exchange("e", "topic"), "a.*", bindings=[extra], binding_arguments={"x": 1})
    assert queue.topology() == Topology(
        exchanges=(ExchangeSpec("e", "topic"), ExchangeSpec("logs", "fanout")),
        queues=(QueueSpec("q"),),
        bindings=(BindingSpec("e", "q", "a.*", {"x": 1}), BindingSpec("logs", "q")),
    )
    assert Queue("q", [extra]).topology().bindings == (BindingSpec("logs", "q"),)
    assert Queue("q").topology() == Topology(queues=(QueueSpec("q"),))
    assert Queue("q", "e", no_declare=True).topology() == Topology()
    assert Queue("q", Exchange("e", passive=True)).topology().exchanges == ()


def test_arguments_with_a_name_of_their_own() -> None:
    arguments = {
        "x-expires": 1500,
        "x-message-ttl": 60000,
        "x-max-length": 9,
        "x-max-priority": 7,
        "x-other": 1,
    }
    assert Queue("q", queue_arguments=arguments).spec() == QueueSpec(
        "q", expires=1.5, message_ttl=60.0, max_length=9, max_priority=7, arguments={"x-other": 1}
    )
    assert Queue("q", expires=2.0, queue_arguments={"x-expires": 1}).spec().expires == 2.0


def test_equality_hash_copy_and_pickle(memory: Connection) -> None:
    queue = Queue("q", Exchange("e"), "k")
    assert queue == Queue("q", Exchange("e"), "k")
    assert queue != Queue("q", Exchange("e"), "other")
    assert queue != Exchange("q")
    assert len({queue, Queue("q", Exchange("e"), "k")}) == 1
    bound = queue(memory)
    assert (bound == queue, bound.is_bound, queue.is_bound) == (True, True, False)
    for other in (pickle.loads(pickle.dumps(bound)), copy.copy(bound)):
        assert other == queue
        assert not other.is_bound


def test_unbound_entities_say_so() -> None:
    with pytest.raises(MisuseError, match=r"<Queue 'q'.*> is not bound"):
        Queue("q").declare()
    with pytest.raises(MisuseError, match="is not bound"):
        Exchange("e").delete()


def test_declare_and_delete(connection: Connection) -> None:
    queue = Queue("q", Exchange("e", "topic"), "a.*")(connection)
    assert queue.declare() == "q"
    assert connection.transport.queues() == ["q"]
    bound = Exchange("e", "topic")(connection)
    bound.publish("text", "a.b")
    bound.publish(b"bytes", "z.b")
    assert queue.queue_declare() == ("q", 1, 0)
    queue.delete(if_empty=True)
    assert queue.queue_declare(passive=True).message_count == 1
    assert queue.purge() == 1
    queue.delete(if_empty=True)
    assert connection.transport.queues() == []
    with pytest.raises(MisuseError, match="there is no queue 'q'"):
        queue.queue_declare(passive=True)
    with pytest.raises(NotSupported, match="if_unused"):
        queue.delete(if_unused=True)
    bound.delete()
    Exchange("e", "fanout")(connection).declare()


def test_conflicting_declaration(connection: Connection) -> None:
    Exchange("e", "topic").declare(channel=connection)
    with pytest.raises(TopologyConflict, match="type='topic', not type='direct'"):
        Exchange("e").declare(channel=connection)
    with pytest.raises(NotSupported, match="did you mean 'fanout'"):
        Exchange("f", "fanuot").declare(channel=connection)


def test_bind_and_unbind(connection: Connection) -> None:
    queue = Queue("q")(connection)
    queue.declare()
    exchange = Exchange("e")(connection)
    queue.bind_to(exchange, "k")
    exchange.publish(b"1", "k")
    queue.unbind_from("e", "k")
    exchange.publish(b"2", "k")
    assert queue.queue_declare(passive=True).message_count == 1
    routed = Queue("r", exchange, "k")(connection)
    routed.queue_declare()
    exchange.publish(b"3", "k")
    assert routed.queue_declare(passive=True).message_count == 0
    routed.queue_bind()
    exchange.publish(b"4", "k")
    routed.queue_unbind()
    exchange.publish(b"5", "k")
    assert routed.queue_declare(passive=True).message_count == 1


def test_a_queue_without_a_name_gets_one(memory: Connection) -> None:
    seen: list[tuple[str, int, int]] = []
    queue = Queue(exchange=Exchange("e", "fanout"), on_declared=lambda *ok: seen.append(ok))(memory)
    name = queue.declare()
    assert name.startswith("cicely.gen-")
    assert seen == [(name, 0, 0)]
    assert Queue()(memory).declare() != name


def test_consume_with_a_callback(memory: Connection) -> None:
    queue = Queue("q")(memory)
    queue.declare()
    got: list[Any] = []
    tag = queue.consume(callback=lambda message: got.append(message.body), no_ack=True)
    Exchange()(memory).publish(b"1", "q")
    memory.drain_events(timeout=5)
    queue.cancel(tag)
    queue.cancel("unknown")
    Exchange()(memory).publish(b"2", "q")
    with pytest.raises(TimeoutError):
        memory.drain_events(timeout=0.01)
    assert got == [b"1"]
    assert memory.transport.sizes(["q"])["q"].leased == 0
    with pytest.raises(MisuseError, match="needs a callback"):
        queue.consume()


def test_messages_made_by_an_exchange() -> None:
    exchange = Exchange("e", delivery_mode="transient")
    message = exchange.Message("text", properties={"reply_to": "r"}, headers={"h": 1}, priority=3)
    assert isinstance(message, Message)
    assert (message.body, message.headers) == (b"text", {"h": 1})
    properties = message.properties
    assert (properties.delivery_mode, properties.reply_to, properties.priority) == (1, "r", 3)
    assert (properties.content_type, properties.content_encoding) == ("text/plain", "utf-8")
    assert exchange.Message(b"x", "persistent").properties.delivery_mode == exchange.PERSISTENT_DELIVERY_MODE
    with pytest.raises(UnknownOption, match="did you mean 'priority'"):
        exchange.Message(b"x", priorty=3)


def test_binding_of_an_exchange() -> None:
    exchange = Exchange("e", "topic")
    made = exchange.binding("k", {"x": 1})
    assert made == binding(exchange, "k", {"x": 1})
    assert Queue("q", [made]).as_dict(recurse=True)["bindings"][0]["exchange"]["name"] == "e"
    assert binding().topology("q") == Topology()

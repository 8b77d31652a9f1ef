from __future__ import annotations

import warnings
from typing import Any

import pytest

from cicely.exceptions import CicelyWarning, ImproperlyConfigured, QueueNotFound
from cicely.queues import Queues, names_of
from cicely.settings import Settings
from cicely_transports import Exchange, Queue
from cicely_transports.common import Broadcast
from cicely_transports.topology import BindingSpec, ExchangeSpec, QueueSpec, Topology


def queues(**settings: Any) -> Queues:
    conf = Settings()
    conf.update(settings)
    return Queues(conf)


def test_without_configuration_there_is_the_default_queue() -> None:
    known = queues()
    assert list(known) == ["celery"]
    assert known.topology(["celery"]) == Topology(
        (ExchangeSpec("celery"),), (QueueSpec("celery"),), (BindingSpec("celery", "celery", "celery"),)
    )


def test_default_queue_takes_its_settings() -> None:
    entry = queues(
        task_default_queue="main",
        task_default_exchange="tasks",
        task_default_exchange_type="topic",
        task_default_routing_key="task.main",
        task_default_queue_type="quorum",
    ).default
    assert entry.exchange == ExchangeSpec("tasks", "topic")
    assert entry.topology.bindings == (BindingSpec("tasks", "main", "task.main"),)
    assert entry.spec.arguments == {"x-queue-type": "quorum"}


@pytest.mark.parametrize("value", ["a, b", ["a", "b"], {"a": {}, "b": {}}, (Queue("a"), Queue("b"))])
def test_forms_of_task_queues(value: Any) -> None:
    known = queues(task_queues=value)
    assert list(known) == ["a", "b"]
    assert known["a"].exchange == ExchangeSpec("celery")
    assert known["a"].routing_key == "a"


def test_dict_options() -> None:
    known = queues(
        task_queues={
            "video": {
                "exchange": "media",
                "exchange_type": "topic",
                "exchange_durable": False,
                "binding_key": "media.#",
                "queue_arguments": {"x-single-active-consumer": True},
                "max_priority": 5,
                "expires": 60,
                "durable": False,
            }
        }
    )
    entry = known["video"]
    assert entry.exchange == ExchangeSpec("media", "topic", durable=False)
    assert entry.topology.bindings == (BindingSpec("media", "video", "media.#"),)
    assert entry.spec == QueueSpec(
        "video", durable=False, expires=60, max_priority=5, arguments={"x-single-active-consumer": True}
    )


def test_unknown_dict_option_gives_the_near_one() -> None:
    with pytest.raises(
        ImproperlyConfigured,
        match=r"queue 'a' has no option 'routing_kye'; did you mean 'routing_key'",
    ):
        list(queues(task_queues={"a": {"routing_kye": "x"}}))
    with pytest.raises(ImproperlyConfigured, match=r"not builtins\.int"):
        list(queues(task_queues=[1]))


def test_queue_objects() -> None:
    known = queues(
        task_queues=[Queue("q", Exchange("x", "topic", delivery_mode=1), "a.#", max_priority=3)],
        task_queue_max_priority=9,
    )
    entry = known["q"]
    assert entry.exchange == ExchangeSpec("x", "topic")
    assert entry.spec == QueueSpec("q", max_priority=3)
    assert entry.delivery_mode == 1
    assert known["new"].spec.max_priority == 9


def test_missing_queue_is_made_with_an_exchange_of_its_own() -> None:
    known = queues(task_create_missing_queue_exchange_type="topic", task_create_missing_queue_type="quorum")
    entry = known["fresh"]
    assert entry.exchange == ExchangeSpec("fresh", "topic")
    assert entry.topology.bindings == (BindingSpec("fresh", "fresh", "fresh"),)
    assert entry.spec.arguments == {"x-queue-type": "quorum"}
    assert known["fresh"] is entry
    assert "fresh" not in known


def test_missing_queue_can_be_an_error() -> None:
    known = queues(task_queues=["video", "mail"], task_create_missing_queues=False)
    with pytest.raises(QueueNotFound, match=r"queue 'vidoe' .*\('mail', 'video'\).*did you mean 'video'"):
        known["vidoe"]
    with pytest.raises(QueueNotFound):
        known.select(["vidoe"])


def test_near_miss_is_warned_about_once() -> None:
    known = queues(task_queues=["video", "mail"])
    with pytest.warns(CicelyWarning, match="did you mean 'video'"):
        known["vidoe"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        known["vidoe"]
        known["something-else"]
        known["celery"]
        queues()["celry"]


def test_select_and_deselect() -> None:
    known = queues(task_queues=["a", "b", "c"])
    assert known.select() == ["a", "b", "c"]
    assert known.select(["c", "a", "c"]) == ["c", "a"]
    assert known.select(["a", "new"]) == ["a", "new"]
    assert known.deselect(["b"]) == ["a", "c"]
    assert known.select(["a", "b"], exclude=["a"]) == ["b"]


def test_broadcast() -> None:
    known = queues(task_queues=[Broadcast("everybody")])
    assert list(known) == ["everybody"]
    (name,) = known.select(["everybody"])
    assert name.startswith("bcast.")
    consuming = known.topology([name])
    assert [spec.name for spec in consuming.queues] == [name]
    assert consuming.bindings == (BindingSpec("everybody", name, ""),)
    publishing = known.topology(["everybody"], publishing=True)
    assert publishing == Topology((ExchangeSpec("everybody", "fanout"),))
    assert known.topology_of("everybody", "") == publishing


def test_every_worker_has_a_broadcast_of_its_own() -> None:
    names = [queues(task_queues=[Broadcast("everybody")]).select()[0] for _ in range(2)]
    assert len(set(names)) == 2


def test_more_bindings_and_rabbitmq_arguments() -> None:
    queue = Queue(
        "q",
        Exchange("x", "topic"),
        "a",
        bindings=[Exchange("y").binding("b")],
        queue_arguments={"x-max-priority": 4},
    )
    known = queues(task_queues=[queue], task_queue_max_priority=9)
    assert known["q"].spec == QueueSpec("q", max_priority=4)
    assert known["q"].topology.bindings == (BindingSpec("x", "q", "a"), BindingSpec("y", "q", "b"))
    assert queue.max_priority is None


def test_topology_of_a_destination() -> None:
    known = queues(task_queues={"a": {"exchange": "x"}, "b": {"exchange": "x"}, "c": {}})
    assert known.topology_of("", "a") == known.topology(["a"])
    assert known.topology_of("x", "anything") == known.topology(["a", "b"])
    assert known.topology_of("", "elsewhere") is None
    known["elsewhere"]
    assert known.topology_of("", "elsewhere") == known.topology(["elsewhere"])


def test_joined_topologies_have_no_doubles() -> None:
    known = queues(task_queues={"a": {"exchange": "x"}, "b": {"exchange": "x"}})
    joined = known.topology(["a", "b", "a"])
    assert [exchange.name for exchange in joined.exchanges] == ["x"]
    assert [queue.name for queue in joined.queues] == ["a", "b"]
    assert len(joined.bindings) == 2


def test_changes_of_settings_are_seen() -> None:
    conf = Settings()
    known = Queues(conf)
    assert list(known) == ["celery"]
    conf.task_default_queue = "other"
    assert list(known) == ["other"]
    conf.task_queues = ["a"]
    assert list(known) == ["a"]
    assert known.default.name == "other"
    known.add("b")
    assert known["b"].exchange.name == "other"


def test_names_of() -> None:
    assert names_of("a, b,,c ") == ["a", "b", "c"]
    assert names_of(["a ", 1]) == ["a", "1"]
    assert names_of(None) == []

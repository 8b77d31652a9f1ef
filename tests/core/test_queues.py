from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import pytest

from cicely.exceptions import CicelyWarning, ImproperlyConfigured, QueueNotFound
from cicely.queues import Queues, names_of
from cicely.settings import Settings
from cicely_transports.topology import BindingSpec, ExchangeSpec, QueueSpec, Topology


@dataclass
class ExchangeLike:
    name: str
    type: str = "direct"
    delivery_mode: int | None = None


@dataclass
class QueueLike:
    name: str
    exchange: Any = None
    routing_key: str = ""
    queue_arguments: dict[str, Any] = field(default_factory=dict)
    max_priority: int | None = None
    auto_delete: bool = False
    alias: str | None = None


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
    assert entry.bindings == (BindingSpec("tasks", "main", "task.main"),)
    assert entry.spec.arguments == {"x-queue-type": "quorum"}


@pytest.mark.parametrize("value", ["a, b", ["a", "b"], {"a": {}, "b": {}}, (QueueLike("a"), QueueLike("b"))])
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
    assert entry.bindings == (BindingSpec("media", "video", "media.#"),)
    assert entry.spec == QueueSpec(
        "video", durable=False, expires=60, max_priority=5, arguments={"x-single-active-consumer": True}
    )


def test_unknown_dict_option_gives_the_near_one() -> None:
    with pytest.raises(
        ImproperlyConfigured,
        match=r"task_queues\['a'\] has no option 'routing_kye'; did you mean 'routing_key'",
    ):
        list(queues(task_queues={"a": {"routing_kye": "x"}}))
    with pytest.raises(ImproperlyConfigured, match="not int"):
        list(queues(task_queues=[1]))


def test_queue_objects() -> None:
    known = queues(
        task_queues=[QueueLike("q", ExchangeLike("x", "topic", 1), "a.#", {"k": 1}, max_priority=3)],
        task_queue_max_priority=9,
    )
    entry = known["q"]
    assert entry.exchange == ExchangeSpec("x", "topic")
    assert entry.spec == QueueSpec("q", max_priority=3, arguments={"k": 1})
    assert entry.delivery_mode == 1
    assert known["new"].spec.max_priority == 9


def test_missing_queue_is_made_with_an_exchange_of_its_own() -> None:
    known = queues(task_create_missing_queue_exchange_type="topic", task_create_missing_queue_type="quorum")
    entry = known["fresh"]
    assert entry.exchange == ExchangeSpec("fresh", "topic")
    assert entry.bindings == (BindingSpec("fresh", "fresh", "fresh"),)
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
    known = queues(
        task_queues=[
            QueueLike("bcast.1", ExchangeLike("everybody", "fanout"), auto_delete=True, alias="everybody")
        ]
    )
    assert list(known) == ["everybody"]
    assert known.select(["everybody"]) == ["bcast.1"]
    consuming = known.topology(["bcast.1"])
    assert consuming.queues == (QueueSpec("bcast.1", auto_delete=True),)
    assert consuming.bindings == (BindingSpec("everybody", "bcast.1", ""),)
    publishing = known.topology(["everybody"], publishing=True)
    assert publishing == Topology((ExchangeSpec("everybody", "fanout"),))
    assert known.topology_of("everybody", "") == publishing


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

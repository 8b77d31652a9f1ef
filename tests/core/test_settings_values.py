from __future__ import annotations

import threading
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cicely.exceptions import ImproperlyConfigured, UnknownSettingWarning
from cicely.settings import TABLE, Settings


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for row in TABLE.values():
        for variable in row.environment:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("CELERY_CONFIG_MODULE", raising=False)
    monkeypatch.delenv("CICELY_CONFIG_MODULE", raising=False)
    return Settings()


def test_defaults(conf: Settings) -> None:
    assert conf.task_serializer == "json"
    assert conf.task_acks_late is True
    assert conf.task_reject_on_worker_lost is True
    assert conf.task_max_deliveries == 5
    assert conf.worker_lease == 30.0
    assert conf.broker_publish_timeout == 5.0
    assert conf.worker_shutdown_grace == 25.0
    assert conf.broker_url is None


def test_values_are_plain_attributes_once_loaded(conf: Settings) -> None:
    conf.load()
    assert vars(conf)["task_serializer"] == "json"
    conf.task_serializer = "msgpack"
    assert vars(conf)["task_serializer"] == "msgpack"


def test_every_default_is_accepted_by_its_own_kind() -> None:
    for row in TABLE.values():
        assert row.accept(row.fresh_default(), row.name) == row.default


def test_mutable_defaults_are_not_shared_but_stay(conf: Settings) -> None:
    conf.beat_schedule["x"] = {"task": "t"}
    assert Settings().beat_schedule == {}
    conf.task_routes = {"a": "b"}
    conf.from_object({"task_serializer": "yaml"})
    assert conf.beat_schedule == {"x": {"task": "t"}}


def test_fallbacks_follow_until_they_are_given(conf: Settings) -> None:
    assert conf.task_default_exchange == conf.task_default_routing_key == "celery"
    conf.task_default_queue = "main"
    assert (conf.task_default_exchange, conf.task_default_routing_key) == ("main", "main")
    conf.task_default_exchange = "other"
    conf.task_default_queue = "third"
    assert (conf.task_default_exchange, conf.task_default_routing_key) == ("other", "third")
    conf.broker_url = "memory://a"
    assert conf.broker_read_url == conf.broker_write_url == "memory://a"


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("result_expires", timedelta(hours=1), 3600.0),
        ("result_expires", None, None),
        ("task_always_eager", 1, True),
        ("worker_concurrency", "auto", "auto"),
        ("accept_content", ["json", "yaml"], ("json", "yaml")),
        ("accept_content", {"b", "a"}, ("a", "b")),
        ("imports", "proj.tasks", ("proj.tasks",)),
        ("broker_url", ["redis://a", "redis://b"], ("redis://a", "redis://b")),
        ("worker_state_db", Path("/tmp/x"), "/tmp/x"),
        ("task_default_delivery_mode", "transient", 1),
        ("worker_max_memory_per_child", 12000.0, 12000),
    ],
)
def test_accepted_spellings(conf: Settings, name: str, value: Any, stored: Any) -> None:
    conf[name] = value
    assert conf[name] == stored
    assert type(conf[name]) is type(stored)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        (
            "task_time_limit",
            "30",
            r"setting task_time_limit takes seconds .* or None, but was given str '30'",
        ),
        ("task_always_eager", "False", "task_always_eager takes True or False, but was given str 'False'"),
        ("worker_concurrency", 2.5, "worker_concurrency takes a whole number or 'auto' or None.*float 2.5"),
        ("task_max_deliveries", True, "task_max_deliveries takes a whole number, but was given bool True"),
        ("task_protocol", 3, "takes 1 or 2"),
        ("task_default_exchange_type", "diract", "one of 'direct', 'topic'"),
        ("beat_schedule", [], "beat_schedule takes a dict, but was given list"),
        ("accept_content", [1], "accept_content takes a list of text, but was given list"),
        ("CELERYD_TASK_TIME_LIMIT", "x", "setting CELERYD_TASK_TIME_LIMIT takes"),
    ],
)
def test_wrong_type_names_key_and_both_types(conf: Settings, name: str, value: Any, text: str) -> None:
    before = dict(conf)
    with pytest.raises(ImproperlyConfigured, match=text):
        conf[name] = value
    assert dict(conf) == before


def test_error_texts_keep_secrets(conf: Settings) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.redis_password = 12345
    assert "12345" not in str(caught.value)
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.broker_transport_options = "redis://u:sesame@h"
    assert "sesame" not in str(caught.value)


def test_unknown_name_warns_with_the_near_one_and_is_kept(conf: Settings) -> None:
    with pytest.warns(
        UnknownSettingWarning, match="'task_serialiser'; did you mean 'task_serializer'"
    ) as caught:
        conf.task_serialiser = "yaml"
    assert caught[0].filename == __file__
    assert conf.task_serialiser == "yaml"
    assert conf.task_serializer == "json"


def test_strict_makes_it_an_error() -> None:
    conf = Settings(strict=True)
    with pytest.raises(ImproperlyConfigured, match="did you mean 'task_serializer'"):
        conf.update(task_serialiser="yaml")
    assert "task_serialiser" not in conf


def test_foreign_capitals_are_not_complained_about(conf: Settings) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conf.update({"DEBUG": True, "SECRET_KEY": "x", "SERVER_NAME": None})
    with pytest.warns(UnknownSettingWarning, match="did you mean 'CELERY_TASK_SERIALIZER'"):
        conf.update({"CELERY_TASK_SERIALISER": "yaml"})
    with pytest.warns(UnknownSettingWarning, match="did you mean 'task_serializer'"):
        conf.update({"TASK_SERIALIZER": "yaml"})


def test_reading_an_unknown_name(conf: Settings) -> None:
    with pytest.raises(AttributeError, match="did you mean 'task_serializer'"):
        _ = conf.task_serialiser
    with pytest.raises(KeyError, match="did you mean 'broker_url'"):
        _ = conf["broker_ulr"]
    assert conf.get("nothing", 7) == 7
    assert "nothing" not in conf


def test_old_names_read_and_write(conf: Settings) -> None:
    conf.CELERY_TASK_SERIALIZER = "yaml"
    assert conf.task_serializer == conf["CELERY_TASK_SERIALIZER"] == "yaml"
    assert "CELERYD_CONCURRENCY" in conf
    conf.update(CELERYBEAT_SCHEDULE={"a": {}})
    assert conf.beat_schedule == {"a": {}}


def test_mapping_interface(conf: Settings) -> None:
    assert set(conf) >= set(TABLE)
    assert len(conf) == len(list(conf))
    conf.update({"task_serializer": "yaml"}, timezone="Europe/Oslo")
    assert conf.changes == {"task_serializer": "yaml", "timezone": "Europe/Oslo"}
    del conf["timezone"]
    assert conf.timezone is None
    with pytest.raises(KeyError, match="was not changed"):
        del conf["timezone"]
    assert conf.setdefault("task_serializer", "json") == "yaml"


def test_add_defaults_yield_to_everything(conf: Settings) -> None:
    conf.add_defaults({"task_serializer": "yaml", "worker_concurrency": 3})
    conf.add_defaults({"worker_concurrency": 4})
    conf.from_object({"task_serializer": "msgpack"})
    assert (conf.task_serializer, conf.worker_concurrency) == ("msgpack", 3)


def test_version_grows_with_changes(conf: Settings) -> None:
    seen = [conf.version]
    conf.task_routes = {}
    seen.append(conf.version)
    conf.load()
    seen.append(conf.version)
    conf.task_routes = {"a": "b"}
    seen.append(conf.version)
    assert seen == sorted(set(seen))


def test_threads_load_once() -> None:
    loads: list[int] = []
    conf = Settings(before=lambda: loads.append(1))
    barrier = threading.Barrier(8)
    got: list[str] = []

    def read() -> None:
        barrier.wait(5)
        got.append(conf.task_serializer)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert got == ["json"] * 8
    assert loads == [1]


def test_humanize_censors(conf: Settings) -> None:
    conf.update(
        broker_url="redis://user:sesame@host/0",
        redis_password="sesame",
        broker_transport_options={"sentinel_kwargs": {"password": "sesame"}, "x": [1]},
        broker_read_url=["redis://:sesame@h", "redis://u:s/es@me:sesame@h"],
        result_backend="sqlite:///x?password=sesame",
        worker_concurrency=2,
    )
    text = conf.humanize()
    assert "sesame" not in text
    assert "redis://user:********@host/0" in text
    assert "worker_concurrency: 2" in text
    assert "task_serializer" not in text
    assert "task_serializer: 'json'" in conf.humanize(with_defaults=True)
    assert "sesame" in conf.humanize(censored=False)
    assert "sesame" not in repr(conf)

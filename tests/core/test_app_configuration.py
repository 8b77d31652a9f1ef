from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cicely import Cicely
from cicely.exceptions import ImproperlyConfigured, UnknownOption, UnknownSettingWarning


def make(**options: Any) -> Cicely:
    return Cicely("proj", set_as_current=False, **options)


def test_keywords_are_settings() -> None:
    app = make(
        broker="memory://b", backend="memory://r", timezone="Europe/Oslo", CELERY_TASK_SERIALIZER="yaml"
    )
    assert app.conf.broker_url == "memory://b"
    assert app.conf.result_backend == "memory://r"
    assert app.conf.timezone == "Europe/Oslo"
    assert app.conf.task_serializer == "yaml"


@pytest.mark.parametrize(
    ("name", "near"), [("brokr", "broker"), ("task_serialiser", "task_serializer"), ("inclde", "include")]
)
def test_unknown_keyword_is_an_error_with_the_near_name(name: str, near: str) -> None:
    with pytest.raises(UnknownOption, match=f"{name!r}; did you mean {near!r}"):
        make(**{name: "x"})


def test_wrong_value_names_the_setting() -> None:
    with pytest.raises(ImproperlyConfigured, match="worker_concurrency takes"):
        make(worker_concurrency="many")


def test_keywords_are_stronger_than_the_source() -> None:
    app = make(broker="memory://keyword", config_source={"broker_url": "memory://source", "timezone": "UTC"})
    assert (app.conf.broker_url, app.conf.timezone) == ("memory://keyword", "UTC")


def test_config_from_object_is_late_unless_forced() -> None:
    app = make()
    assert app.config_from_object("no_such_configuration_module")
    with pytest.raises(ImproperlyConfigured, match="no_such_configuration_module"):
        _ = app.conf.task_serializer
    with pytest.raises(ImproperlyConfigured):
        app.config_from_object("no_such_configuration_module", force=True)
    assert not app.config_from_object("no_such_configuration_module", silent=True)
    assert app.conf.task_serializer == "json"


def test_config_from_envvar(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make()
    monkeypatch.delenv("PROJ_CONFIG", raising=False)
    with pytest.raises(ImproperlyConfigured, match="'PROJ_CONFIG' is not set"):
        app.config_from_envvar("PROJ_CONFIG")
    assert not app.config_from_envvar("PROJ_CONFIG", silent=True)
    monkeypatch.setenv("PROJ_CONFIG", f"{__name__}:Configuration")
    assert app.config_from_envvar("PROJ_CONFIG")
    assert app.conf.worker_concurrency == 11


class Configuration:
    worker_concurrency = 11


def test_strict() -> None:
    app = make(strict=True)
    app.config_from_object({"task_serialiser": "json"})
    with pytest.raises(ImproperlyConfigured, match="task_serializer"):
        _ = app.conf.timezone
    lenient = make()
    with pytest.warns(UnknownSettingWarning):
        lenient.conf.task_serialiser = "json"


def test_configuration_signals() -> None:
    app = make()
    seen: list[Any] = []

    @app.on_configure.connect
    def before(sender: Cicely, **_: Any) -> None:
        seen.append("configure")
        sender.conf.worker_concurrency = 2

    @app.on_after_configure.connect
    def after(sender: Cicely, source: Any, **_: Any) -> None:
        seen.append(("after", source.worker_concurrency, source is sender.conf))

    assert seen == []
    assert app.conf.worker_concurrency == 2
    assert app.conf.timezone is None
    assert seen == ["configure", ("after", 2, True)]


def test_add_defaults() -> None:
    app = make()
    app.add_defaults(lambda: {"worker_concurrency": 4})
    app.add_defaults({"task_serializer": "yaml"})
    app.conf.task_serializer = "json"
    assert (app.conf.worker_concurrency, app.conf.task_serializer) == (4, "json")


def test_time_zone() -> None:
    app = make()
    assert app.timezone is UTC
    assert app.uses_utc_timezone()
    assert app.now().utcoffset() == timedelta(0)
    app.conf.timezone = "Asia/Kathmandu"
    assert app.timezone == ZoneInfo("Asia/Kathmandu")
    assert app.now().utcoffset() == timedelta(hours=5, minutes=45)
    assert not app.uses_utc_timezone()


def test_modules_to_import() -> None:
    app = make(include="json.tool", imports=["colorsys"])
    app.conf.include = ("wave_like",)
    with pytest.raises(ModuleNotFoundError) as caught:
        app.loader.import_default_modules()
    assert "'wave_like'" in caught.value.__notes__[0]
    app.conf.include = ()
    assert [module.__name__ for module in app.loader.import_default_modules()] == ["colorsys", "json.tool"]


def test_repr_and_main() -> None:
    assert repr(make()).startswith("<Cicely proj at 0x")

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from cicely.exceptions import ImproperlyConfigured, UnknownSettingWarning
from cicely.settings import TABLE, Settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in TABLE.values():
        for variable in row.environment:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("CELERY_CONFIG_MODULE", raising=False)
    monkeypatch.delenv("CICELY_CONFIG_MODULE", raising=False)


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> str:
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_module_by_name_is_read_on_first_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = Settings()
    conf.from_object("conf_late_module")
    module(tmp_path, monkeypatch, "conf_late_module", "task_serializer = 'yaml'\n")
    assert conf.task_serializer == "yaml"


def test_unrelated_names_of_a_module_are_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(
        tmp_path,
        monkeypatch,
        "conf_busy_module",
        "import os\nfrom datetime import timedelta\nfrom os import path\n_private = 1\nBASE_DIR = '/'\n"
        "def helper(): ...\nclass Thing: ...\n"
        "result_expires = timedelta(days=2)\ndef task_routes(name, *a, **k): return 'q'\n",
    )
    conf = Settings()
    conf.from_object(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert conf.result_expires == 172800.0
    assert conf.task_routes("x") == "q"
    assert "BASE_DIR" not in conf


def test_typo_in_a_module_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(tmp_path, monkeypatch, "conf_typo_module", "task_serialiser = 'yaml'\n")
    conf = Settings()
    conf.from_object(name)
    with pytest.warns(UnknownSettingWarning, match="did you mean 'task_serializer'"):
        conf.load()
    strict = Settings(strict=True)
    strict.from_object(name)
    with pytest.raises(ImproperlyConfigured, match="did you mean 'task_serializer'"):
        strict.load()


def test_strict_can_come_from_the_source() -> None:
    conf = Settings()
    conf.from_object({"strict": True, "task_serialiser": "yaml"})
    with pytest.raises(ImproperlyConfigured):
        conf.load()


class Base:
    task_serializer = "yaml"


class Production(Base):
    worker_concurrency = 3


class Django:
    DEBUG = True
    TIME_ZONE = "Europe/Oslo"
    CELERY_TASK_SERIALIZER = "yaml"
    CELERY_BROKER_URL = "memory://dj"
    CELERYD_CONCURRENCY = 5
    BROKER_POOL_LIMIT = 4
    CELERY_TASK_ALWAYS_EAGER = True


@pytest.mark.parametrize("source", [Production, Production(), f"{__name__}:Production"])
def test_class_and_object(source: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    conf = Settings()
    conf.from_object(source)
    assert (conf.task_serializer, conf.worker_concurrency) == ("yaml", 3)


class Computed:
    def __init__(self) -> None:
        self.worker_concurrency = 4
        self.evaluated: list[str] = []

    @property
    def task_serializer(self) -> str:
        return "yaml"

    @property
    def expensive(self) -> str:
        raise RuntimeError("evaluated")


def test_properties_count_if_they_are_settings() -> None:
    conf = Settings()
    conf.from_object(Computed())
    with pytest.warns(UnknownSettingWarning, match="'evaluated'"):
        assert (conf.task_serializer, conf.worker_concurrency) == ("yaml", 4)


def test_namespace() -> None:
    conf = Settings()
    conf.from_object(Django, namespace="CELERY")
    assert conf.task_serializer == "yaml"
    assert conf.broker_url == "memory://dj"
    assert conf.task_always_eager is True
    assert conf.worker_concurrency == 5
    assert conf.broker_pool_limit == 4
    assert conf.timezone == "Europe/Oslo"


def test_lower_case_namespace_and_its_typo() -> None:
    conf = Settings()
    conf.from_object({"celery_task_serializer": "yaml", "celery_task_serialiser": 1}, namespace="celery")
    with pytest.warns(UnknownSettingWarning, match="did you mean 'celery_task_serializer'"):
        assert conf.task_serializer == "yaml"


def test_typo_under_a_namespace() -> None:
    conf = Settings()
    conf.from_object({"CELERY_BROKER_ULR": "x", "DEBUG": True}, namespace="CELERY")
    with pytest.warns(UnknownSettingWarning, match="did you mean 'CELERY_BROKER_URL'"):
        conf.load()


def test_old_names() -> None:
    conf = Settings()
    conf.from_object(
        {
            "BROKER_URL": "memory://old",
            "CELERYD_CONCURRENCY": 7,
            "CELERYBEAT_SCHEDULE": {},
            "CELERY_TIMEZONE": "UTC",
            "CELERY_TASK_RESULT_EXPIRES": 9,
            "ENABLE_UTC": False,
        }
    )
    assert conf.broker_url == "memory://old"
    assert conf.worker_concurrency == 7
    assert conf.result_expires == 9
    assert conf.enable_utc is False


def test_mixing_lists_the_renames() -> None:
    conf = Settings()
    conf.from_object(
        {"task_serializer": "json", "worker_concurrency": 1, "CELERY_RESULT_BACKEND": "x", "BROKER_URL": "y"}
    )
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.load()
    assert "BROKER_URL            -> broker_url" in str(caught.value)
    assert "CELERY_RESULT_BACKEND -> result_backend" in str(caught.value)


def test_mixing_the_other_way_round() -> None:
    conf = Settings()
    conf.from_object({"task_serializer": "json", "CELERY_RESULT_BACKEND": "x", "BROKER_URL": "y"})
    with pytest.raises(ImproperlyConfigured, match="task_serializer -> CELERY_TASK_SERIALIZER"):
        conf.load()


def test_the_same_setting_in_both_styles_is_no_mixture() -> None:
    conf = Settings()
    conf.from_object({"task_serializer": "yaml", "CELERY_TASK_SERIALIZER": "json", "timezone": "UTC"})
    assert conf.task_serializer == "yaml"


def test_errors_of_the_source_name_the_key_as_given() -> None:
    conf = Settings()
    conf.from_object({"CELERY_TASK_ALWAYS_EAGER": "yes"}, namespace="CELERY")
    with pytest.raises(ImproperlyConfigured, match="setting CELERY_TASK_ALWAYS_EAGER takes True or False"):
        conf.load()


def test_missing_module_says_so() -> None:
    conf = Settings()
    conf.from_object("nowhere_to_be_found.config")
    with pytest.raises(ImproperlyConfigured, match=r"'nowhere_to_be_found' on sys\.path"):
        conf.load()


def test_file_name_is_refused() -> None:
    conf = Settings()
    conf.from_object("celeryconfig.py")
    with pytest.raises(ImproperlyConfigured, match="'celeryconfig'"):
        conf.load()


def test_import_error_inside_the_module_gets_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = Settings()
    conf.from_object(module(tmp_path, monkeypatch, "conf_broken_module", "import no_such_thing_here\n"))
    with pytest.raises(ModuleNotFoundError, match="no_such_thing_here"):
        conf.load()


def test_missing_attribute_gives_the_near_name() -> None:
    conf = Settings()
    conf.from_object("cicely.states:SUCESS")
    with pytest.raises(ImproperlyConfigured, match="did you mean 'SUCCESS'"):
        conf.load()


def test_a_module_that_reads_the_settings_it_defines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = Settings()
    name = module(tmp_path, monkeypatch, "conf_circular_module", "import sys\nsys.probe.task_serializer\n")
    monkeypatch.setattr(sys, "probe", conf, raising=False)
    conf.from_object(name)
    with pytest.raises(ImproperlyConfigured, match="while it is being read"):
        conf.load()


def test_environment_overrides_everything_but_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://env")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "memory://results")
    conf = Settings()
    conf.from_object({"broker_url": "memory://object"})
    conf.broker_url = "memory://assigned"
    assert conf.broker_url == conf.broker_read_url == "memory://env"
    assert conf.result_backend == "memory://results"
    conf.broker_url = "memory://later"
    assert conf.broker_url == "memory://env"
    conf.override(broker_url="memory://option")
    assert conf.broker_url == conf.broker_write_url == "memory://option"


def test_cicely_variables_come_before_celery_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://celery")
    monkeypatch.setenv("CICELY_BROKER_URL", "memory://cicely")
    assert Settings().broker_url == "memory://cicely"


def test_config_module_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = module(tmp_path, monkeypatch, "conf_env_module", "worker_concurrency = 9\n")
    monkeypatch.setenv("CELERY_CONFIG_MODULE", name)
    assert Settings().worker_concurrency == 9
    given = Settings()
    given.from_object({})
    assert given.worker_concurrency is None


def test_a_new_source_replaces_the_old_one_but_not_run_time_changes() -> None:
    conf = Settings()
    conf.from_object({"worker_concurrency": 1, "timezone": "UTC"})
    conf.task_serializer = "yaml"
    assert conf.worker_concurrency == 1
    conf.from_object({"task_serializer": "json"})
    assert conf.worker_concurrency is None
    assert conf.task_serializer == "yaml"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("task_always_eager", "yes", True),
        ("task_always_eager", "0", False),
        ("worker_concurrency", "4", 4),
        ("worker_concurrency", "none", None),
        ("worker_lease", "1.5", 1.5),
        ("accept_content", "json, yaml", ("json", "yaml")),
        ("broker_transport_options", '{"a": 1}', {"a": 1}),
        ("task_default_delivery_mode", "1", 1),
    ],
)
def test_text_is_coerced(name: str, text: str, value: Any) -> None:
    assert TABLE[name].parse(text, "VARIABLE") == value


@pytest.mark.parametrize(
    ("name", "text"),
    [("task_always_eager", "maybe"), ("worker_lease", "soon"), ("broker_transport_options", "[1]")],
)
def test_text_that_does_not_fit(name: str, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="setting VARIABLE takes"):
        TABLE[name].parse(text, "VARIABLE")

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cicely import Cicely
from cicely.exceptions import ImproperlyConfigured
from cicely.loader import autodiscover, related_module
from cicely.signals import import_modules

NAMES = ("discovered_one", "discovered_two", "discovered_broken")


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("class AppConfig: ...\n")
    (tmp_path / "discovered_one" / "tasks.py").write_text("")
    (tmp_path / "discovered_one" / "jobs.py").write_text("")
    (tmp_path / "discovered_broken" / "tasks.py").write_text("import missing_dependency_of_tasks\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    for name in list(sys.modules):
        if name.partition(".")[0] in NAMES:
            del sys.modules[name]


def names(modules: list[Any]) -> list[str]:
    return [module.__name__ for module in modules]


def test_packages_with_and_without_tasks() -> None:
    assert names(autodiscover(["discovered_one", "discovered_two"])) == ["discovered_one.tasks"]
    assert names(autodiscover(lambda: ["discovered_one"], "jobs")) == ["discovered_one.jobs"]
    assert names(autodiscover("discovered_two", None)) == ["discovered_two"]


def test_a_class_in_a_package_means_the_package() -> None:
    found = related_module("discovered_one.AppConfig", "tasks")
    assert found is not None
    assert found.__name__ == "discovered_one.tasks"


def test_missing_package() -> None:
    app = Cicely(set_as_current=False)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        app.autodiscover_tasks(["not_there_at_all"], force=True)


def test_import_error_inside_tasks_gets_through() -> None:
    with pytest.raises(ModuleNotFoundError, match="missing_dependency_of_tasks"):
        autodiscover(["discovered_broken"])


def test_discovery_waits_for_the_worker() -> None:
    app = Cicely(set_as_current=False)
    app.autodiscover_tasks(["discovered_one"])
    assert "discovered_one.tasks" not in sys.modules
    assert names(app.loader.import_default_modules()) == ["discovered_one.tasks"]


def test_without_packages_it_needs_django(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    with pytest.raises(ImproperlyConfigured, match="DJANGO_SETTINGS_MODULE"):
        Cicely(set_as_current=False).autodiscover_tasks(force=True)


def test_signal_comes_first_and_its_errors_count() -> None:
    app = Cicely(include=["discovered_one.jobs"], set_as_current=False)
    seen: list[bool] = []

    def listen(sender: Cicely, **_: Any) -> None:
        seen.append("discovered_one.jobs" in sys.modules)

    def fail(**_: Any) -> None:
        raise LookupError("from a receiver")

    import_modules.connect(listen, sender=app)
    app.loader.import_default_modules()
    assert seen == [False]
    import_modules.connect(fail, sender=app)
    with pytest.raises(LookupError):
        app.loader.import_default_modules()

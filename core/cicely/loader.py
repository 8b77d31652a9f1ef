"""Importing the modules that define tasks."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType

from .exceptions import ImproperlyConfigured
from .signals import import_modules as import_modules_signal

Packages = Iterable[str] | Callable[[], Iterable[str]] | None


class Loader:
    """Imports what an app's settings and its calls of ``autodiscover_tasks`` name."""

    def __init__(self, app: object, modules: Callable[[], Iterable[str]]) -> None:
        self._app = app
        self._modules = modules
        self._discoveries: list[tuple[Packages, str | None]] = []

    def autodiscover(self, packages: Packages, related_name: str | None) -> None:
        """Look for ``related_name`` in ``packages`` when the modules are imported."""
        self._discoveries.append((packages, related_name))

    def import_default_modules(self) -> list[ModuleType]:
        """Import everything. Raises what the imports raise, with a note on who asked for them.

        Sends the signal ``import_modules`` first; an exception of its receivers is raised, too.
        """
        for _, answer in import_modules_signal.send(sender=self._app):
            if isinstance(answer, Exception):
                raise answer
        found = [module for packages, name in self._discoveries for module in autodiscover(packages, name)]
        for name in dict.fromkeys(self._modules()):
            try:
                found.append(importlib.import_module(name))
            except ImportError as exc:
                exc.add_note(
                    f"While importing {name!r}, which include= or a setting (imports, include) names."
                )
                raise
        return found


def autodiscover(packages: Packages, related_name: str | None = "tasks") -> list[ModuleType]:
    """The modules called ``related_name`` in those of the packages that have one.

    ``packages`` may be a function; None is Django's installed apps. Without a related name the packages
    themselves are imported. Raises ModuleNotFoundError for a package that does not exist.
    """
    if packages is None:
        packages = _django_apps()
    elif callable(packages):
        packages = packages()
    if isinstance(packages, str):
        packages = [packages]
    found = (related_module(package, related_name) for package in packages)
    return [module for module in found if module is not None]


def related_module(package: str, related_name: str | None) -> ModuleType | None:
    """``package.related_name``, None if there is no such module.

    ``package`` may also be a class in a package, as Django's INSTALLED_APPS allows. Raises
    ModuleNotFoundError if the package does not exist, and whatever importing raises.
    """
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as exc:
        parent = package.rpartition(".")[0]
        if not parent or exc.name != package:
            raise
        package = parent
    else:
        if not related_name:
            return module
    name = f"{package}.{related_name}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name == name:
            return None
        raise


def _django_apps() -> Sequence[str]:
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        raise ImproperlyConfigured(
            "autodiscover_tasks() without packages looks into Django's INSTALLED_APPS, but "
            "DJANGO_SETTINGS_MODULE is not set: name the packages, autodiscover_tasks(['proj.users', ...])"
        )
    apps = importlib.import_module("django.apps").apps
    return [config.name for config in apps.get_app_configs()]

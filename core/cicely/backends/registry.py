"""From ``result_backend`` to a backend: by URL scheme through entry points, or by class path."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from cicely.exceptions import ImproperlyConfigured
from cicely_transports.near import did_you_mean
from cicely_transports.url import mask

from .spi import ResultBackend

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cicely.backends"

#: Celery's backends that come later, by scheme up to a ``+``, with the extra that will bring them.
LATER: Mapping[str, str] = {
    "redis": "redis",
    "rediss": "redis",
    "sentinel": "redis",
    "mongodb": "mongodb",
    "rpc": "amqp",
    "amqp": "amqp",
    "db": "sqlalchemy",
    "database": "sqlalchemy",
    "cache": "memcached",
    "memcached": "memcached",
}

#: Ten years, in seconds: what "never expires" means to a backend that needs a number.
FOR_EVER = 10 * 365 * 86400.0


class BackendSettings(Protocol):
    """What the result backend needs to know of the configuration."""

    @property
    def result_expires(self) -> Any:
        """Seconds, a timedelta, or None for never."""

    @property
    def result_backend_transport_options(self) -> Mapping[str, Any]:
        """Options joined with those of the URL."""

    @property
    def override_backends(self) -> Mapping[str, str]:
        """Class paths by scheme, which come before the installed ones."""


def _installed() -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points  # here: most of the start-up time of a producer otherwise

    return entry_points(group=GROUP)


class Backends:
    """Backend classes by scheme. ``find`` gives the entry points; it is asked once, at the first look-up."""

    def __init__(self, find: Callable[[], Iterable[EntryPoint]] | None = None) -> None:
        self._find = find or _installed

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        # Our own win over others that claim the same scheme.
        found = sorted(self._find(), key=lambda point: (not point.value.startswith("cicely."), point.value))
        return {point.name.lower(): point for point in reversed(found)}

    def schemes(self) -> list[str]:
        """The schemes that are installed, sorted."""
        return sorted(self._entry_points)

    def open(self, url: str | None, conf: BackendSettings) -> ResultBackend:
        """See :func:`open_backend`."""
        if not url:
            url = "disabled://"
        name, separator, rest = url.partition("://")
        if name in (conf.override_backends or {}):
            cls = self._by_path(conf.override_backends[name])
        elif ":" in name or "." in name:
            path, _, scheme = name.partition("+")
            cls, url = self._by_path(path), f"{scheme or path}://{rest}"
        else:
            cls, url = self._by_scheme(name, url), url if separator else f"{name}://"
        options = dict(conf.result_backend_transport_options or {})
        if "expires" in cls.options:
            options.setdefault("expires", _seconds(conf.result_expires) or FOR_EVER)
        return cls.from_url(url, options)

    def _by_scheme(self, scheme: str, url: str) -> type[ResultBackend]:
        point = self._entry_points.get(scheme.lower())
        if point is not None:
            return _checked(_load(point.load, f"the {scheme} result backend ({point.value})"), point.value)
        text = f"there is no result backend for {mask(url)!r}"
        extra = LATER.get(scheme.lower().partition("+")[0])
        if extra is not None:
            raise ImproperlyConfigured(
                f"{text} in this version: it comes with the extra cicely[{extra}] of a later one; "
                f"until then use one of {', '.join(self.schemes())}"
            )
        hint = did_you_mean(scheme, {*self._entry_points, *LATER})
        raise ImproperlyConfigured(f"{text}{hint or '; there are: ' + ', '.join(self.schemes())}")

    def _by_path(self, path: str) -> type[ResultBackend]:
        module, _, name = path.partition(":") if ":" in path else path.rpartition(".")
        return _checked(
            _load(lambda: getattr(importlib.import_module(module), name), f"the result backend {path}"), path
        )


def _load(load: Callable[[], object], what: str) -> object:
    try:
        return load()
    except ImportError as error:
        raise ImproperlyConfigured(f"{what} cannot be imported: {error}; install what it needs") from error
    except AttributeError as error:
        raise ImproperlyConfigured(f"{what} does not exist: {error}") from error


def _checked(found: object, path: str) -> type[ResultBackend]:
    if isinstance(found, type) and issubclass(found, ResultBackend):
        return found
    raise ImproperlyConfigured(f"{path} is not a subclass of cicely.backends.spi.ResultBackend")


def _seconds(value: Any) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value


DEFAULT = Backends()


def open_backend(url: str | None, conf: BackendSettings) -> ResultBackend:
    """Make the backend of ``result_backend``; it connects on first use.

    ``url`` is ``scheme://…``, a bare scheme (``disabled``), a class path (``package.module:Class`` or
    ``package.module.Class``), or a class path with the URL that the class is to get
    (``package.module:Class+scheme://…``). None or empty stores nothing. Raises ImproperlyConfigured with
    the near name, or with the extra that brings the backend.
    """
    return DEFAULT.open(url, conf)


def known_backends() -> list[str]:
    """The schemes for which a result backend is installed, sorted."""
    return DEFAULT.schemes()

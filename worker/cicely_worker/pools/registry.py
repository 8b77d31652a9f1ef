"""Pools by name: the entry point group ``cicely.worker.pools``.

An entry point names a :class:`~cicely_worker.pools.spi.Pool` class. One that derives from
:class:`~cicely_worker.pools.inprocess.InProcessPool` is made with ``(make_run, concurrency)``; the prefork
pool is made by its supervisor.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from cicely.exceptions import ImproperlyConfigured
from cicely_transports.near import did_you_mean

from .spi import Pool

GROUP = "cicely.worker.pools"
#: Names of Celery for the same thing.
ALIASES = {"processes": "prefork"}


def pool_names() -> list[str]:
    """The installed pools."""
    return sorted(_points())


def canonical(name: str) -> str:
    """The name of a pool by its own name or one of Celery's."""
    return ALIASES.get(name, name)


def pool_class(name: str) -> type[Pool]:
    """The class of a pool. Raises ImproperlyConfigured with the near name for an unknown one."""
    points = _points()
    known = canonical(name)
    if known not in points:
        names = ", ".join(sorted(points))
        raise ImproperlyConfigured(
            f"no pool is called {name!r}; there are {names}{did_you_mean(name, points)}"
        )
    return cast("type[Pool]", points[known].load())


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}

"""Where a call goes: ``task_routes`` and the queues, resolved to an exchange and a key (features RT1)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .exceptions import ImproperlyConfigured
from .patterns import NamePatterns
from .utils.symbols import import_object

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .queue_entry import QueueEntry
    from .queues import Queues
    from .settings.settings import Settings

#: Options that decide about the destination.
_DESTINATION = ("queue", "exchange", "routing_key", "exchange_type")


@dataclass(frozen=True, slots=True)
class Route:
    """The destination of one call, and the call's options joined with those of its route.

    ``queue`` is the name of the queue that was chosen, None when only an exchange is known.
    """

    exchange: str
    routing_key: str
    queue: str | None
    options: Mapping[str, Any]


class MapRoute:
    """Routes by task name: exact names first, then globs and regular expressions in their order."""

    def __init__(self, routes: Mapping[Any, Any] | Sequence[tuple[Any, Any]]) -> None:
        self._routes = NamePatterns(routes)

    def __call__(self, name: str, *_: object, **__: object) -> Any:
        """The route of a task name, or None."""
        return self._routes.first(name)


class _Plan:
    """The routers of one version of the settings, and the destinations that depend on the name alone."""

    __slots__ = ("destinations", "routers", "static", "version")

    def __init__(self, version: int, routers: tuple[Callable[..., Any], ...]) -> None:
        self.version = version
        self.routers = routers
        self.static = all(isinstance(router, MapRoute) for router in routers)
        self.destinations: dict[str, Route] = {}

    def find(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
        task: Any,
    ) -> Any:
        """What the first router that knows the call answers."""
        for router in self.routers:
            found = router(name, args, {} if kwargs is None else kwargs, dict(options), task=task)
            if found is not None:
                return found
        return None


class Router:
    """Finds routes as the settings say at the moment of the call."""

    def __init__(self, conf: Settings, queues: Queues) -> None:
        self._conf = conf
        self._queues = queues
        self._plan = _Plan(-1, ())

    def route(
        self,
        name: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
    ) -> Route:
        """The route of one call. What the call's ``options`` say is stronger than ``task_routes``.

        Raises QueueNotFound, and ImproperlyConfigured for a route that is none.
        """
        plan = self._plan
        if plan.version != self._conf.version:
            plan = self._renew()
        if options is None:
            options = {}
        if not plan.static or _directs(options):
            return self._resolve(self._expand(plan.find(name, args, kwargs, options, task)), options)
        found = plan.destinations.get(name)
        if found is None:
            found = self._resolve(self._expand(plan.find(name, args, kwargs, options, task)), {})
            plan.destinations[name] = found
        if found.options:
            options = _merged(found.options, options)
        return Route(found.exchange, found.routing_key, found.queue, options)

    def _renew(self) -> _Plan:
        conf = self._conf
        conf.load()
        plan = self._plan = _Plan(conf.version, prepare(conf.task_routes))
        return plan

    def _expand(self, route: Any) -> dict[str, Any]:
        """A route as options."""
        if route is None:
            return {}
        if isinstance(route, str):
            return {"queue": route}
        if isinstance(route, Mapping):
            return dict(route)
        if isinstance(getattr(route, "name", None), str):
            return {"queue": route}
        raise ImproperlyConfigured(
            f"task_routes gave {route!r}: a route is the name of a queue or a dict of options, such as "
            "{'queue': 'video'}"
        )

    def _resolve(self, route: Mapping[str, Any], options: Mapping[str, Any]) -> Route:
        """Exchange and key of a destination (wire-compat section 1.3, step 2)."""
        if route and (options.get("queue") is not None or options.get("exchange") is not None):
            # A call that says where to go does not want half of another destination.
            route = {name: value for name, value in route.items() if name not in _DESTINATION}
        merged = _merged(route, options) if route else options
        queue, exchange, key = merged.get("queue"), merged.get("exchange"), merged.get("routing_key")
        kind = merged.get("exchange_type")
        if exchange is not None and not isinstance(exchange, str):
            exchange, kind = exchange.name, kind or exchange.type
        rest = {name: value for name, value in merged.items() if name not in _DESTINATION}
        if queue is None and exchange:
            return Route(exchange, self._conf.task_default_routing_key if key is None else key, None, rest)
        entry = self._entry(queue)
        label = entry.alias or entry.name
        if entry.delivery_mode is not None and rest.get("delivery_mode") is None:
            rest["delivery_mode"] = entry.delivery_mode
        if (not exchange or key is None) and (kind or entry.exchange.type) == "direct":
            return Route("", entry.name, label, rest)
        if not exchange:
            return Route(entry.exchange.name, entry.routing_key if key is None else key, label, rest)
        return Route(exchange, entry.routing_key if key is None else key, label, rest)

    def _entry(self, queue: Any) -> QueueEntry:
        if queue is None:
            return self._queues.default
        return self._queues[queue] if isinstance(queue, str) else self._queues.add(queue)


def prepare(routes: Any) -> tuple[Callable[..., Any], ...]:
    """The routers of a ``task_routes`` value.

    Raises ImproperlyConfigured for what cannot be one; what importing a path raises passes through.
    """
    if routes is None:
        return ()
    if isinstance(routes, (list, tuple)):
        if routes and all(_is_pair(item) for item in routes):
            return (MapRoute(routes),)
        return tuple(_router(item) for item in routes)
    return (_router(routes),)


def _is_pair(item: Any) -> bool:
    return isinstance(item, (list, tuple)) and len(item) == 2 and isinstance(item[0], (str, re.Pattern))


def _router(item: Any) -> Callable[..., Any]:
    if isinstance(item, Mapping):
        return MapRoute(item)
    if isinstance(item, (list, tuple)) and all(_is_pair(pair) for pair in item):
        return MapRoute(item)
    if _is_pair(item):
        return MapRoute([item])
    if isinstance(item, str):
        item = import_object(item)
    if inspect.isclass(item):
        item = item()
    if hasattr(item, "route_for_task"):
        router = item

        def by_object(name: str, args: Any, kwargs: Any, *_: object, **__: object) -> Any:
            return router.route_for_task(name, args, kwargs)

        return by_object
    if callable(item):
        return item  # type: ignore[no-any-return]  # callable() is all there is to know
    raise ImproperlyConfigured(
        f"task_routes takes dicts, lists of pairs, functions, classes with route_for_task or import paths, "
        f"not {item!r}"
    )


def _directs(options: Mapping[str, Any]) -> bool:
    return (
        "queue" in options or "exchange" in options or "routing_key" in options or "exchange_type" in options
    )


def _merged(route: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that the call leaves open (absent or None) are the route's."""
    return {
        **route,
        **{name: value for name, value in options.items() if value is not None or name not in route},
    }

"""From a URL to a transport: schemes are found by entry points, or a class is named by its path.

Drivers, ours and others', register in the entry point group ``cicely_transports`` under their scheme.
Nothing is imported until a URL asks for it, so a broken plugin hurts only those who use it.

A driver that can be given several brokers to try in turn has, beside ``from_url``, a class method
``from_urls(urls: Sequence[BrokerURL], options: Mapping[str, Any]) -> Self``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .errors import InvalidURL, MissingDependency, UnknownTransport
from .near import did_you_mean
from .spi import Transport
from .url import BrokerURL, is_class_path, parse_url, parse_urls

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "cicely_transports"

#: Schemes that come with an extra of this distribution, for error texts.
EXTRAS: Mapping[str, str] = {
    "redis": "redis",
    "rediss": "redis",
    "redis+socket": "redis",
    "sentinel": "redis",
    "redis+cluster": "redis",
    "amqp": "amqp",
    "amqps": "amqp",
    "pyamqp": "amqp",
    "sqs": "sqs",
    "mongodb": "mongodb",
    "mongodb+srv": "mongodb",
}


def installed() -> Iterable[EntryPoint]:
    """The entry points of all distributions. The import is late: it costs more than the look-up."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)


class Transports:
    """Transport classes by scheme.

    ``find`` gives the entry points; it is asked once, at the first look-up. The object may be used
    from several threads: what is cached is the same whoever computes it.
    """

    def __init__(self, find: Callable[[], Iterable[EntryPoint]] = installed) -> None:
        self._find = find
        self._loaded: dict[str, type[Transport]] = {}

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        # Our own distribution wins over others that claim the same scheme, else the first by name.
        found = sorted(self._find(), key=lambda point: (not point.value.startswith(GROUP), point.value))
        return {point.name.lower(): point for point in reversed(found)}

    def schemes(self) -> list[str]:
        """The schemes that are installed, sorted. Their modules need not be importable."""
        return sorted(self._entry_points)

    def find(self, scheme: str) -> type[Transport]:
        """The class for a scheme, or for a path ``package.module:Class``.

        Raises UnknownTransport, with the near name or the extra to install, and MissingDependency if
        the driver is there but its client library is not.
        """
        found = self._loaded.get(scheme)
        if found is None:
            found = self._by_path(scheme) if is_class_path(scheme) else self._by_scheme(scheme.lower())
            self._loaded[scheme] = found
        return found

    def open(
        self,
        urls: str | BrokerURL | Iterable[str | BrokerURL],
        options: Mapping[str, Any] | None = None,
        *,
        transport: str | type[Transport] | None = None,
    ) -> Transport:
        """Make the transport of a URL; see :func:`open_transport`."""
        parsed = parse_urls(urls)
        first = parsed[0]
        cls = transport if isinstance(transport, type) else self.find(transport or first.scheme)
        if len(parsed) == 1:
            return cls.from_url(first, _joined(parsed, options))
        schemes = {url.scheme for url in parsed}
        if len(schemes) > 1:
            raise InvalidURL(f"one list of brokers, several schemes ({', '.join(sorted(schemes))}): use one")
        from_urls: Callable[..., Transport] | None = getattr(cls, "from_urls", None)
        if from_urls is None:
            raise InvalidURL(
                f"the {first.scheme} transport takes one URL, {len(parsed)} were given: it has no failover"
            )
        return from_urls(parsed, _joined(parsed, options))

    def _by_scheme(self, scheme: str) -> type[Transport]:
        point = self._entry_points.get(scheme)
        if point is None:
            raise UnknownTransport(self._unknown(scheme))
        return _checked(_load(point.load, f"the {scheme} transport ({point.value})", scheme), point.value)

    def _by_path(self, path: str) -> type[Transport]:
        module, _, name = path.partition(":") if ":" in path else path.rpartition(".")

        def load() -> object:
            return getattr(importlib.import_module(module), name)

        return _checked(_load(load, f"transport class {path}", None), path)

    def _unknown(self, scheme: str) -> str:
        text = f"no transport is installed for {scheme}://"
        extra = EXTRAS.get(scheme)
        if extra is not None:
            return f"{text}; install it: pip install 'cicely[{extra}]'"
        return text + (
            did_you_mean(scheme, {*self._entry_points, *EXTRAS})
            or f"; installed: {', '.join(self.schemes()) or 'none'}"
        )


def _load(load: Callable[[], object], what: str, scheme: str | None) -> object:
    try:
        return load()
    except ImportError as exc:
        extra = EXTRAS.get(scheme or "")
        remedy = f"pip install 'cicely[{extra}]'" if extra else "install what it needs"
        raise MissingDependency(f"{what} cannot be imported: {exc}; {remedy}") from exc
    except AttributeError as exc:
        raise UnknownTransport(f"{what} does not exist: {exc}") from exc


def _checked(found: object, path: str) -> type[Transport]:
    if isinstance(found, type) and issubclass(found, Transport):
        return found
    raise UnknownTransport(f"{path} is not a subclass of cicely_transports.spi.Transport")


def _joined(urls: Sequence[BrokerURL], options: Mapping[str, Any] | None) -> dict[str, Any]:
    joined = dict(options or {})
    for url in urls:
        joined.update(url.query)
    return joined


DEFAULT = Transports()


def open_transport(
    url: str | BrokerURL | Iterable[str | BrokerURL],
    options: Mapping[str, Any] | None = None,
    *,
    transport: str | type[Transport] | None = None,
) -> Transport:
    """Make the transport of a broker URL. Nothing is connected before its first use.

    ``url`` may also be a list, or one text with ``;`` between URLs, for drivers with failover.
    ``options`` are joined with those of the URL's query, which win: the URL is what an operator
    changes. ``transport`` names the driver by scheme, class path or class instead of the URL's scheme.
    Raises InvalidURL, UnknownTransport, MissingDependency.
    """
    return DEFAULT.open(url, options, transport=transport)


def transport_class(scheme: str) -> type[Transport]:
    """The transport class of a scheme, a URL or a path ``package.module:Class``. Raises as open_transport."""
    return DEFAULT.find(parse_url(scheme).scheme if "://" in scheme else scheme)


def known_schemes() -> list[str]:
    """The schemes for which a transport is installed, sorted."""
    return DEFAULT.schemes()

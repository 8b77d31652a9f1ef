"""The queues that an app knows: from ``task_queues``, the default queue, and those made on demand."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from cicely_transports.near import did_you_mean, near
from cicely_transports.topology import BindingSpec, ExchangeSpec, QueueSpec, Topology

from .exceptions import CicelyWarning, QueueNotFound
from .queue_entry import Defaults, QueueEntry, entries
from .settings.settings import Settings


@dataclass(frozen=True, slots=True)
class _Known:
    """The queues as one version of the settings has them."""

    version: int
    defaults: Defaults
    configured: Mapping[str, QueueEntry]


class Queues(Mapping[str, QueueEntry]):
    """Queue entries by name, or by alias where a queue has one.

    Follows the settings: what is made on demand (``task_create_missing_queues``) is forgotten when they
    change. May be used from several threads.
    """

    def __init__(self, conf: Settings) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._made: dict[str, QueueEntry] = {}
        self._warned: set[str] = set()

    def _current(self) -> _Known:
        known, conf = self._known, self._conf
        if known is not None and known.version == conf.version:
            return known
        conf.load()
        with self._lock:
            version = conf.version
            defaults = Defaults.of(conf)
            configured = {entry.alias or entry.name: entry for entry in entries(conf.task_queues, defaults)}
            if conf.task_queues is None:
                configured[defaults.queue] = defaults.default_entry()
            known = self._known = _Known(version, defaults, MappingProxyType(configured))
            self._made = {}
            return known

    def __getitem__(self, name: str) -> QueueEntry:
        """The entry of a queue, made now if it may be.

        Raises QueueNotFound, with the near name, when ``task_create_missing_queues`` is off.
        """
        known = self._current()
        entry = known.configured.get(name) or self._made.get(name)
        return entry if entry is not None else self._missing(name, known)

    def _missing(self, name: str, known: _Known) -> QueueEntry:
        for entry in known.configured.values():
            if entry.name == name:
                return entry
        if name == known.defaults.queue:
            entry = known.defaults.default_entry()
        elif not self._conf.task_create_missing_queues:
            names = ", ".join(map(repr, sorted(known.configured)))
            raise QueueNotFound(
                f"queue {name!r} is not in task_queues ({names}) and task_create_missing_queues is off"
                f"{did_you_mean(name, known.configured)}"
            )
        else:
            self._warn_if_near(name, known)
            entry = known.defaults.missing_entry(name)
        self._made[name] = entry
        return entry

    def _warn_if_near(self, name: str, known: _Known) -> None:
        if self._conf.task_queues is None or name in self._warned:
            return
        self._warned.add(name)
        meant = near(name, known.configured)
        if meant is not None:
            warnings.warn(
                f"queue {name!r} is not in task_queues and was made now; did you mean {meant!r}? "
                "Add it to task_queues, or set task_create_missing_queues = False to make this an error",
                CicelyWarning,
                stacklevel=4,
            )

    def __contains__(self, name: object) -> bool:
        return name in self._current().configured

    def __iter__(self) -> Iterator[str]:
        return iter(self._current().configured)

    def __len__(self) -> int:
        return len(self._current().configured)

    @property
    def default(self) -> QueueEntry:
        """The entry of ``task_default_queue``."""
        return self[self._current().defaults.queue]

    def add(self, queue: object) -> QueueEntry:
        """Know one more queue (a name, a ``Queue`` object, or (name, dict)), until the settings change."""
        (entry,) = entries([queue], self._current().defaults)
        self._made[entry.alias or entry.name] = entry
        return entry

    def select(self, names: Iterable[str] = (), *, exclude: Iterable[str] = ()) -> list[str]:
        """The queues to consume from: those named, else all configured ones; without the excluded.

        Gives names as the broker knows them. Raises QueueNotFound.
        """
        wanted = list(dict.fromkeys(names)) or list(self)
        unwanted = set(exclude)
        return [
            self[name].name for name in wanted if name not in unwanted and self[name].name not in unwanted
        ]

    def deselect(self, names: Iterable[str]) -> list[str]:
        """All configured queues except for these."""
        return self.select(exclude=names)

    def topology(self, names: Sequence[str], *, publishing: bool = False) -> Topology:
        """What must exist on the broker for these queues.

        For ``publishing`` the queues of broadcasts are left out: they belong to their consumers.
        """
        return _joined([self[name] for name in names], publishing)

    def topology_of(self, exchange: str, routing_key: str) -> Topology | None:
        """What must exist before a message is published there; None if it is no queue of this app."""
        known = self._current()
        everything = [*known.configured.values(), *self._made.values()]
        if exchange == "":
            found = [entry for entry in everything if entry.name == routing_key]
        else:
            found = [entry for entry in everything if entry.exchange.name == exchange]
        return _joined(found, publishing=True) if found else None


def _joined(found: Iterable[QueueEntry], publishing: bool) -> Topology:
    exchanges: dict[str, ExchangeSpec] = {}
    queues: dict[str, QueueSpec] = {}
    bindings: dict[tuple[str, str, str, str], BindingSpec] = {}
    for entry in found:
        exchanges |= {spec.name: spec for spec in entry.topology.exchanges}
        if publishing and entry.alias is not None:
            continue
        queues |= {spec.name: spec for spec in entry.topology.queues}
        for binding in entry.topology.bindings:
            bindings[binding.exchange, binding.queue, binding.routing_key, repr(binding.arguments)] = binding
    return Topology(tuple(exchanges.values()), tuple(queues.values()), tuple(bindings.values()))


def names_of(text: str | Iterable[Any] | None) -> list[str]:
    """Queue names from ``"a,b"`` or a list of names."""
    if text is None:
        return []
    parts = text.split(",") if isinstance(text, str) else [str(part) for part in text]
    return [part.strip() for part in parts if part.strip()]

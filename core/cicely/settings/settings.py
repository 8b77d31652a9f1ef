"""The settings of one app."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cicely.exceptions import ImproperlyConfigured, UnknownSettingWarning
from cicely.utils.censor import censor

from . import names, sources
from .setting import Setting
from .table import TABLE

_DEPENDENTS: Mapping[str, tuple[Setting, ...]] = MappingProxyType(
    {name: tuple(row for row in TABLE.values() if row.fallback == name) for name in TABLE}
)


@dataclass(slots=True)
class _Layers:
    """The sources of values, strongest first, and what is known about loading them."""

    forced: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    added: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    origin: object = None
    namespace: str | None = None
    strict: bool = False
    loaded: bool = False
    loading: bool = False
    version: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    before: Callable[[], object] | None = None
    after: Callable[[], object] | None = None

    def pick(self, row: Setting) -> Any:
        """The value of a setting by the order of the layers."""
        for layer in (self.forced, self.environment, self.changes, self.source, self.added):
            if row.name in layer and (layer[row.name] is not None or row.fallback is None):
                return layer[row.name]
        if row.fallback is not None:
            return self.pick(TABLE[row.fallback])
        if row.name not in self.defaults:
            self.defaults[row.name] = row.fresh_default()
        return self.defaults[row.name]


class Settings(MutableMapping[str, Any]):
    """The values of the settings table, as attributes and as a mapping.

    A value comes from the strongest of: :meth:`override`, the environment, run-time changes (assignment and
    :meth:`update`), the configuration source, :meth:`add_defaults`, the table's default. The source is
    read when a value is first asked for. After that reading an attribute is one dictionary look-up.

    Assigning a setting of the wrong type raises ImproperlyConfigured; one that does not exist warns
    (UnknownSettingWarning), raises ImproperlyConfigured with ``strict``, and is kept. Old names work.
    """

    __slots__ = ("__dict__", "_layers")

    _layers: _Layers

    def __init__(
        self,
        *,
        strict: bool = False,
        before: Callable[[], object] | None = None,
        after: Callable[[], object] | None = None,
    ) -> None:
        """``before`` and ``after`` are called around each loading of the source."""
        object.__setattr__(self, "_layers", _Layers(strict=strict, before=before, after=after))

    # --- sources

    def from_object(self, source: object, *, namespace: str | None = None) -> None:
        """Take the configuration of ``source`` (object, class, module, mapping or import path) from now on.

        It is read on first use. With a namespace its names are ``NAMESPACE_SETTING``.
        """
        layers = self._layers
        with layers.lock:
            layers.origin, layers.namespace = source, namespace
            layers.loaded = False
            layers.version += 1
            self.__dict__.clear()

    def add_defaults(self, values: Mapping[str, Any]) -> None:
        """Values for settings that nobody gives; a later call does not replace those of an earlier one."""
        with self._layers.lock:
            for name, value in values.items():
                key, value = self._checked(name, value, None)
                self._layers.added.setdefault(key, value)
                self._settle(key)

    def override(self, **values: Any) -> None:
        """Values that win over every other source, the environment too: for command lines."""
        with self._layers.lock:
            for name, value in values.items():
                key, value = self._checked(name, value, None)
                self._layers.forced[key] = value
                self._settle(key)

    def load(self) -> None:
        """Read the source now, if that has not happened. Raises what reading it raises."""
        layers = self._layers
        if not layers.loaded and self._load_once(layers) and layers.after is not None:
            layers.after()

    def _load_once(self, layers: _Layers) -> bool:
        with layers.lock:
            if layers.loaded:
                return False
            if layers.loading:
                raise ImproperlyConfigured(
                    "the configuration asks for a setting of the app while it is being read: a configuration "
                    "module may set app.conf, but not read it"
                )
            layers.loading = True
            try:
                if layers.before is not None:
                    layers.before()
                self._read_source(layers)
            finally:
                layers.loading = False
        return True

    def _read_source(self, layers: _Layers) -> None:
        origin = layers.origin if layers.origin is not None else sources.config_module()
        layers.source.clear()
        if origin is not None:
            reading = names.read(sources.entries(origin, layers.namespace), layers.namespace)
            layers.strict = layers.strict or bool(reading.values.get("strict", ("", False))[1])
            for key, (given_as, value) in reading.values.items():
                layers.source[key] = TABLE[key].accept(value, given_as)
            for given_as, value in reading.unknown.items():
                if not names.is_foreign(given_as, value):
                    self._complain(given_as, layers.namespace)
                    layers.source[given_as] = value
        layers.environment = sources.from_environment()
        values = {**layers.added, **layers.source, **layers.changes, **layers.forced}
        values |= {row.name: layers.pick(row) for row in TABLE.values()}
        self.__dict__.update(values)
        layers.loaded = True
        layers.version += 1

    # --- single values

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not in __dict__: before loading, and for old names.
        if name.startswith("_"):
            raise AttributeError(name)
        self.load()
        key = names.setting_name(name) or name
        if key in self.__dict__:
            return self.__dict__[key]
        raise AttributeError(names.unknown_text(name))

    def __setattr__(self, name: str, value: Any) -> None:
        with self._layers.lock:
            key, value = self._checked(name, value, None)
            self._layers.changes[key] = value
            self._settle(key)

    def __delattr__(self, name: str) -> None:
        """Undo the run-time change of a setting."""
        key = names.setting_name(name) or name
        with self._layers.lock:
            if key not in self._layers.changes:
                raise AttributeError(f"setting {name!r} was not changed at run time")
            del self._layers.changes[key]
            self.__dict__.pop(key, None)
            self._settle(key)

    def _checked(self, name: str, value: Any, namespace: str | None) -> tuple[str, Any]:
        key = names.setting_name(name)
        if key is not None:
            return key, TABLE[key].accept(value, name)
        if not names.is_foreign(name, value):
            self._complain(name, namespace)
        return name, value

    def _complain(self, name: str, namespace: str | None) -> None:
        text = names.unknown_text(name, namespace)
        if self._layers.strict:
            raise ImproperlyConfigured(text)
        warnings.warn(text, UnknownSettingWarning, stacklevel=4)

    def _settle(self, key: str) -> None:
        """Make a change of one layer visible."""
        layers = self._layers
        layers.version += 1
        if not layers.loaded:
            return
        row = TABLE.get(key)
        if row is None:
            for layer in (layers.forced, layers.changes, layers.source, layers.added):
                if key in layer:
                    self.__dict__[key] = layer[key]
                    break
            return
        self.__dict__[key] = layers.pick(row)
        for dependent in _DEPENDENTS[key]:
            self.__dict__[dependent.name] = layers.pick(dependent)

    # --- as a mapping

    def __getitem__(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except AttributeError as exc:
            raise KeyError(str(exc)) from None

    def __setitem__(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def __delitem__(self, name: str) -> None:
        try:
            delattr(self, name)
        except AttributeError as exc:
            raise KeyError(str(exc)) from None

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter(list(self.__dict__))

    def __len__(self) -> int:
        self.load()
        return len(self.__dict__)

    def __contains__(self, name: object) -> bool:
        self.load()
        return isinstance(name, str) and (names.setting_name(name) or name) in self.__dict__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    # --- looking at the whole

    @property
    def version(self) -> int:
        """Grows with every change, so that what was derived from settings knows when to be made anew."""
        return self._layers.version

    @property
    def changes(self) -> Mapping[str, Any]:
        """The run-time changes."""
        return MappingProxyType(self._layers.changes)

    @property
    def source(self) -> tuple[object, str | None]:
        """What :meth:`from_object` was given last: source and namespace."""
        return self._layers.origin, self._layers.namespace

    def without_defaults(self) -> dict[str, Any]:
        """The settings that somebody gave, by their new names."""
        self.load()
        layers = self._layers
        given = {**layers.added, **layers.source, **layers.changes, **layers.environment, **layers.forced}
        return {name: self.__dict__[name] for name in given}

    def table(self, with_defaults: bool = False, censored: bool = True) -> dict[str, Any]:
        """The settings as a plain dict, secrets masked (wire-compat section 10.1)."""
        values = dict(self) if with_defaults else self.without_defaults()
        return {name: censor(name, value) if censored else value for name, value in values.items()}

    def humanize(self, with_defaults: bool = False, censored: bool = True) -> str:
        """The settings as text, one to a line, secrets masked."""
        table = self.table(with_defaults, censored)
        return "\n".join(f"{name}: {table[name]!r}" for name in sorted(table))

    def __repr__(self) -> str:
        if not self._layers.loaded:
            return "<Settings: not read yet>"
        return f"<Settings: {self.table()!r}>"

"""From the names in a configuration source to the names of the table (wire-compat section 10.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from cicely.exceptions import ImproperlyConfigured
from cicely_transports.near import did_you_mean

from .table import NEW_NAMES, TABLE

#: Unknown capitals are somebody else's (Django, Flask) unless they start like this.
_OUR_CAPITALS = ("CELERY", "CICELY_", "BROKER_")
_CODE = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a source says: (name used there, value) by setting name, and what no setting has the name of."""

    values: Mapping[str, tuple[str, Any]]
    unknown: Mapping[str, Any]


def setting_name(name: str) -> str | None:
    """The name in the table of a new, old or capitalised name; None if there is no such setting."""
    if name in TABLE:
        return name
    return NEW_NAMES.get(name)


def may_be_setting(name: str, namespace: str | None) -> bool:
    """Whether a source's name is looked at, be it only to say that it is unknown."""
    if name in TABLE or name in NEW_NAMES or name == "TIME_ZONE":
        return True
    return namespace is not None and name.startswith(_prefix(namespace))


def read(raw: Mapping[str, Any], namespace: str | None) -> Reading:
    """Understand a whole source.

    Raises ImproperlyConfigured when it has settings in old and in new names that are not the same ones.
    """
    reading = _read_prefixed(raw, namespace) if namespace else _read_plain(raw)
    if "timezone" not in reading.values and raw.get("TIME_ZONE"):
        return Reading({**reading.values, "timezone": ("TIME_ZONE", raw["TIME_ZONE"])}, reading.unknown)
    return reading


def is_foreign(name: str, value: Any) -> bool:
    """Whether an unknown name of a source is obviously not meant as a setting."""
    if name.startswith("_") or isinstance(value, _CODE) or hasattr(type(value), "__get__"):
        return True
    return name.isupper() and not name.startswith(_OUR_CAPITALS) and name.lower() not in TABLE


def unknown_text(name: str, namespace: str | None = None) -> str:
    """Says that a setting does not exist, and which one may have been meant."""
    if namespace:
        prefix = _prefix(namespace)
        candidates: Collection[str] = [_prefixed(prefix, known) for known in TABLE]
    elif name.isupper():
        # A capitalised new name is nearer to what was meant than any other old name.
        candidates = [name.lower()] if name.lower() in TABLE else [*NEW_NAMES, *TABLE]
        name_to_compare = name.lower() if name.lower() in TABLE else name
        return f"unknown setting {name!r}{did_you_mean(name_to_compare, candidates)}"
    else:
        candidates = TABLE.keys()
    return f"unknown setting {name!r}{did_you_mean(name, candidates)}"


def _read_plain(raw: Mapping[str, Any]) -> Reading:
    new = [name for name in raw if name in TABLE]
    old = [name for name in raw if name in NEW_NAMES]
    if new and old:
        _refuse_mixture(new, old)
    values = {NEW_NAMES[name]: (name, raw[name]) for name in old}
    values |= {name: (name, raw[name]) for name in new}
    known = {*new, *old}
    return Reading(values, {name: value for name, value in raw.items() if name not in known})


def _refuse_mixture(new: Collection[str], old: Collection[str]) -> None:
    to_new = len(new) >= len(old)
    if to_new:
        renames = {name: NEW_NAMES[name] for name in old if NEW_NAMES[name] not in new}
    else:
        renames = {name: TABLE[name].old_name for name in new if TABLE[name].old_name not in old}
    if renames:
        width = max(map(len, renames))
        rows = "\n".join(f"  {name:<{width}} -> {renames[name]}" for name in sorted(renames))
        style = "new lower-case" if to_new else "old upper-case"
        raise ImproperlyConfigured(
            f"the configuration mixes old and new names of settings, most are {style} ones. Rename:\n{rows}"
        )


def _prefix(namespace: str) -> str:
    return namespace if namespace.endswith("_") else namespace + "_"


def _prefixed(prefix: str, name: str) -> str:
    return prefix + (name.upper() if prefix.isupper() else name)


def _read_prefixed(raw: Mapping[str, Any], namespace: str) -> Reading:
    prefix = _prefix(namespace)
    values: dict[str, tuple[str, Any]] = {}
    for name, row in TABLE.items():
        for spelling in (_prefixed(prefix, name), name, row.old_name):
            if spelling in raw:
                values[name] = (spelling, raw[spelling])
                break
    unknown = {
        name: value
        for name, value in raw.items()
        if name.startswith(prefix) and _suffix(name, prefix) not in TABLE and name not in NEW_NAMES
    }
    return Reading(values, unknown)


def _suffix(name: str, prefix: str) -> str:
    return name[len(prefix) :].lower() if prefix.isupper() else name[len(prefix) :]

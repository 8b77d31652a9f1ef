"""The options of one call, as one validated structure (features TK1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self

from cicely_transports.near import did_you_mean

from .exceptions import UnknownOption

#: Publish keywords that one transport understands; they travel as message properties.
TRANSPORT_OPTIONS = frozenset(
    {"MessageGroupId", "MessageDeduplicationId", "MessageAttributes", "DelaySeconds"}
)

#: Options of Celery that cannot mean anything here, and what to do instead.
_REFUSED = {
    "producer": "cicely publishes over the app's own connections; leave it out",
    "publisher": "cicely publishes over the app's own connections; leave it out",
    "connection": "cicely publishes over the app's own connections; leave it out",
    "router": "set app.conf.task_routes",
    "route_name": "give the route with queue= or exchange= and routing_key=",
    "immediate": "no broker supports it",
}


@dataclass(frozen=True)
class Options:
    """What a caller may say about one call. Every field may be None: not said.

    Seconds for ``countdown``, ``time_limit`` and ``soft_time_limit``; ``eta`` a datetime (naive: in
    the app's time zone) or ISO 8601 text; ``expires`` either of these or seconds from now.
    ``link`` and ``link_error`` one signature or many. ``chain`` is the rest of a chain, next step
    *last* (wire-compat section 1.7).
    """

    task_id: str | None = None
    countdown: float | None = None
    eta: datetime | str | None = None
    expires: datetime | str | float | None = None
    queue: Any = None
    exchange: Any = None
    exchange_type: str | None = None
    routing_key: str | None = None
    priority: int | None = None
    serializer: str | None = None
    compression: str | None = None
    headers: Mapping[str, Any] | None = None
    link: Any = None
    link_error: Any = None
    retry: bool | None = None
    retry_policy: Mapping[str, Any] | None = None
    shadow: str | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    ignore_result: bool | None = None
    add_to_parent: bool | None = None
    reply_to: str | None = None
    delivery_mode: int | str | None = None
    mandatory: bool | None = None
    argsrepr: str | None = None
    kwargsrepr: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    group_index: int | None = None
    chain: Sequence[Any] | None = None
    chord: Any = None
    retries: int | None = None
    replaced_task_nesting: int | None = None
    stamped_headers: Sequence[str] | None = None
    origin: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Validate a map of options.

        Raises UnknownOption (a TypeError) naming the near option, TypeError for a value of the wrong
        type, ValueError for one that is out of range or contradicts another.
        """
        if not options.keys() <= NAMES:
            _refuse_unknown(options)
        for name in options.keys() & _CHECKS.keys():
            if options[name] is not None:
                _CHECKS[name](name, options[name])
        soft, hard = options.get("soft_time_limit"), options.get("time_limit")
        if soft is not None and hard is not None and soft > hard:
            raise ValueError("soft_time_limit must be less than or equal to time_limit")
        checked = cls.__new__(cls)
        # One copy of a dict in place of one guarded assignment for each of the fields.
        checked.__dict__.update(options)
        return checked

    @property
    def stamps(self) -> dict[str, Any]:
        """Stamps by name; each is an option of its own, listed in ``stamped_headers`` (wire-compat 1.7)."""
        values = self.__dict__
        return {name: values[name] for name in self.stamped_headers or () if name in values}

    @property
    def extra(self) -> dict[str, Any]:
        """The options that one transport understands."""
        values = self.__dict__
        return {name: values[name] for name in TRANSPORT_OPTIONS & values.keys()}


NAMES = frozenset(field.name for field in fields(Options)) | TRANSPORT_OPTIONS


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    stamps = options.get("stamped_headers") or ()
    for name in options:
        if name in NAMES or name in stamps:
            continue
        remedy = _REFUSED.get(name)
        if remedy:
            raise UnknownOption(f"the option {name!r} is not supported: {remedy}")
        raise UnknownOption(
            f"{name!r} is not an option of a task call{did_you_mean(name, sorted(NAMES))}. "
            "Arguments of the task go into args and kwargs, message headers into headers."
        )


def _number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")


def _limit(name: str, value: Any) -> None:
    _number(name, value)
    if value < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, not {value!r}")


def _count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")


def _priority(name: str, value: Any) -> None:
    _count(name, value)
    if value > 255:
        raise ValueError(
            f"{name} must be from 0 (last) to 9 (first), or up to 255 on RabbitMQ, got {value!r}"
        )


def _eta(name: str, value: Any) -> None:
    if not isinstance(value, (datetime, str)):
        raise TypeError(
            f"{name} must be a datetime or ISO 8601 text, not {value!r}; for seconds use countdown"
        )


def _expires(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (datetime, str, int, float)):
        raise TypeError(f"{name} must be a datetime, ISO 8601 text or seconds from now, not {value!r}")


def _mapping(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a map, not {value!r}")


_CHECKS = {
    "task_id": _text,
    "countdown": _number,
    "eta": _eta,
    "expires": _expires,
    "priority": _priority,
    "serializer": _text,
    "compression": _text,
    "headers": _mapping,
    "retry_policy": _mapping,
    "shadow": _text,
    "time_limit": _limit,
    "soft_time_limit": _limit,
    "retries": _count,
    "routing_key": _text,
    "reply_to": _text,
    "group_id": _text,
    "root_id": _text,
    "parent_id": _text,
}

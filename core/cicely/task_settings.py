"""Task attributes whose value, unless a task has its own, is that of a setting (features TK4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cicely_transports.near import did_you_mean

from .exceptions import UnknownOption


class FromSetting:
    """An attribute that reads a setting of the task's app, so that later changes of it are seen.

    Anything that is assigned to the attribute, or stands in a subclass, replaces it. With ``unless``, the
    attribute of that name counts while the setting is None. On the class, and without an app, it is None.
    """

    __slots__ = ("setting", "unless")

    def __init__(self, setting: str, unless: str | None = None) -> None:
        self.setting = setting
        self.unless = unless

    def __get__(self, task: Any, owner: type[Any]) -> Any:
        if task is None or task.bound_app is None:
            return None
        value = getattr(task.bound_app.conf, self.setting)
        return getattr(task, self.unless) if value is None and self.unless else value


#: Attributes that a task may leave to a setting.
FROM_SETTINGS: Final = frozenset(
    (
        "serializer",
        "priority",
        "rate_limit",
        "time_limit",
        "soft_time_limit",
        "track_started",
        "ignore_result",
        "store_errors_even_if_ignored",
        "store_eager_result",
        "acks_late",
        "acks_on_failure_or_timeout",
        "acks_on_failure",
        "acks_on_timeout",
        "reject_on_worker_lost",
    )
)

#: Attributes that are options of every call of the task; those that are None or left to a setting are not.
CALL_OPTIONS: Final = (
    "queue",
    "exchange",
    "routing_key",
    "delivery_mode",
    "compression",
    "expires",
    "shadow",
    "serializer",
    "priority",
)

#: Attributes that messages carry wherever their value comes from (wire-compat section 1.1).
CARRIED: Final = ("time_limit", "soft_time_limit", "ignore_result")


def annotations_for(name: str, annotations: Any) -> Iterator[tuple[str, Any]]:
    """Attributes that ``task_annotations`` gives to the task ``name``; later ones win.

    A dict by task name (``"*"`` is every task) of dicts of attributes, or a list of such dicts.
    """
    for item in annotations if isinstance(annotations, (list, tuple)) else [annotations or {}]:
        yield from item.get("*", {}).items()
        yield from item.get(name, {}).items()


def check_attributes(base: type[Any], attributes: Mapping[str, Any]) -> None:
    """Raise UnknownOption, with the near name, for an attribute that tasks of class ``base`` do not have."""
    for name in attributes:
        if not hasattr(base, name):
            known = [known for known in dir(base) if not known.startswith("_")]
            raise UnknownOption(
                f"a task has no option {name!r}{did_you_mean(name, known)}. "
                "For attributes of your own, make a subclass of Task that has them, and pass it as base="
            )

"""The one table of settings: everything else about them is derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from . import section_broker, section_general, section_result, section_task, section_worker
from .setting import Setting

_SECTIONS = {
    "General": section_general.SETTINGS,
    "Broker, control and events": section_broker.SETTINGS,
    "Tasks": section_task.SETTINGS,
    "Results": section_result.SETTINGS,
    "Worker": section_worker.WORKER,
    "Beat": section_worker.BEAT,
}

#: Every setting by name, in the order of the documentation.
TABLE: Mapping[str, Setting] = MappingProxyType(
    {
        row.name: replace(row, section=section, old_name=row.old_name or row.name.upper())
        for section, rows in _SECTIONS.items()
        for row in rows
    }
)

#: New names by old ones.
NEW_NAMES: Mapping[str, str] = MappingProxyType({row.old_name: row.name for row in TABLE.values()})

"""One row of the settings table."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from cicely.exceptions import ImproperlyConfigured
from cicely.utils.censor import is_secret

from .kinds import Kind


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its name, what it takes and what it is for.

    ``old_name``: the upper-case name of Celery 3, still accepted; by default the name in capitals.
    ``fallback``: the setting whose value it has while it has none of its own.
    ``environment``: variables that override every other source, the first that is set.
    """

    name: str
    kind: Kind
    default: Any
    doc: str
    old_name: str = ""
    section: str = ""
    fallback: str | None = None
    environment: tuple[str, ...] = ()

    def fresh_default(self) -> Any:
        """The default, a new copy where it can be changed in place."""
        return copy.deepcopy(self.default) if isinstance(self.default, (dict, list)) else self.default

    def accept(self, value: Any, given_as: str) -> Any:
        """``value`` as it is stored. Raises ImproperlyConfigured that names ``given_as``."""
        try:
            return self.kind.accept(value)
        except (TypeError, ValueError) as exc:
            raise ImproperlyConfigured(
                f"setting {given_as} takes {self.kind.name}, but was given {type(value).__name__}"
                f"{_shown(self.name, value)}"
            ) from exc

    def parse(self, text: str, given_as: str) -> Any:
        """The value that an environment variable or a command line spells."""
        try:
            return self.accept(self.kind.parse(text), given_as)
        except (TypeError, ValueError) as exc:
            raise ImproperlyConfigured(
                f"setting {given_as} takes {self.kind.name}, but was given the text{_shown(self.name, text)}"
            ) from exc


def _shown(name: str, value: Any) -> str:
    """Plain values that cannot be a secret help to find the mistake; others are not repeated."""
    if is_secret(name) or not isinstance(value, (str, int, float, bool, type(None))):
        return ""
    text = repr(value)
    return "" if "://" in text or len(text) > 80 else f" {text}"

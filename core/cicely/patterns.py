"""Values by task name, where a name may be a glob or a regular expression."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class NamePatterns:
    """An ordered map whose keys are names, globs (``proj.video.*``) or compiled regular expressions."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, pairs: Mapping[Any, Any] | Sequence[tuple[Any, Any]]) -> None:
        self._exact: dict[str, Any] = {}
        self._patterns: list[tuple[re.Pattern[str], Any]] = []
        items: Iterable[tuple[Any, Any]] = pairs.items() if isinstance(pairs, Mapping) else pairs
        for key, value in items:
            if isinstance(key, re.Pattern):
                self._patterns.append((key, value))
            elif any(sign in key for sign in "*?["):
                self._patterns.append((re.compile(fnmatch.translate(key)), value))
            else:
                self._exact[key] = value

    def first(self, name: str) -> Any:
        """The value of the exact name, else of the first pattern that matches from the start; or None."""
        if name in self._exact:
            return self._exact[name]
        for pattern, value in self._patterns:
            if pattern.match(name):
                return value
        return None

    def all(self, name: str) -> list[Any]:
        """Every value that fits, patterns first, the exact one last: strongest last."""
        found = [value for pattern, value in self._patterns if pattern.match(name)]
        return [*found, self._exact[name]] if name in self._exact else found

"""The near name: what somebody who mistyped probably meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from .errors import UnknownOption

if TYPE_CHECKING:
    from collections.abc import Iterable


def near(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate closest to ``name``, or None if none is close. Case does not count."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the end of an error text, or an empty text."""
    found = near(name, candidates)
    return "" if found is None else f"; did you mean {found!r}?"


def reject_unknown(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise UnknownOption for the first name in ``given`` that is not in ``known``."""
    known = tuple(known)
    for name in given:
        if name not in known:
            raise UnknownOption(f"{owner} has no option {name!r}{did_you_mean(name, known)}")

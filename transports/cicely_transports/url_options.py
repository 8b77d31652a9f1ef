"""Options of a transport: names checked, values read from text or taken as they are.

A value comes as text from a URL's query (``?timeout=2.5``) or typed from the caller's mapping; both
are fine everywhere. Every error is InvalidURL and names the option; values are not shown, since any
of them may be a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .errors import InvalidURL
from .near import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

N = TypeVar("N", int, float)

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})


def check_options(given: Iterable[str], known: Iterable[str], scheme: str) -> None:
    """Raise InvalidURL, with the near name, for the first given option that is not known."""
    known = tuple(known)
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            if not hint:
                hint = f"; it has: {', '.join(sorted(known))}" if known else "; it has none"
            raise InvalidURL(f"the {scheme} transport has no option {name!r}{hint}")


def float_option(
    options: Mapping[str, Any], name: str, default: float, *, minimum: float | None = None
) -> float:
    """A finite number, in the option's own unit."""
    value = options.get(name)
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise InvalidURL(f"option {name!r} needs a number") from None
    if not -float("inf") < number < float("inf"):
        raise InvalidURL(f"option {name!r} needs a finite number")
    return _at_least(name, number, minimum)


def int_option(options: Mapping[str, Any], name: str, default: int, *, minimum: int | None = None) -> int:
    """A whole number."""
    value = options.get(name)
    if value is None:
        return default
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidURL(f"option {name!r} needs a whole number") from None
    if isinstance(value, float) and value != number:
        raise InvalidURL(f"option {name!r} needs a whole number")
    return _at_least(name, number, minimum)


def bool_option(options: Mapping[str, Any], name: str, default: bool) -> bool:
    """True or False; in a URL 1/true/yes/on or 0/false/no/off."""
    value = options.get(name)
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text in TRUE or text in FALSE:
        return text in TRUE
    raise InvalidURL(f"option {name!r} needs true or false")


def text_option(options: Mapping[str, Any], name: str, default: str, *, choices: Iterable[str] = ()) -> str:
    """A text; one of ``choices`` if there are any."""
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidURL(f"option {name!r} needs a text")
    choices = tuple(choices)
    if choices and value not in choices:
        raise InvalidURL(f"option {name!r} must be one of {', '.join(choices)}")
    return value


def _at_least(name: str, number: N, minimum: N | None) -> N:
    if minimum is not None and number < minimum:
        raise InvalidURL(f"option {name!r} must be at least {minimum}")
    return number

"""Result backend URLs: the parts of the URL and its options, checked and typed, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from cicely.exceptions import ImproperlyConfigured
from cicely_transports.errors import InvalidURL
from cicely_transports.near import did_you_mean
from cicely_transports.url import BrokerURL, parse_url


class Location:
    """Where a backend keeps its records, and how.

    ``options`` are the caller's joined with those of the URL's query, which win. Values may be text.
    """

    def __init__(self, url: BrokerURL, options: Mapping[str, Any]) -> None:
        self.url = url
        self.options = options

    @classmethod
    def parse(cls, url: str, options: Mapping[str, Any], known: Mapping[str, str]) -> Self:
        """Raises ImproperlyConfigured for a bad URL, or an option that is not in ``known``."""
        try:
            parsed = parse_url(url)
        except InvalidURL as error:
            raise ImproperlyConfigured(f"result_backend: {error}") from error
        joined = {**options, **parsed.query}
        for name in joined:
            if name not in known:
                names = ", ".join(sorted(known)) or "no options"
                hint = did_you_mean(name, known) or f"; it has {names}"
                raise ImproperlyConfigured(
                    f"the {parsed.scheme} result backend has no option {name!r}{hint} "
                    "(see result_backend and result_backend_transport_options)"
                )
        return cls(parsed, joined)

    def number(self, name: str, default: float, *, minimum: float = 0.0) -> float:
        """A number in the option's own unit. Raises ImproperlyConfigured."""
        value = self.options.get(name)
        if value is None:
            return default
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not minimum <= number < float("inf"):
            raise ImproperlyConfigured(
                f"option {name!r} of the {self.url.scheme} result backend needs a number >= {minimum:g}"
            )
        return number

    def choice(self, name: str, default: str, choices: frozenset[str]) -> str:
        """One of ``choices``. Raises ImproperlyConfigured."""
        value = str(self.options.get(name) or default).lower()
        if value not in choices:
            raise ImproperlyConfigured(
                f"option {name!r} of the {self.url.scheme} result backend must be one of "
                f"{', '.join(sorted(choices))}{did_you_mean(value, choices)}"
            )
        return value

"""The routing table of the kit: which queues one message must reach (AMQP 0-9-1 section 3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cicely_transports.topology import ExchangeType


@dataclass(frozen=True, slots=True)
class Bind:
    """Queue letter, binding key, binding arguments."""

    queue: str
    key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoutingCase:
    """One message with ``key`` and ``headers`` reaches exactly the queues in ``reached``, once each."""

    exchange: ExchangeType
    bound: tuple[Bind, ...]
    key: str
    reached: str
    headers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The id of the test."""
        bound = ",".join(bind.key or "+".join(bind.arguments) or "-" for bind in self.bound)
        sent = self.key or "+".join(self.headers) or "empty"
        return f"{self.exchange}: {sent} to {bound}"


def direct(key: str, reached: str, *bound: Bind) -> RoutingCase:
    return RoutingCase("direct", bound, key, reached)


def fanout(key: str, reached: str, *bound: Bind) -> RoutingCase:
    return RoutingCase("fanout", bound, key, reached)


def topic(pattern: str, key: str, *, matches: bool) -> RoutingCase:
    """One pattern beside a queue that always gets the message, so that silence is told from loss."""
    return RoutingCase("topic", (Bind("a", pattern), Bind("z", "#")), key, "az" if matches else "z")


def headers(sent: Mapping[str, Any], arguments: Mapping[str, Any], *, matches: bool) -> RoutingCase:
    """One set of arguments beside a queue that gets each message with the header ``always``."""
    always = Bind("z", arguments={"always": 1})
    bound = (Bind("a", arguments=arguments), always)
    return RoutingCase("headers", bound, "", "az" if matches else "z", {**sent, "always": 1})


PAIR = {"format": "pdf", "type": "report"}
BOTH = {"x-match": "all", **PAIR}
EITHER = {"x-match": "any", **PAIR}

CASES: tuple[RoutingCase, ...] = (
    direct("k", "a", Bind("a", "k")),
    direct("k", "ab", Bind("a", "k"), Bind("b", "k"), Bind("c", "other")),
    direct("k", "a", Bind("a", "k"), Bind("a", "l")),
    direct("", "a", Bind("a", ""), Bind("b", "k")),
    direct("K", "b", Bind("a", "k"), Bind("b", "K")),
    direct("a.b", "b", Bind("a", "a.*"), Bind("b", "a.b")),
    direct("#", "b", Bind("a", "x"), Bind("b", "#")),
    direct("klíč ✓", "a", Bind("a", "klíč ✓"), Bind("b", "klic")),
    fanout("", "abc", Bind("a"), Bind("b"), Bind("c")),
    fanout("ignored", "ab", Bind("a", "x"), Bind("b", "y")),
    fanout("k", "a", Bind("a", "k"), Bind("a", "l"), Bind("a", "")),
    topic("a.b.c", "a.b.c", matches=True),
    topic("a.b.c", "a.b", matches=False),
    topic("a.b", "a.b.c", matches=False),
    topic("a.b", "axb", matches=False),
    topic("a.b", "A.b", matches=False),
    topic("*", "word", matches=True),
    topic("*", "two.words", matches=False),
    topic("*.b.c", "a.b.c", matches=True),
    topic("a.*.c", "a.b.c", matches=True),
    topic("a.*.c", "a.c", matches=False),
    topic("a.*.c", "a.b.b.c", matches=False),
    topic("a.b.*", "a.b.c", matches=True),
    topic("a.b.*", "a.b", matches=False),
    topic("*.*", "a.b", matches=True),
    topic("#", "", matches=True),
    topic("#", "a.b.c.d", matches=True),
    topic("a.#", "a", matches=True),
    topic("a.#", "a.b.c", matches=True),
    topic("a.#", "ab.c", matches=False),
    topic("#.c", "c", matches=True),
    topic("#.c", "a.b.c", matches=True),
    topic("#.c", "a.c.b", matches=False),
    topic("a.#.c", "a.c", matches=True),
    topic("a.#.c", "a.b.b.c", matches=True),
    topic("a.#.c", "a.b.b", matches=False),
    topic("#.b.#", "a.b.c", matches=True),
    topic("#.b.#", "b", matches=True),
    topic("*.#", "a", matches=True),
    topic("a.*.#", "a", matches=False),
    topic("#.*.c", "c", matches=False),
    topic("a+.(b|c)", "a+.(b|c)", matches=True),
    topic("a+.(b|c)", "aa.b", matches=False),
    headers(PAIR, BOTH, matches=True),
    headers({"format": "pdf"}, BOTH, matches=False),
    headers({**PAIR, "type": "log"}, BOTH, matches=False),
    headers({**PAIR, "more": "x"}, BOTH, matches=True),
    headers({"format": "pdf"}, PAIR, matches=False),
    headers(PAIR, PAIR, matches=True),
    headers({"format": "pdf"}, EITHER, matches=True),
    headers({"type": "report", "format": "zip"}, EITHER, matches=True),
    headers({"format": "zip"}, EITHER, matches=False),
    headers({}, EITHER, matches=False),
    headers({"format": "any value"}, {"format": None}, matches=True),
    headers({"type": "report"}, {"format": None}, matches=False),
    headers(PAIR, {**BOTH, "x-ignored": "of the binding's own"}, matches=True),
)

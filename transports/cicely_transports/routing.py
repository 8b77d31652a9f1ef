"""Routing as pure functions of a snapshot: which queues get a message (AMQP 0-9-1 section 3.1.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from .errors import Unroutable
from .near import did_you_mean
from .store import Bindings, BoundQueue
from .topic_trie import TopicTrie
from .topology import DEFAULT_EXCHANGE, BindingSpec

#: How many (exchange, routing key) pairs a table remembers; routing keys may be made per message.
CACHE_LIMIT = 4096

Queues = tuple[str, ...]


class Matcher(Protocol):
    """The bindings of one exchange."""

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[str]:
        """Queues that match, possibly repeated."""
        ...


class RoutingTable:
    """The bindings of one version, compiled. It holds until ``valid_until``, when a binding lapses.

    ``implicit_queues``: the default exchange reaches queues that nobody declared, too.
    """

    def __init__(self, bindings: Bindings, now: float, *, implicit_queues: bool = True) -> None:
        self.version = bindings.version
        live = [bound for bound in bindings.bound if not is_lapsed(bound, now)]
        lapses = [bound.lapses_at for bound in live if bound.lapses_at is not None]
        self.valid_until = min(lapses, default=float("inf"))
        #: Seconds that messages may stay, by queue.
        self.ttls: dict[str, float] = {
            bound.binding.queue: ttl
            for bound in live
            if bound.binding.exchange == DEFAULT_EXCHANGE
            and (ttl := bound.binding.arguments.get("message_ttl")) is not None
        }
        self._implicit = implicit_queues
        self._known = {bound.binding.queue for bound in live}
        self._gone = {bound.binding.queue for bound in bindings.bound} - self._known
        self._matchers: dict[str, Matcher] = {}
        for exchange in bindings.exchanges:
            specs = [bound.binding for bound in live if bound.binding.exchange == exchange.name]
            self._matchers[exchange.name] = MATCHERS[exchange.type](specs)
        self._cache: dict[tuple[str, str], Queues] = {}

    def route(
        self, exchange: str, routing_key: str, headers: Mapping[str, Any], *, mandatory: bool = True
    ) -> Queues:
        """Names of the queues, each once.

        Raises Unroutable for an exchange that does not exist, and for a mandatory message without a queue.
        """
        found = self._cache.get((exchange, routing_key))
        if found is None:
            found = self._find(exchange, routing_key, headers)
        if not found and mandatory:
            raise Unroutable(self._reason(exchange, routing_key))
        return found

    def _find(self, exchange: str, routing_key: str, headers: Mapping[str, Any]) -> Queues:
        if exchange == DEFAULT_EXCHANGE:
            exists = routing_key in self._known or (self._implicit and routing_key not in self._gone)
            found: Queues = (routing_key,) if exists and routing_key else ()
        else:
            matcher = self._matchers.get(exchange)
            if matcher is None:
                hint = did_you_mean(exchange, self._matchers)
                raise Unroutable(f"exchange {exchange!r} does not exist{hint or '; declare it first'}")
            found = tuple(dict.fromkeys(matcher.match(routing_key, headers)))
            if isinstance(matcher, HeadersMatcher):
                return found
        if len(self._cache) >= CACHE_LIMIT:
            self._cache.clear()
        self._cache[exchange, routing_key] = found
        return found

    def _reason(self, exchange: str, routing_key: str) -> str:
        if exchange != DEFAULT_EXCHANGE:
            return (
                f"no queue is bound to exchange {exchange!r} for routing key {routing_key!r}; "
                "bind one or publish with mandatory=False"
            )
        if not routing_key:
            return "the default exchange needs the name of a queue as routing key"
        return f"queue {routing_key!r} does not exist{did_you_mean(routing_key, self._known)}"


def is_lapsed(bound: BoundQueue, now: float) -> bool:
    """Whether nobody renewed the binding in time."""
    return bound.lapses_at is not None and bound.lapses_at <= now


class DirectMatcher:
    """The routing key equals the binding key (3.1.3.1)."""

    def __init__(self, bindings: Iterable[BindingSpec]) -> None:
        self._queues: dict[str, list[str]] = {}
        for binding in bindings:
            self._queues.setdefault(binding.routing_key, []).append(binding.queue)

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[str]:
        """Queues bound with this very key."""
        return self._queues.get(routing_key, ())


class FanoutMatcher:
    """Everything goes everywhere (3.1.3.2)."""

    def __init__(self, bindings: Iterable[BindingSpec]) -> None:
        self._queues = [binding.queue for binding in bindings]

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[str]:
        """All queues."""
        return self._queues


class TopicMatcher:
    """Words with ``*`` for one and ``#`` for any number (3.1.3.3)."""

    def __init__(self, bindings: Iterable[BindingSpec]) -> None:
        self._trie = TopicTrie()
        for binding in bindings:
            self._trie.add(binding.routing_key, binding.queue)

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[str]:
        """Queues whose pattern fits the key."""
        return self._trie.match(routing_key)


class HeadersMatcher:
    """Headers equal the arguments, all or any of them (3.1.3.4 and RabbitMQ's ``-with-x`` forms)."""

    def __init__(self, bindings: Iterable[BindingSpec]) -> None:
        self._bindings = [(binding.queue, binding.arguments) for binding in bindings]

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[str]:
        """Queues whose arguments fit the headers."""
        return [queue for queue, arguments in self._bindings if headers_match(arguments, headers)]


def headers_match(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    """One binding against one message. An argument of None asks for presence only.

    Arguments that start with ``x-`` take no part, unless ``x-match`` says ``all-with-x`` or ``any-with-x``.
    """
    mode = arguments.get("x-match", "all")
    with_x = mode in ("all-with-x", "any-with-x")
    fits = [
        name in headers and (wanted is None or _same(wanted, headers[name]))
        for name, wanted in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    ]
    return any(fits) if mode in ("any", "any-with-x") else all(fits)


def _same(wanted: Any, given: Any) -> bool:
    """Equality as on the wire, where a boolean is no number."""
    return isinstance(wanted, bool) is isinstance(given, bool) and bool(wanted == given)


MATCHERS: Mapping[str, type[DirectMatcher | FanoutMatcher | TopicMatcher | HeadersMatcher]] = {
    "direct": DirectMatcher,
    "fanout": FanoutMatcher,
    "topic": TopicMatcher,
    "headers": HeadersMatcher,
}

"""Routing as a pure function of bindings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely_transports.errors import Unroutable
from cicely_transports.routing import CACHE_LIMIT, RoutingTable, headers_match
from cicely_transports.store import Bindings, BoundQueue
from cicely_transports.topic_trie import TopicTrie
from cicely_transports.topology import BindingSpec, ExchangeSpec, ExchangeType

NOW = 1000.0


def table(kind: ExchangeType, *bound: BindingSpec | BoundQueue, implicit: bool = True) -> RoutingTable:
    items = tuple(item if isinstance(item, BoundQueue) else BoundQueue(item) for item in bound)
    return RoutingTable(Bindings(1, (ExchangeSpec("x", kind),), items), NOW, implicit_queues=implicit)


def bind(queue: str, key: str = "", exchange: str = "x", **arguments: Any) -> BindingSpec:
    return BindingSpec(exchange, queue, key, arguments)


def test_default_exchange_goes_to_the_queue_of_that_name() -> None:
    assert table("direct").route("", "any", {}) == ("any",)


def test_default_exchange_without_implicit_queues() -> None:
    routes = table("direct", bind("orders", "orders", exchange=""), implicit=False)
    assert routes.route("", "orders", {}) == ("orders",)
    with pytest.raises(Unroutable, match="queue 'order' does not exist; did you mean 'orders'"):
        routes.route("", "order", {})
    assert routes.route("", "order", {}, mandatory=False) == ()


def test_default_exchange_needs_a_name() -> None:
    with pytest.raises(Unroutable, match="needs the name of a queue"):
        table("direct").route("", "", {})


def test_unknown_exchange_names_the_near_one() -> None:
    bindings = Bindings(1, (ExchangeSpec("notifications"),), ())
    with pytest.raises(Unroutable, match="'notification' does not exist; did you mean 'notifications'"):
        RoutingTable(bindings, NOW).route("notification", "key", {}, mandatory=False)


def test_each_queue_once_in_the_order_of_binding() -> None:
    routes = table("fanout", bind("b"), bind("a", "1"), bind("b", "2"))
    assert routes.route("x", "", {}) == ("b", "a")


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout", "headers"])
def test_nobody_is_bound(kind: ExchangeType) -> None:
    assert table(kind).route("x", "key", {}, mandatory=False) == ()
    with pytest.raises(Unroutable, match="no queue is bound to exchange 'x' for routing key 'key'"):
        table(kind).route("x", "key", {})


def test_lapsed_bindings_route_nothing() -> None:
    routes = table(
        "direct",
        BoundQueue(bind("gone", "k"), NOW),
        BoundQueue(bind("soon", "k"), NOW + 5),
        BoundQueue(bind("later", "k"), NOW + 9),
        bind("stays", "k"),
    )
    assert routes.route("x", "k", {}) == ("soon", "later", "stays")
    assert routes.valid_until == NOW + 5


def test_lapsed_queue_is_not_made_again_by_publishing_to_it() -> None:
    routes = table("direct", BoundQueue(bind("reply", "reply", exchange=""), NOW - 1))
    assert routes.route("", "reply", {}, mandatory=False) == ()
    with pytest.raises(Unroutable):
        routes.route("", "reply", {})


def test_ttl_of_queues() -> None:
    routes = table("direct", bind("q", "q", exchange="", message_ttl=2.5), bind("r", "r", exchange=""))
    assert routes.ttls == {"q": 2.5}


def test_routing_keys_without_end_do_not_fill_the_memory() -> None:
    routes = table("topic", bind("q", "#"))
    for number in range(CACHE_LIMIT * 2 + 10):
        assert routes.route("x", f"key.{number}", {}) == ("q",)
    assert len(routes._cache) <= CACHE_LIMIT


def test_headers_are_not_cached_by_key() -> None:
    routes = table("headers", bind("q", format="pdf"))
    assert routes.route("x", "", {"format": "pdf"}) == ("q",)
    assert routes.route("x", "", {"format": "zip"}, mandatory=False) == ()


@pytest.mark.parametrize(
    ("arguments", "headers", "fits"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        ({"x-match": "any", "a": 1, "b": 2}, {"b": 2}, True),
        ({"x-match": "any", "a": 1}, {"a": 2}, False),
        ({"x-match": "all"}, {}, True),
        ({"x-match": "any"}, {"a": 1}, False),
        ({"a": None}, {"a": "anything"}, True),
        ({"a": None}, {}, False),
        ({"x-more": 1}, {}, True),
        ({"x-match": "all-with-x", "x-more": 1}, {}, False),
        ({"x-match": "all-with-x", "x-more": 1}, {"x-more": 1}, True),
        ({"x-match": "any-with-x", "x-more": 1, "a": 2}, {"x-more": 1}, True),
        ({"x-match": "any", "x-more": 1, "a": 2}, {"x-more": 1}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": 0}, {"a": False}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, True),
    ],
)
def test_headers(arguments: Mapping[str, Any], headers: Mapping[str, Any], fits: bool) -> None:
    assert headers_match(arguments, headers) is fits


def as_regex(pattern: str) -> re.Pattern[str]:
    """The rules of topic patterns a second time, for keys written with a dot before each word."""
    parts = {"*": r"\.[^.]*", "#": r"(\.[^.]*)*"}
    words = pattern.split(".") if pattern else []
    return re.compile("".join(parts.get(word) or re.escape("." + word) for word in words))


WORDS = st.sampled_from(["a", "b", "c", "", "ab"])
KEYS = st.lists(WORDS, max_size=5).map(".".join)
PATTERNS = st.lists(st.one_of(WORDS, st.sampled_from("*#")), max_size=6).map(".".join)


@given(st.lists(PATTERNS, max_size=6, unique=True), KEYS)
def test_topics_as_by_regular_expressions(patterns: list[str], key: str) -> None:
    trie = TopicTrie()
    for pattern in patterns:
        trie.add(pattern, pattern)
    dotted = "." + key if key else ""
    expected = {pattern for pattern in patterns if as_regex(pattern).fullmatch(dotted)}
    assert set(trie.match(key)) == expected


def test_many_hashes_stay_cheap() -> None:
    trie = TopicTrie()
    trie.add(".".join(["#", "a"] * 12 + ["#"]), "q")
    assert trie.match(".".join(["a"] * 200)) == ["q"]
    assert trie.match(".".join(["b"] * 200)) == []

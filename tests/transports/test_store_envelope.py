"""The head of a stored message."""

from __future__ import annotations

import sys
from types import FrameType, MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely_transports.envelope import decode_deliveries, decode_message, encode_head
from cicely_transports.message import Message, Properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
PROPERTIES = st.builds(
    Properties,
    content_type=st.text(),
    correlation_id=st.none() | st.text(),
    priority=st.integers(0, 9),
    timestamp=st.none() | st.floats(0, 1e10),
    extra=st.dictionaries(st.text(), JSON, max_size=3),
)


@given(st.builds(Message, st.binary(), st.dictionaries(st.text(), JSON, max_size=4), PROPERTIES))
def test_round_trip(message: Message) -> None:
    head = encode_head(message, "exchange", "key")
    assert decode_message(head, message.body) == message
    (delivery,) = decode_deliveries([("tag", 3, head, message.body)], "q", 9.0)
    assert delivery.message == message
    assert (delivery.tag, delivery.attempt, delivery.leased_until) == ("tag", 3, 9.0)
    assert (delivery.queue, delivery.exchange, delivery.routing_key) == ("q", "exchange", "key")


def test_any_mapping_is_good() -> None:
    message = Message(b"", MappingProxyType({"a": MappingProxyType({"b": 1})}))
    assert decode_message(encode_head(message, "", "q"), b"").headers == {"a": {"b": 1}}


TOO_LONG = '["", "q", {}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]'


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", TOO_LONG])
def test_damaged_head_spoils_no_batch(damaged: str) -> None:
    good = encode_head(Message(b"good", {"a": 1}), "", "q")
    claimed = [(1, 1, damaged, b"bad"), (2, 1, good, b"good")]
    bad, fine = decode_deliveries(claimed, "q", 1.0)
    assert (bad.tag, bad.message) == (1, Message(b"bad"))
    assert fine.message == Message(b"good", {"a": 1})


def test_three_frames_a_message() -> None:
    """The constructors of the three dataclasses are all that decoding may cost."""
    head = encode_head(Message(b"", {"a": [1, 2, 3], "b": {"c": None}}), "", "q")
    claimed = [((number, 1), 1, head, b"body") for number in range(64)]
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        decode_deliveries(claimed, "q", 1.0)
    finally:
        sys.setprofile(None)
    assert calls <= 64 * 3 + 8

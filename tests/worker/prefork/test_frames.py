from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely.backends.spi import StoredRecord
from cicely.outcome import Outcome
from cicely_transports.message import Message, Properties
from cicely_transports.spi import Delivery, Send, Verdict
from cicely_worker.pools.spi import Job
from cicely_worker.prefork.frames import (
    GREETING,
    FrameError,
    decode_job,
    decode_number,
    decode_outcome,
    encode_job,
    encode_outcome,
    unpickle_outcome,
)

PROPERTIES = Properties("application/json", "utf-8", "c", "r", 7, 1, "1000", "m", 12.5, "t", {"group": "g"})


def job(message: Message, number: int = 5) -> Job:
    return Job(number, Delivery(("tag", object()), "q", message, 3, 99.5, "ex", "key"))


def outcome_of(frame: bytes) -> Outcome:
    decoded = decode_outcome(frame)
    return decoded.outcome or unpickle_outcome(decoded)


def test_a_job_arrives_whole_but_for_its_tag() -> None:
    message = Message(b"\x00\xff body", {"id": "x", "retries": 0, "chain": [{"task": "t"}]}, PROPERTIES)
    number, delivery = decode_job(encode_job(job(message)))
    assert number == 5
    assert delivery == Delivery(5, "q", message, 3, 99.5, "ex", "key")


def test_a_delivery_held_by_its_connection_has_no_lease() -> None:
    given_job = Job(1, Delivery(1, "q", Message(b""), 1, None))
    assert decode_job(encode_job(given_job))[1].leased_until is None


def test_the_number_can_be_read_alone() -> None:
    assert decode_number(encode_job(job(Message(b"x" * 1000), number=2**40))) == 2**40


def test_an_outcome_arrives_whole() -> None:
    outcome = Outcome(
        "id",
        "task",
        "RETRY",
        Verdict.RETURN,
        sends=(Send(Message(b"1", {"a": 1}, PROPERTIES), "k", "e", 1.5, 2.5, False),),
        records=(StoredRecord("id", "RETRY", b"{}", 5.0),),
        not_before=9.5,
        counted=False,
        reason="why",
        runtime=0.25,
        summary="s",
        traceback="tb",
    )
    frame = encode_outcome(8, outcome)
    assert decode_outcome(frame).number == 8
    assert outcome_of(frame) == outcome


@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdicts_stay_the_same_objects(verdict: Verdict) -> None:
    assert outcome_of(encode_outcome(1, Outcome("", "", "", verdict))).verdict is verdict


EXOTIC: list[Any] = [
    2**64,
    -(2**63) - 1,
    "\ud800",
    {"\udfff": 1},
    complex(1, 2),
    [{"deep": {"er": 2**70}}],
]


@pytest.mark.parametrize("value", EXOTIC, ids=ascii)
def test_headers_that_messagepack_cannot_carry_arrive_unchanged(value: Any) -> None:
    message = Message(b"body", {"x": value}, PROPERTIES)
    frame = encode_job(job(message))
    assert decode_job(frame)[1].message == message
    assert decode_number(frame) == 5
    outcome = Outcome("i", "t", "s", Verdict.DONE, sends=(Send(message, "k"),))
    assert outcome_of(encode_outcome(1, outcome)) == outcome


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_any_header_arrives(value: Any) -> None:
    assert decode_job(encode_job(job(Message(b"", {"x": value}))))[1].message.headers == {"x": value}


def test_a_date_in_a_header_arrives() -> None:
    when = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    assert decode_job(encode_job(job(Message(b"", {"eta": when}))))[1].message.headers == {"eta": when}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [lambda: 1, nested(100_000)], ids=["function", "nesting"])
def test_what_cannot_travel_at_all_is_named(value: Any) -> None:
    with pytest.raises(FrameError, match=r"Message cannot travel between processes: \w+"):
        encode_job(job(Message(b"", {"x": value})))


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\x92\x01", GREETING, b"\x81\x01\x02"], ids=repr)
def test_a_corrupt_job_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_job(frame)


@pytest.mark.parametrize("cut", [1, 10, -1])
def test_a_cut_outcome_frame_is_refused(cut: int) -> None:
    frame = encode_outcome(1, Outcome("a", "b", "c", Verdict.DONE))
    with pytest.raises(msgspec.DecodeError):
        decode_outcome(frame[:cut])


def test_an_outcome_frame_without_an_outcome_is_refused() -> None:
    with pytest.raises(FrameError, match="job 0 carries no outcome"):
        outcome_of(GREETING)

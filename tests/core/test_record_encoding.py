"""Records are the bytes that Celery writes (samples captured from Celery 5.7)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from cicely.backends.record import Extended, Record, decode_record, encode_record, holds_success
from cicely.exceptions import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    Reject,
    SecurityError,
    TaskRevokedError,
)
from cicely_transports.serialization import dumps

DONE = datetime(2026, 11, 20, 6, 51, 59, 364237, tzinfo=UTC)
DATE = "2026-11-20T06:51:59.364237+00:00"
PLAIN = Record("966d1e6f", "SUCCESS", 3, None, [], DONE)
ADD = Extended("t.add", [1, 2], {}, "w2@vm", 0, "celery")
TRACEBACK = "Traceback (most recent call last):\nValueError: ('boom', 42)\n"


def text(**fields: Any) -> str:
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(
            PLAIN,
            '{"status": "SUCCESS", "result": 3, "traceback": null, "children": [], '
            f'"date_done": "{DATE}", "task_id": "966d1e6f"}}',
            id="success",
        ),
        pytest.param(
            Record("a", "FAILURE", ValueError("boom", 42), TRACEBACK, [], DONE),
            '{"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["boom", 42], '
            '"exc_module": "builtins"}, "traceback": ' + json.dumps(TRACEBACK) + ', "children": [], '
            f'"date_done": "{DATE}", "task_id": "a"}}',
            id="failure",
        ),
        pytest.param(
            Record("a", "RETRY", KeyError("k"), "tb", [(("a", None), None)], DONE),
            '{"status": "RETRY", "result": {"exc_type": "KeyError", "exc_message": ["k"], '
            '"exc_module": "builtins"}, "traceback": "tb", "children": [[["a", null], null]], '
            '"date_done": null, "task_id": "a"}',
            id="retry",
        ),
        pytest.param(
            Record("a", "REVOKED", TaskRevokedError("revoked"), date_done=DONE),
            '{"status": "REVOKED", "result": {"exc_type": "TaskRevokedError", "exc_message": ["revoked"], '
            '"exc_module": "celery.exceptions"}, "traceback": null, "children": null, '
            f'"date_done": "{DATE}", "task_id": "a"}}',
            id="revoked",
        ),
        pytest.param(
            Record(
                "f54c",
                "STARTED",
                {"pid": 25282, "hostname": "w2@vm"},
                None,
                [],
                extended=replace(ADD, stamped_headers=["mystamp"], stamps={"mystamp": "v1"}),
            ),
            '{"status": "STARTED", "result": {"pid": 25282, "hostname": "w2@vm"}, "traceback": null, '
            '"children": [], "date_done": null, "name": "t.add", "args": [1, 2], "kwargs": {}, '
            '"worker": "w2@vm", "retries": 0, "queue": "celery", "stamped_headers": ["mystamp"], '
            '"mystamp": "v1", "task_id": "f54c"}',
            id="started-stamped",
        ),
        pytest.param(
            Record("a", "PROGRESS", {"done": 3, "total": 10}, None, []),
            '{"status": "PROGRESS", "result": {"done": 3, "total": 10}, "traceback": null, "children": [], '
            '"date_done": null, "task_id": "a"}',
            id="custom-state",
        ),
        pytest.param(
            Record("a", "FAILURE", Reject("no", False), None, [], DONE, "g1", "p1", Extended()),
            '{"status": "FAILURE", "result": {"exc_type": "Reject", "exc_message": ["no", false], '
            '"exc_module": "celery.exceptions"}, "traceback": null, "children": [], '
            f'"date_done": "{DATE}", "group_id": "g1", "parent_id": "p1", "name": null, "args": null, '
            '"kwargs": null, "worker": null, "retries": null, "queue": null, "task_id": "a"}',
            id="extended-nulls",
        ),
    ],
)
def test_bytes_are_celerys(record: Record, expected: str) -> None:
    assert encode_record(record).decode() == expected


def test_date_done_has_an_offset() -> None:
    east = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    assert b'"date_done": "2026-01-02T03:00:00+02:00"' in encode_record(replace(PLAIN, date_done=east))
    naive = datetime(2026, 1, 2, 3)  # noqa: DTZ001 - the point of the test
    assert b'"date_done": "2026-01-02T03:00:00+00:00"' in encode_record(replace(PLAIN, date_done=naive))


def test_a_stamp_does_not_replace_a_field() -> None:
    stamped = replace(ADD, stamped_headers=["status", "args"], stamps={"status": "x", "args": "y"})
    fields = decode_record(encode_record(replace(PLAIN, extended=stamped)))
    assert (fields["status"], fields["args"]) == ("SUCCESS", [1, 2])


@pytest.mark.parametrize("compression", [None, "zlib", "gzip", "bzip2", "lzma"])
@pytest.mark.parametrize("serializer", ["json", "msgpack", "yaml", "pickle"])
def test_round_trip(serializer: str, compression: str | None) -> None:
    record = replace(PLAIN, result={"x": [1, "ä" * 200]})
    payload = encode_record(record, serializer=serializer, compression=compression)
    fields = decode_record(payload, [serializer], serializer=serializer)
    assert (fields["result"], fields["task_id"]) == (record.result, record.task_id)
    assert holds_success(payload)


def test_celerys_compressed_value_is_read_and_ours_is_alike() -> None:
    payload = encode_record(PLAIN, compression="zlib")
    assert payload.startswith(b"\0celery-compressed\0application/x-gzip\0\x78\x9c")
    assert decode_record(payload) == decode_record(encode_record(PLAIN))


@pytest.mark.parametrize("serializer", ["json", "msgpack", "yaml", "pickle"])
@pytest.mark.parametrize("state", ["FAILURE", "STARTED", "SUCCESSFUL", "PROGRESS"])
def test_other_states_are_no_success(serializer: str, state: str) -> None:
    result = ValueError("status: SUCCESS") if state == "FAILURE" else {"status": "SUCCESS"}
    payload = encode_record(Record("a", state, result), serializer=serializer)
    assert not holds_success(payload)
    assert not holds_success(
        encode_record(Record("a", state, result), serializer=serializer, compression="zlib")
    )


def test_pickle_stores_the_exception_itself() -> None:
    payload = encode_record(Record("a", "FAILURE", ValueError("x")), serializer="pickle")
    assert b"exc_type" not in payload
    assert repr(decode_record(payload, ["pickle"], serializer="pickle")["result"]) == "ValueError('x')"


class OneWay(Exception):
    """Pickles, but cannot be rebuilt."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__("one way")


@pytest.mark.parametrize("exc", [OneWay(1, 2), ValueError(lambda: 1), TaskRevokedError("expired")])
def test_pickle_of_what_cannot_be_rebuilt_there_is_a_map(exc: Exception) -> None:
    payload = encode_record(Record("a", "FAILURE", exc), serializer="pickle")
    assert b"exc_type" in payload
    assert type(decode_record(payload, ["pickle"], serializer="pickle")["result"]) is type(exc)


def test_an_exception_state_needs_an_exception() -> None:
    with pytest.raises(EncodeError, match="FAILURE of task a needs an exception"):
        encode_record(Record("a", "FAILURE", {"progress": 3}))
    given = {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"}
    assert isinstance(decode_record(encode_record(Record("a", "FAILURE", given)))["result"], ValueError)
    assert decode_record(encode_record(Record("a", "REVOKED")))["result"] is None


def test_a_value_that_cannot_be_written_is_named() -> None:
    with pytest.raises(EncodeError, match="result"):
        encode_record(replace(PLAIN, result=object()))


def test_what_is_not_accepted_is_refused() -> None:
    payload = encode_record(PLAIN, serializer="pickle")
    with pytest.raises(ContentDisallowed):
        decode_record(payload, ["json"], serializer="pickle")
    assert decode_record(encode_record(PLAIN), ["application/json"])["result"] == 3


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"{}",
        b'{"status": null}',
        b"\0celery-compressed\0",
        b"\0celery-compressed\0x/y\0abc",
    ],
)
def test_what_is_no_record_is_a_decode_error(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_record(payload)


def test_a_failure_without_a_map_is_an_error() -> None:
    with pytest.raises(DecodeError, match="exc_type"):
        decode_record(text(status="FAILURE", result="boom").encode())
    with pytest.raises(SecurityError):
        decode_record(
            text(
                status="FAILURE", result={"exc_type": "system", "exc_message": ["x"], "exc_module": "os"}
            ).encode()
        )


def test_a_record_of_celerys_is_read() -> None:
    raw = (
        '{"status": "FAILURE", "result": {"exc_type": "ChordError", "exc_message": ["Dependency e55a raised '
        'ValueError(\'boom\', 42)"], "exc_module": "celery.exceptions"}, "traceback": "tb", '
        '"children": [[["acd0", null], [[["6f21", null], null]]]], '
        '"date_done": "2026-11-20T06:53:15.114640+00:00", "task_id": "ca9e"}'
    )
    fields = decode_record(raw.encode())
    assert str(fields["result"]) == "Dependency e55a raised ValueError('boom', 42)"
    assert type(fields["result"]).__module__ == "cicely.exceptions"
    assert fields["children"] == [[["acd0", None], [[["6f21", None], None]]]]


def test_holds_success_of_celerys_separators() -> None:
    assert holds_success(b'{"status":"SUCCESS","result":1}')
    assert not holds_success(b"")
    assert not holds_success(dumps({"result": {"status": "SUCCESS"}, "status": "FAILURE"}).body)

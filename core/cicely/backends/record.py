"""The record of one task as result backends store it (wire-compat section 6.1), to bytes and back."""

from __future__ import annotations

import pickle
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cicely.exceptions import DecodeError, EncodeError
from cicely.reprs import saferepr
from cicely.states import EXCEPTION_STATES, READY_STATES
from cicely_transports.compression import compress, decompress
from cicely_transports.serialization import dumps, loads, registry

from .exception_map import exception_to_map, map_to_exception

#: Before the content type of a compressed value (wire-compat section 6.3, last paragraph).
MAGIC = b"\0celery-compressed\0"

#: A SUCCESS at the front, as json, msgpack and pickle write it.
SUCCESS_AHEAD = re.compile(
    rb'\{\s*"status"\s*:\s*"SUCCESS"'
    rb"|.{1,5}\xa6status\xa7SUCCESS"
    rb"|\x80.{1,16}\x06(?:\0{3})?status(?:\x94|q.)[\x8cX]\x07(?:\0{3})?SUCCESS",
    re.DOTALL,
)
#: Yaml sorts its keys; it begins with the first of them, and text inside is indented.
SUCCESS_LINE = re.compile(rb"(?:\A|\n)status: SUCCESS(?:\n|\Z)")


@dataclass(frozen=True, slots=True)
class Extended:
    """What ``result_extended`` adds about the call. ``queue`` is the routing key of the delivery."""

    name: str | None = None
    args: Sequence[Any] | None = None
    kwargs: Mapping[str, Any] | None = None
    worker: str | None = None
    retries: int | None = None
    queue: str | None = None
    stamped_headers: Sequence[str] | None = None
    stamps: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One state of one task.

    ``result`` is the return value, the exception (FAILURE, RETRY, REVOKED) or what a custom state tells.
    ``children`` holds result tuples (wire-compat section 6.2); None when no request is known.
    ``date_done`` counts for ready states only: aware, in the app's time zone (naive is taken for UTC).
    """

    task_id: str
    status: str
    result: Any = None
    traceback: str | None = None
    children: Sequence[Any] | None = None
    date_done: datetime | None = None
    group_id: str | None = None
    parent_id: str | None = None
    extended: Extended | None = None


def encode_record(record: Record, *, serializer: str = "json", compression: str | None = None) -> bytes:
    """The bytes that a backend stores.

    Raises EncodeError when the result cannot be written in ``serializer``, or when the state is one of an
    exception and the result is none.
    """
    status = record.status
    fields = {
        "status": status,
        "result": _wire_result(record, serializer) if status in EXCEPTION_STATES else record.result,
        "traceback": record.traceback,
        "children": record.children,
        "date_done": _date_text(record.date_done) if status in READY_STATES else None,
    }
    if record.group_id:
        fields["group_id"] = record.group_id
    if record.parent_id:
        fields["parent_id"] = record.parent_id
    if record.extended is not None:
        _add_extended(fields, record.extended)
    fields["task_id"] = record.task_id
    body = dumps(fields, serializer).body
    if compression is None:
        return body
    packed, kind = compress(body, compression)
    return b"%s%s\0%s" % (MAGIC, kind.encode(), packed)


def decode_record(
    payload: bytes, accept: Collection[str] = ("json",), *, serializer: str = "json"
) -> dict[str, Any]:
    """The stored fields, with ``result`` made an exception in the states that carry one.

    ``serializer`` is the one that wrote the record (``result_serializer``); compression is seen from the
    bytes. Raises ContentDisallowed when it is not in ``accept``, DecodeError for bytes that are no record,
    SecurityError for an exception that is none.
    """
    fields = loads(_unpacked(payload), registry.content_type(serializer), None, accept=accept)
    if not isinstance(fields, dict) or not isinstance(fields.get("status"), str):
        raise DecodeError(f"a stored result has to be a map with a status, but is {saferepr(fields, 200)}")
    result = fields.get("result")
    if fields["status"] in EXCEPTION_STATES and not isinstance(result, BaseException | None):
        fields["result"] = map_to_exception(result)
    return fields


def holds_success(payload: bytes) -> bool:
    """Whether an encoded record is a SUCCESS, seen without decoding the whole of it.

    For backends whose layout has no other place for the state; a stored SUCCESS is never overwritten.
    """
    if payload.startswith(MAGIC):
        payload = _unpacked(payload)
    if payload[:1].isalpha():
        return SUCCESS_LINE.search(payload) is not None
    return SUCCESS_AHEAD.match(payload) is not None


def _wire_result(record: Record, serializer: str) -> Any:
    result = record.result
    if isinstance(result, BaseException):
        if serializer == "pickle" and _survives_pickle(result):
            return result
        return exception_to_map(result, serializer)
    if result is None or (isinstance(result, Mapping) and "exc_type" in result):
        return result
    raise EncodeError(
        f"state {record.status} of task {record.task_id} needs an exception as its result, not a "
        f"{type(result).__name__}: use a state name of your own for other information"
    )


def _survives_pickle(exc: BaseException) -> bool:
    """Both ways, since an exception that cannot be read back would make the whole record unreadable.

    Our own exceptions travel as maps, so that Celery's readers know them.
    """
    if type(exc).__module__ in {"cicely.exceptions", "cicely_transports.errors"}:
        return False
    try:
        return type(pickle.loads(pickle.dumps(exc, 4))) is type(exc)
    except Exception:  # noqa: BLE001 - pickling runs the code of whatever the exception carries
        return False


def _date_text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _add_extended(fields: dict[str, Any], extended: Extended) -> None:
    fields["name"] = extended.name
    fields["args"] = extended.args
    fields["kwargs"] = extended.kwargs
    fields["worker"] = extended.worker
    fields["retries"] = extended.retries
    fields["queue"] = extended.queue
    if extended.stamped_headers:
        fields["stamped_headers"] = list(extended.stamped_headers)
        for name in extended.stamped_headers:
            # A stamp that is called like a field must not replace it.
            fields.setdefault(name, (extended.stamps or {}).get(name))


def _unpacked(payload: bytes) -> bytes:
    if not payload.startswith(MAGIC):
        return payload
    kind, found, packed = payload[len(MAGIC) :].partition(b"\0")
    if not found:
        raise DecodeError("a compressed result is cut off before its content type")
    return decompress(packed, kind.decode("ascii", "replace"))

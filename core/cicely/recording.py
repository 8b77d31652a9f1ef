"""Stored records of a task's states, as its app's settings want them (wire-compat section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import states
from .backends.record import Extended, Record, encode_record
from .backends.spi import StoredRecord

if TYPE_CHECKING:
    from .ports import App
    from .request import Context


def stored_record(
    app: App,
    task_id: str,
    state: str,
    result: Any,
    request: Context | None = None,
    traceback: str | None = None,
) -> StoredRecord:
    """The record to store for one state. Raises EncodeError for a result that the serializer cannot write."""
    conf = app.conf
    now = app.now()
    children = group_id = parent_id = extended = None
    if request is not None:
        children = [child.as_tuple() for child in request._children] if request._children else []
        group_id, parent_id = request.group, request.parent_id
        if conf.result_extended:
            extended = _extended(request)
    payload = encode_record(
        Record(task_id, state, result, traceback, children, now, group_id, parent_id, extended),
        serializer=conf.result_serializer,
        compression=conf.result_compression,
    )
    keep = conf.result_expires
    if state == states.FAILURE and conf.result_failure_expires is not None:
        keep = conf.result_failure_expires
    if isinstance(keep, timedelta):
        keep = keep.total_seconds()
    return StoredRecord(task_id, state, payload, now.timestamp() + keep if keep else None)


def _extended(request: Context) -> Extended:
    delivery: Mapping[str, Any] = request.delivery_info or {}
    return Extended(
        request.task,
        request.args,
        request.kwargs,
        request.hostname,
        request.retries,
        delivery.get("routing_key"),
        request.stamped_headers,
        request.stamps,
    )

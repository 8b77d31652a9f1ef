"""Stored records of tasks' states, as their app's settings want them (wire-compat section 6.1)."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import states
from .backends.record import Extended, Record, encode_record
from .backends.spi import StoredRecord

if TYPE_CHECKING:
    from .ports import App
    from .request import Context


class Recorder:
    """Makes records for one app. May be used from several threads."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._zone: tuple[object, object, tzinfo] = (None, None, UTC)

    @cached_property
    def enabled(self) -> bool:
        """Whether the app stores results at all."""
        return self._app.backend.enabled

    def record(
        self,
        task_id: str,
        state: str,
        result: Any,
        request: Context | None = None,
        traceback: str | None = None,
    ) -> StoredRecord:
        """The record to store for one state. Raises EncodeError for a result that cannot be written."""
        conf = self._app.conf
        zone = self._zone
        if zone[0] != conf.timezone or zone[1] != conf.enable_utc:
            zone = self._zone = conf.timezone, conf.enable_utc, self._app.now().tzinfo or UTC
        now = datetime.now(zone[2])
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
        return StoredRecord(task_id, state, payload, now.timestamp() + keep if keep else None)


def _extended(request: Context) -> Extended:
    return Extended(
        request.task,
        request.args,
        request.kwargs,
        request.hostname,
        request.retries,
        (request.delivery_info or {}).get("routing_key"),
        request.stamped_headers,
        request.stamps,
    )

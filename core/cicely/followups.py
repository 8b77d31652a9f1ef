"""What a task that ended sets going: callbacks, the next step of its chain, errbacks (wire-compat 1.8).

Nothing is published here: the messages are collected and go out with the outcome.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .arguments import positional_capacity
from .backends.exception_map import exception_to_map, map_to_exception
from .canvas.signature import Signature, signature
from .request import Context
from .sending import collecting
from .utils.ids import uuid

if TYPE_CHECKING:
    from cicely_transports.spi import Send

    from .ports import App
    from .protocol import TaskMessage

logger = logging.getLogger("cicely.followups")

#: Header of an errback that is told about the failure in the message, because it could not be called on
#: the spot: ``{"request": {...}, "exc": exception map, "traceback": text}``.
FAILURE_HEADER = "cicely_failure"

#: Types of signature that this version cannot start when their turn comes.
_LATER = frozenset({"group", "chord", "chain", "xmap", "xstarmap", "chunks"})


def unsupported(message: TaskMessage) -> str | None:
    """Why a message cannot be run without losing what hangs on it, or None."""
    if message.chord is not None:
        return "it is part of a chord, which this version cannot join"
    for link in (*(message.callbacks or ()), *(message.chain or ()), *(message.errbacks or ())):
        if link.get("subtask_type") in _LATER:
            return f"a {link['subtask_type']} follows it, which this version cannot start"
    return None


def after_success(app: App, request: Context, retval: Any) -> list[Send]:
    """The callbacks, then the next step of the chain, each with ``retval`` in front of its arguments.

    Raises what sending a task raises, publishing apart.
    """
    lineage: dict[str, Any] = {"parent_id": request.id, "root_id": request.root_id or request.id}
    with collecting() as sends:
        callbacks = request.callbacks or []
        for callback, place in zip(callbacks, _places(len(callbacks)), strict=True):
            signature(callback, app=app).apply_async((retval,), **lineage, **place)
        if request.chain:
            *rest, following = request.chain
            signature(following, app=app).apply_async((retval,), chain=rest, **lineage)
    return sends


def _places(count: int) -> Iterator[dict[str, Any]]:
    """Several callbacks make one new group (wire-compat section 1.8)."""
    group_id = uuid()
    for index in range(count):
        yield {"group_id": group_id, "group_index": index} if count > 1 else {}


def after_failure(
    app: App, request: Context, exc: BaseException, traceback: str | None, *, here: bool
) -> list[Send]:
    """Tell the errbacks. Never raises for what they do.

    Those that take more than one argument are called as ``errback(request, exc, traceback)``: in this
    process with ``here``, else by a message. The others are sent with the id of the failed task.
    """
    lineage: dict[str, Any] = {"parent_id": request.id, "root_id": request.root_id or request.id}
    told_by_id: list[Signature] = []
    with collecting() as sends:
        for errback in request.errbacks or ():
            try:
                call = signature(errback, app=app)
                task = call.registered()
                if task is None or not _wants_details(call, task):
                    told_by_id.append(call)
                elif here and not inspect.iscoroutinefunction(task.run):
                    call(request, exc, traceback)
                elif call.immutable:
                    call.apply_async(**lineage)
                else:
                    details = {FAILURE_HEADER: _details(request, exc, traceback)}
                    headers = {**(call.options.get("headers") or {}), **details}
                    call.apply_async((request.id, None, None), headers=headers, **lineage)
            except Exception:
                logger.exception("Errback %s of task %s failed", errback.get("task"), request.id)
        group_id = uuid()
        for index, call in enumerate(told_by_id):
            try:
                call.apply_async((request.id,), group_id=group_id, group_index=index, **lineage)
            except Exception:
                logger.exception("Errback %s of task %s cannot be sent", call.name, request.id)
    return sends


def _wants_details(call: Signature, task: Any) -> bool:
    own = 0 if call.immutable else len(call.args)
    return positional_capacity(task.run) - own > 1


def _details(request: Context, exc: BaseException, traceback: str | None) -> dict[str, Any]:
    fields = ("id", "task", "argsrepr", "kwargsrepr", "retries", "root_id", "parent_id", "group", "hostname")
    return {
        "request": {name: getattr(request, name) for name in fields},
        "exc": exception_to_map(exc),
        "traceback": traceback,
    }


def with_details(args: Sequence[Any], details: Mapping[str, Any]) -> Sequence[Any]:
    """Arguments of an errback that was told by a message (see FAILURE_HEADER)."""
    told = (Context(details["request"]), map_to_exception(details["exc"]), details["traceback"])
    return (*told, *args[3:])


def dependents(message: TaskMessage) -> list[str]:
    """Ids of the tasks that cannot run when this one fails: the rest of its chain, its chord's body."""
    links = [*(message.chain or ()), *([message.chord] if message.chord else ())]
    return [task_id for link in links for task_id in _ids(link)]


def _ids(link: Mapping[str, Any]) -> Iterator[str]:
    options, kwargs = link.get("options") or {}, link.get("kwargs") or {}
    if isinstance(task_id := options.get("task_id"), str):
        yield task_id
    inner = [*_maps(kwargs.get("tasks")), *_maps([kwargs.get("body")])] if link.get("subtask_type") else []
    for member in inner:
        yield from _ids(member)


def _maps(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []

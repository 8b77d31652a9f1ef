"""Sending many calls at once (features TK1, TR15)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .canvas.signature import Signature
from .sending import prepare, result_of

if TYPE_CHECKING:
    from cicely_transports.spi import Send

    from .options import Options
    from .ports import App
    from .result import AsyncResult


def send_many(app: App, signatures: Iterable[Any]) -> list[AsyncResult]:
    """Publish calls in one batch and return their results, in order.

    All are checked and encoded before the first is published. A chain, group or chord among them is sent
    by itself. With ``task_always_eager`` each runs here. Raises what ``apply_async`` raises.
    """
    calls = [call if isinstance(call, Signature) else Signature.from_dict(call, app) for call in signatures]
    if app.conf.task_always_eager:
        return [call.apply_async() for call in calls]
    prepared = {index: _prepared(app, call) for index, call in enumerate(calls) if not call["subtask_type"]}
    if prepared:
        app.publisher.publish([send for _, send, _ in prepared.values()])
    return [
        result_of(app, call["task"], prepared[index][0], prepared[index][2])
        if index in prepared
        else call.apply_async()
        for index, call in enumerate(calls)
    ]


def _prepared(app: App, call: Signature) -> tuple[str, Send, Options]:
    args, kwargs, options = call.merged()
    task = call.registered()
    if task is not None:
        if task._check is not None:
            task._check(*args, **kwargs)
        options = {**task.call_options(), **options}
    return prepare(app, call["task"], args, kwargs, options)

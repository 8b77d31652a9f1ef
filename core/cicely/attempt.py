"""One attempt to run one message: the struct that the steps of :mod:`cicely.execution` fill in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from .request import Context

if TYPE_CHECKING:
    from cicely_transports.spi import Delivery, Send

    from .einfo import ExceptionInfo
    from .ports import TaskLike
    from .protocol import TaskMessage

_new: Final = Context.__new__


class Attempt:
    """What is known so far. Fields appear in the order of the steps that set them.

    ``retval`` is what the body returned, or the exception that ended it.
    """

    # Defaults of the class instead of a constructor: one is made for every message.
    delivery: Delivery
    message: TaskMessage
    task: TaskLike
    plan: Plan
    request: Context
    begun: bool = False
    started: float = 0.0
    runtime: float = 0.0
    state: str = ""
    retval: Any = None
    einfo: ExceptionInfo | None = None
    sends: Sequence[Send] = ()


class Plan:
    """What of running a task is the same every time: worked out at its first run."""

    __slots__ = ("after_return", "before_start", "function", "on_success", "own_call", "task", "tracks")

    def __init__(self, task: TaskLike) -> None:
        self.task = task
        #: STARTED is stored; None leaves it to the setting.
        self.tracks: bool | None = None if task.left_to_setting("track_started") else task.track_started
        self.own_call = task.overrides("__call__")
        self.function: Any = task if self.own_call else task.run
        self.before_start = task.overrides("before_start")
        self.on_success = task.overrides("on_success")
        self.after_return = task.overrides("after_return")


def request_of_message(
    message: TaskMessage, delivery: Delivery, hostname: str, task: TaskLike | None, eager: bool = False
) -> Context:
    """``task.request`` for the run of a message; ``task`` is None where its name is not known."""
    meta, properties = message.meta, delivery.message.properties
    # What the caller said counts; Celery leaves it open (null) when it knows only the name.
    ignores = meta.get("ignore_result")
    if not isinstance(ignores, bool):
        ignores = bool(task is not None and task.ignore_result)
    context = _new(Context)
    context.__dict__.update(
        id=message.id,
        task=message.name,
        args=message.args,
        kwargs=message.kwargs,
        argsrepr=meta.get("argsrepr"),
        kwargsrepr=meta.get("kwargsrepr"),
        retries=message.retries,
        eta=meta.get("eta"),
        expires=meta.get("expires"),
        shadow=meta.get("shadow"),
        lang=meta.get("lang"),
        origin=meta.get("origin"),
        timelimit=message.timelimit,
        ignore_result=ignores,
        root_id=meta.get("root_id"),
        parent_id=meta.get("parent_id"),
        group=meta.get("group"),
        group_index=meta.get("group_index"),
        callbacks=message.callbacks,
        errbacks=message.errbacks,
        chain=message.chain,
        chord=message.chord,
        replaced_task_nesting=meta.get("replaced_task_nesting") or 0,
        stamped_headers=meta.get("stamped_headers"),
        stamps=meta.get("stamps"),
        headers=message.custom,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        delivery_info={
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key or delivery.queue,
            "priority": properties.priority,
            "redelivered": delivery.attempt > 1,
        },
        queue=delivery.queue,
        attempt=delivery.attempt,
        hostname=hostname,
        is_eager=eager,
        called_directly=False,
        message_properties=properties,
    )
    return context

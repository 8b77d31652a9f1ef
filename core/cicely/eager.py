"""Tasks run on the spot, by the code and with the serializers of a worker (features TK9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cicely_transports.spi import Delivery, Send

from . import states
from .attempt import Attempt
from .backends.record import decode_record
from .execution import Execution
from .protocol import HOST
from .result import EagerResult
from .sending import prepare

if TYPE_CHECKING:
    from .ports import App, TaskLike


def apply(
    app: App,
    task: TaskLike,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    throw: bool | None = None,
) -> EagerResult:
    """Run ``task`` in this thread to its end, retries included, without their delays.

    What the task sets going is run on the spot as well with ``task_always_eager``, else published.
    ``throw`` (None: ``task_eager_propagates``) raises what the task raised.

    Raises EncodeError for arguments that could not travel.
    """
    conf = app.conf
    propagate = conf.task_eager_propagates if throw is None else throw
    execution = Execution(app, hostname=HOST, eager=True)
    _, send, _ = prepare(
        app, task.name, args, kwargs, {"retries": 0, **options}, to=("", conf.task_default_queue)
    )
    try:
        while True:
            attempt = Attempt()
            outcome = execution.run(_delivery(send), attempt)
            again = [follow for follow in outcome.sends if _is_retry(follow, send)]
            rest = [follow for follow in outcome.sends if not _is_retry(follow, send)]
            if rest:
                app.publisher.publish(rest)
            if outcome.records and task.store_eager_result:
                app.backend.put_many(outcome.records)
            if not again:
                break
            send = again[-1]
    finally:
        execution.close()
    retval = attempt.retval
    if propagate and outcome.state in states.PROPAGATE_STATES and isinstance(retval, BaseException):
        raise retval
    if outcome.records and outcome.state == states.SUCCESS:
        payload, serializer = outcome.records[0].payload, conf.result_serializer
        retval = decode_record(payload, (serializer,), serializer=serializer)["result"]
    return EagerResult(outcome.task_id, retval, outcome.state, outcome.traceback, task.name)


def _delivery(send: Send) -> Delivery:
    return Delivery("eager", send.routing_key, send.message, 1, None, send.exchange, send.routing_key)


def _is_retry(follow: Send, send: Send) -> bool:
    """A retry has the id of its predecessor and one retry more."""
    ours, theirs = send.message.properties.correlation_id, follow.message.properties.correlation_id
    return ours == theirs

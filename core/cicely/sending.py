"""From a call to what is published: inheritance, routing, times, encoding (wire-compat section 1.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from cicely_transports.spi import Send

from .moments import absolute
from .options import Options
from .protocol import Announce, encode_task
from .request import executing, running_task
from .result import AsyncResult
from .signals import before_task_publish
from .utils.ids import uuid

if TYPE_CHECKING:
    from .ports import App

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

#: Where calls go instead of to the broker, while the follow-ups of a task are put together.
_outbox: Final[ContextVar[list[Send] | None]] = ContextVar("cicely_outbox", default=None)


def prepare(
    app: App,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Mapping[str, Any],
    *,
    to: tuple[str, str] | None = None,
) -> tuple[str, Send, Options]:
    """Make the message of one call; nothing is published. Returns the task's id, the send, the options.

    ``to`` is an exchange and a routing key that are used as they are, without asking the router. A call
    made inside a task inherits its root, makes it the parent, and takes its priority over when
    ``task_inherit_parent_priority`` says so (wire-compat section 1.2).

    Raises UnknownOption, EncodeError, TypeError or ValueError for options that cannot be used.
    """
    conf = app.conf
    queue = None
    if to is None:
        route = app.router.route(name, args, kwargs, options)
        options, exchange, routing_key, queue = route.options, route.exchange, route.routing_key, route.queue
    else:
        exchange, routing_key = to
    call = Options.of(options)
    task_id = call.task_id or uuid()
    root_id, parent_id, priority = call.root_id, call.parent_id, call.priority
    if running_task.get() is not None and (parent := executing()) is not None:
        request = parent.context
        root_id = root_id or request.root_id or request.id
        parent_id = parent_id or request.id
        if priority is None and conf.task_inherit_parent_priority:
            priority = (request.delivery_info or {}).get("priority")
    if priority is None:
        priority = conf.task_default_priority or 0
    eta = expires = expiration = not_before = None
    if call.countdown or call.eta is not None or call.expires is not None:
        now = app.now()
        if call.countdown or call.eta is not None:
            moment = absolute(call.countdown or call.eta or 0, now)
            eta, not_before = moment.isoformat(), moment.timestamp()
        if call.expires is not None:
            moment = absolute(call.expires, now)
            expires = moment.isoformat()
            left = (moment - now).total_seconds()
            expiration = str(max(0, round(left * 1000)))
    message = encode_task(
        name,
        task_id,
        args,
        kwargs,
        call,
        eta=eta,
        expires=expires,
        expiration=expiration,
        root_id=root_id,
        parent_id=parent_id,
        ignore_result=call.ignore_result,
        serializer=call.serializer or conf.task_serializer,
        compression=call.compression or conf.task_compression,
        reply_to=call.reply_to or app.oid,
        priority=priority,
        delivery_mode=call.delivery_mode or conf.task_default_delivery_mode,
        maxlevels=conf.task_repr_maxlevels,
        protocol=conf.task_protocol,
        announce=_announcer(name, exchange, routing_key, queue, call)
        if before_task_publish.receivers
        else None,
    )
    mandatory = call.mandatory is not False
    return task_id, Send(message, routing_key, exchange, not_before, None, mandatory), call


def send_task(
    app: App,
    name: str,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] = NOTHING,
) -> AsyncResult:
    """Publish one call and return its result. Raises what :func:`prepare` and ``Publisher.publish`` raise."""
    task_id, send, call = prepare(app, name, args or (), kwargs or {}, options)
    outbox = _outbox.get()
    if outbox is None:
        app.publisher.publish((send,), retry=call.retry, policy=call.retry_policy)
    else:
        outbox.append(send)
    return result_of(app, name, task_id, call)


@contextmanager
def collecting() -> Iterator[list[Send]]:
    """Calls made inside go into the list instead of to the broker: they are published with the outcome."""
    outbox: list[Send] = []
    token = _outbox.set(outbox)
    try:
        yield outbox
    finally:
        _outbox.reset(token)


def result_of(app: App, name: str, task_id: str, call: Options) -> AsyncResult:
    """The result of a call that was made, noted as a child of the task that runs here."""
    result = AsyncResult(task_id, app=app, task_name=name)
    if call.ignore_result:
        result.ignored = True
    if running_task.get() is not None and call.add_to_parent is not False:
        parent = executing()
        if parent is not None and parent.task.trail:
            parent.context.children.append(result)
    return result


def _announcer(name: str, exchange: str, routing_key: str, queue: str | None, call: Options) -> Announce:
    def announce(headers: dict[str, Any], body: Sequence[Any], properties: dict[str, Any]) -> None:
        before_task_publish.send(
            sender=name,
            body=body,
            exchange=exchange,
            routing_key=routing_key,
            headers=headers,
            properties=properties,
            declare=[queue] if queue else [],
            retry_policy=call.retry_policy,
        )

    return announce

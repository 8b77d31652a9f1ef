"""Task messages: Celery's protocol 2 written; 2, 1 and the hybrid of both read (wire-compat 1.1, 1.9)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from os import getpid
from typing import Any, Final

from cicely_transports.compression import compress, decompress
from cicely_transports.errors import EncodeError
from cicely_transports.message import Message, Properties
from cicely_transports.serialization import dumps, loads

from .exceptions import InvalidTaskError
from .moments import from_wire
from .options import TRANSPORT_OPTIONS, Options
from .reprs import MAX_LENGTH, saferepr

#: Headers with a meaning of their own; all others belong to the user (wire-compat section 1.1).
KNOWN_HEADERS: Final = frozenset(
    [
        "lang",
        "task",
        "id",
        "shadow",
        "eta",
        "expires",
        "group",
        "group_index",
        "retries",
        "timelimit",
        "root_id",
        "parent_id",
        "argsrepr",
        "kwargsrepr",
        "origin",
        "ignore_result",
        "replaced_task_nesting",
        "stamped_headers",
        "stamps",
        "compression",
        "redelivered",
    ]
)
NO_OPTIONS: Final = Options.of({})
HOST: Final = socket.gethostname()
_DELIVERY_MODES: Final = {"transient": 1, "persistent": 2, "1": 1, "2": 2, 1: 1, 2: 2}
_BODY: Final = ("args", "kwargs", "links")
_OWN_PROPERTIES: Final = frozenset(("correlation_id", "reply_to", "delivery_mode", "priority", "expiration"))
_TEXT: Final = frozenset({str})
_NO_LIMITS: Final[Sequence[float | None]] = [None, None]
_BARE: Final[Mapping[str, Any]] = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}

#: Called with headers, body and properties (of Celery's names) before they are sealed; may change all three.
Announce = Callable[[dict[str, Any], Sequence[Any], dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A message that was read and found to be a task.

    ``meta`` has the headers of protocol 2, or the fields of an older body; ``custom`` the user's own
    headers. ``timelimit`` is (hard, soft) in seconds, ``expires_at`` epoch seconds. ``chain`` has the
    next step last.
    """

    id: str
    name: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    meta: Mapping[str, Any]
    custom: Mapping[str, Any] | None
    callbacks: list[Any] | None
    errbacks: list[Any] | None
    chain: list[Any] | None
    chord: Mapping[str, Any] | None
    retries: int
    timelimit: Sequence[float | None]
    expires_at: float | None


def encode_task(
    name: str,
    task_id: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Options = NO_OPTIONS,
    *,
    eta: str | None = None,
    expires: str | None = None,
    expiration: str | None = None,
    root_id: str | None = None,
    parent_id: str | None = None,
    ignore_result: bool | None = None,
    serializer: str = "json",
    compression: str | None = None,
    reply_to: str = "",
    priority: int = 0,
    delivery_mode: int | str = 2,
    maxlevels: int = 3,
    protocol: int = 2,
    announce: Announce | None = None,
) -> Message:
    """The message of one call, byte for byte as Celery sends it.

    ``eta`` and ``expires`` are ISO 8601 text, ``expiration`` text of milliseconds. Raises EncodeError
    for arguments that the serializer cannot write, with the path to the culprit.
    """
    headers: dict[str, Any] = {
        "lang": "py",
        "task": name,
        "id": task_id,
        "shadow": options.shadow,
        "eta": eta,
        "expires": expires,
        "group": options.group_id,
        "group_index": options.group_index,
        "retries": options.retries or 0,
        "timelimit": [options.time_limit, options.soft_time_limit],
        "root_id": root_id or task_id,
        "parent_id": parent_id,
        "argsrepr": options.argsrepr or saferepr(args, MAX_LENGTH, maxlevels),
        "kwargsrepr": options.kwargsrepr or (saferepr(kwargs, MAX_LENGTH, maxlevels) if kwargs else "{}"),
        "origin": options.origin or f"gen{getpid()}@{HOST}",
        "ignore_result": ignore_result,
        "replaced_task_nesting": options.replaced_task_nesting or 0,
        "stamped_headers": None,
        "stamps": {},
    }
    if options.stamped_headers:
        headers["stamped_headers"] = list(options.stamped_headers)
        headers["stamps"] = options.stamps
    if options.headers:
        headers.update(options.headers)
    linked = not (options.link is options.link_error is options.chain is options.chord is None)
    body: Any = (args, kwargs, _embed(options) if linked else _BARE)
    if protocol == 1:
        headers, body = {}, _old_body(headers, body)
    correlation_id = task_id
    extra = {} if TRANSPORT_OPTIONS.isdisjoint(options.__dict__) else options.extra
    if announce is not None:
        shown = {
            "correlation_id": correlation_id,
            "reply_to": reply_to,
            "delivery_mode": delivery_mode,
            "priority": priority,
            "expiration": expiration,
            **extra,
        }
        announce(headers, body, shown)
        correlation_id = shown.get("correlation_id", task_id)
        reply_to = shown.get("reply_to", reply_to)
        delivery_mode = shown.get("delivery_mode", delivery_mode)
        priority = shown.get("priority") or 0
        expiration = shown.get("expiration")
        extra = {key: value for key, value in shown.items() if key not in _OWN_PROPERTIES}
    try:
        encoded = dumps(body, serializer, roots=_BODY)
    except EncodeError as exc:
        raise EncodeError(f"the call of {name} cannot be sent: {exc}") from exc
    content = encoded.body
    if compression is not None:
        content, headers["compression"] = compress(content, compression)
    return Message(
        content,
        headers,
        Properties(
            encoded.content_type,
            encoded.content_encoding,
            correlation_id,
            reply_to,
            priority,
            _DELIVERY_MODES[delivery_mode],
            expiration,
            extra=extra,
        ),
    )


def _embed(options: Options) -> Mapping[str, Any]:
    return {
        "callbacks": _signatures(options.link),
        "errbacks": _signatures(options.link_error),
        "chain": None if options.chain is None else [plain(step) for step in options.chain],
        "chord": plain(options.chord),
    }


def _old_body(headers: dict[str, Any], body: Sequence[Any]) -> dict[str, Any]:
    """Protocol 1 has everything in the body (wire-compat section 1.9)."""
    args, kwargs, embed = body
    if embed["chain"]:
        raise EncodeError("task_protocol 1 cannot carry a chain: set it to 2")
    return {
        "task": headers["task"],
        "id": headers["id"],
        "args": args,
        "kwargs": kwargs,
        "group": headers["group"],
        "group_index": headers["group_index"],
        "retries": headers["retries"],
        "eta": headers["eta"],
        "expires": headers["expires"],
        "utc": True,
        "callbacks": embed["callbacks"],
        "errbacks": embed["errbacks"],
        "timelimit": headers["timelimit"],
        "taskset": headers["group"],
        "chord": embed["chord"],
    }


def _signatures(given: Any) -> list[Any] | None:
    if given is None:
        return None
    links = [given] if isinstance(given, Mapping) else given
    return [plain(link) for link in links] or None


def plain(value: Any) -> Any:
    """Signatures as the plain maps that every serializer writes alike."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def decode_task(message: Message, accept: Collection[str]) -> TaskMessage:
    """Read and check a message. ``accept`` holds the allowed serializers (names or content types).

    Raises ContentDisallowed, DecodeError for a body that is not what its content type says, and
    InvalidTaskError for anything else that is wrong, with the reason (wire-compat section 13.1).
    """
    headers, properties, body = message.headers, message.properties, message.body
    if (packing := headers.get("compression")) is not None:
        if type(packing) is not str:
            raise InvalidTaskError(f"compression is no content type: {saferepr(packing, 80)}")
        body = decompress(body, packing)
    content = loads(body, properties.content_type, properties.content_encoding, accept=accept)
    meta: Mapping[str, Any]
    if type(content) is list and len(content) == 3 and "task" in headers:
        meta, (args, kwargs, embed) = headers, content
        if embed is None:
            embed = {}
    else:
        meta, args, kwargs, embed = _parts(headers, content, properties.content_type)
    name, task_id = meta.get("task"), meta.get("id")
    if type(name) is not str or not name:
        raise InvalidTaskError(f"the message names no task, but {saferepr(name, 80)}")
    if type(task_id) is not str or not task_id:
        raise InvalidTaskError(f"the message for {name} has no id, but {saferepr(task_id, 80)}")
    if type(args) is not list and type(args) is not tuple:
        raise InvalidTaskError(f"the arguments of {name} are no list: {saferepr(args, 80)}")
    if type(kwargs) is not dict or not _TEXT.issuperset(map(type, kwargs)):
        raise InvalidTaskError(f"the keyword arguments of {name} are no map of names: {saferepr(kwargs, 80)}")
    if type(embed) is not dict:
        raise InvalidTaskError(f"the links of {name} are no map: {saferepr(embed, 80)}")
    linked = any(embed.values())
    eta, expires = meta.get("eta"), meta.get("expires")
    if eta is not None:
        _moment("eta", eta)
    retries = meta.get("retries") or 0
    if type(retries) is not int or retries < 0:
        raise InvalidTaskError(f"retries is no count: {saferepr(retries, 80)}")
    limits = meta.get("timelimit")
    custom = headers.keys() - KNOWN_HEADERS
    return TaskMessage(
        task_id,
        name,
        args,
        kwargs,
        meta,
        {key: headers[key] for key in custom} if custom else None,
        _links(embed, "callbacks") if linked else None,
        _links(embed, "errbacks") if linked else None,
        _links(embed, "chain") if linked else None,
        _link("chord", embed.get("chord")) if linked else None,
        retries,
        _timelimit(limits) if limits is not None and limits != _NO_LIMITS else _NO_LIMITS,
        _moment("expires", expires) if expires is not None else None,
    )


def _parts(
    headers: Mapping[str, Any], content: Any, content_type: str
) -> tuple[Mapping[str, Any], Any, Any, Any]:
    """Metadata, arguments, keyword arguments and links, by protocol (wire-compat section 1.1)."""
    if "task" in headers and (type(content) is list or type(content) is tuple):
        if len(content) != 3:
            raise InvalidTaskError(f"the body has {len(content)} items instead of [args, kwargs, links]")
        embed = content[2]
        return headers, content[0], content[1], {} if embed is None else embed
    if type(content) is dict and "args" in content and "task" in headers:
        meta = {**content, **headers}
    elif type(content) is dict and "task" in content:
        meta = {**content, "group": content.get("taskset") or content.get("group")}
    else:
        raise InvalidTaskError(
            f"this is no task message: there is {'a' if 'task' in headers else 'no'} task header, and the "
            f"body ({content_type}) holds {saferepr(content, 80)}"
        )
    args, kwargs = meta.get("args"), meta.get("kwargs")
    return (
        meta,
        [] if args is None else args,
        {} if kwargs is None else kwargs,
        {name: meta.get(name) for name in _BARE},
    )


def _links(embed: Mapping[str, Any], name: str) -> list[Any] | None:
    links = embed.get(name)
    if links is None:
        return None
    if type(links) is not list and type(links) is not tuple:
        raise InvalidTaskError(f"{name} is no list of signatures: {saferepr(links, 80)}")
    return [_link(name, link) for link in links]


def _link(name: str, link: Any) -> Any:
    if link is not None and (not isinstance(link, dict) or type(link.get("task")) is not str):
        raise InvalidTaskError(f"{name} holds something that is no signature: {saferepr(link, 80)}")
    return link


def _timelimit(limits: Any) -> Sequence[float | None]:
    if (
        isinstance(limits, (list, tuple))
        and len(limits) == 2
        and all(limit is None or isinstance(limit, (int, float)) for limit in limits)
    ):
        return limits
    raise InvalidTaskError(f"timelimit is not [hard, soft] in seconds: {saferepr(limits, 80)}")


def _moment(name: str, text: Any) -> float:
    try:
        return from_wire(text).timestamp()
    except (ValueError, OverflowError) as exc:
        raise InvalidTaskError(f"{name} cannot be read: {exc}") from exc

"""Declarations to stores, as pure functions: what is refused, what is stored, what conflicts.

A store knows exchanges and bindings only. A declared queue is its binding to the default exchange,
with the queue's options as that binding's arguments.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import MisuseError, NotSupported, TopologyConflict
from .near import did_you_mean
from .routing import is_lapsed
from .spi import Capabilities
from .store import Bindings, BoundQueue
from .topology import DEFAULT_EXCHANGE, BindingSpec, ExchangeSpec, QueueSpec, Topology

#: RabbitMQ's arguments that say the same as a field of QueueSpec, and the factor to its unit.
SAME_AS_FIELD: Mapping[str, tuple[str, float]] = {
    "x-expires": ("expires", 0.001),
    "x-message-ttl": ("message_ttl", 0.001),
    "x-max-length": ("max_length", 1),
    "x-max-length-bytes": ("max_length_bytes", 1),
    "x-max-priority": ("max_priority", 1),
}
#: Arguments about where and how RabbitMQ keeps a queue: nothing that a consumer could notice.
NO_DIFFERENCE = frozenset(
    {"x-queue-type", "x-queue-mode", "x-queue-leader-locator", "x-queue-master-locator"}
    | {"x-quorum-initial-group-size", "x-queue-version"}
)
OPTIONS = (
    "exclusive",
    "auto_delete",
    "expires",
    "message_ttl",
    "max_length",
    "max_length_bytes",
    "max_priority",
)


def plan(
    topology: Topology, existing: Bindings, capabilities: Capabilities, now: float
) -> tuple[list[ExchangeSpec], list[BoundQueue]]:
    """What to give to the store's ``bind``.

    Raises NotSupported for options outside the capabilities, TopologyConflict, and MisuseError for a
    binding to an exchange that neither exists nor is declared here.
    """
    exchanges = [spec for spec in topology.exchanges if not _is_default(spec)]
    for spec in exchanges:
        _check_exchange(spec, capabilities)
    bindings = [queue_binding(spec, capabilities) for spec in topology.queues]
    live = [bound.binding for bound in existing.bound if not is_lapsed(bound, now)]
    expires = {
        binding.queue: binding.arguments["expires"]
        for binding in [*live, *bindings]
        if binding.exchange == DEFAULT_EXCHANGE and "expires" in binding.arguments
    }
    known = {spec.name for spec in [*existing.exchanges, *exchanges]}
    for binding in topology.bindings:
        if binding.exchange == DEFAULT_EXCHANGE:
            if binding.routing_key != binding.queue:
                raise MisuseError(f"the default exchange binds queue {binding.queue!r} by its own name only")
            continue
        if binding.exchange not in known:
            hint = did_you_mean(binding.exchange, known) or "; declare it first"
            raise MisuseError(
                f"cannot bind queue {binding.queue!r}: exchange {binding.exchange!r} does not exist{hint}"
            )
        bindings.append(binding)
    bound = [
        BoundQueue(binding, now + expires[binding.queue] if binding.queue in expires else None)
        for binding in bindings
    ]
    refuse_conflicts(existing, exchanges, bound)
    return exchanges, bound


def queue_binding(spec: QueueSpec, capabilities: Capabilities) -> BindingSpec:
    """The binding that stands for a queue. Raises NotSupported."""
    options: dict[str, Any] = {name: getattr(spec, name) for name in OPTIONS if getattr(spec, name)}
    for name, value in spec.arguments.items():
        if name in SAME_AS_FIELD:
            field, factor = SAME_AS_FIELD[name]
            options.setdefault(field, value * factor)
        elif name not in NO_DIFFERENCE:
            raise NotSupported(f"queue {spec.name!r}: this transport does not know the argument {name!r}")
    for name in options:
        if name not in capabilities.queue_options:
            raise NotSupported(f"queue {spec.name!r}: this transport does not honour {name!r}")
    if not spec.name:
        raise MisuseError("a queue needs a name")
    if not spec.durable:
        options["durable"] = False
    return BindingSpec(DEFAULT_EXCHANGE, spec.name, spec.name, options)


def refuse_conflicts(
    existing: Bindings, exchanges: Iterable[ExchangeSpec], bound: Iterable[BoundQueue]
) -> None:
    """Raise TopologyConflict, naming what differs, if something exists with other arguments."""
    known = {spec.name: spec for spec in existing.exchanges}
    for spec in exchanges:
        other = known.get(spec.name)
        if other is not None and other != spec:
            fields = [(name, getattr(other, name), getattr(spec, name)) for name in EXCHANGE_FIELDS]
            raise _conflict("exchange", spec.name, fields)
    declared = {
        item.binding.queue: item.binding
        for item in existing.bound
        if item.binding.exchange == DEFAULT_EXCHANGE
    }
    for item in bound:
        binding = item.binding
        before = declared.get(binding.queue)
        if binding.exchange == DEFAULT_EXCHANGE and before is not None and before != binding:
            old, new = before.arguments, binding.arguments
            fields = [
                (name, old.get(name, UNSAID.get(name)), new.get(name, UNSAID.get(name)))
                for name in sorted({*old, *new})
            ]
            raise _conflict("queue", binding.queue, fields)


def binding_key(binding: BindingSpec) -> tuple[str, str, str, str]:
    """What makes two bindings one: everything, except that a queue has one on the default exchange."""
    if binding.exchange == DEFAULT_EXCHANGE:
        return "", binding.queue, binding.queue, ""
    return binding.exchange, binding.queue, binding.routing_key, as_json(binding.arguments)


def as_json(arguments: Mapping[str, Any]) -> str:
    """One text for equal arguments. Raises MisuseError for what JSON does not have."""
    try:
        return json.dumps(dict(arguments), sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError) as exc:
        raise MisuseError(f"binding arguments cannot be written as JSON: {exc}") from exc


#: What an option is that a declaration leaves out, where it is not None.
UNSAID = {"durable": True, "exclusive": False, "auto_delete": False}
EXCHANGE_FIELDS = ("type", "durable", "auto_delete", "arguments")


def _is_default(spec: ExchangeSpec) -> bool:
    if spec.name == DEFAULT_EXCHANGE and spec.type != "direct":
        raise TopologyConflict(f"the default exchange exists with type='direct', not type={spec.type!r}")
    return spec.name == DEFAULT_EXCHANGE


def _check_exchange(spec: ExchangeSpec, capabilities: Capabilities) -> None:
    if spec.type not in capabilities.exchange_types:
        hint = did_you_mean(spec.type, capabilities.exchange_types)
        known = ", ".join(sorted(capabilities.exchange_types))
        raise NotSupported(f"exchange {spec.name!r}: no type {spec.type!r}{hint or f'; there is: {known}'}")
    for name in spec.arguments:
        raise NotSupported(f"exchange {spec.name!r}: this transport does not know the argument {name!r}")


def _conflict(kind: str, name: str, fields: Sequence[tuple[str, Any, Any]]) -> TopologyConflict:
    different = ", ".join(f"{field}={old!r}, not {field}={new!r}" for field, old, new in fields if old != new)
    return TopologyConflict(
        f"{kind} {name!r} exists with {different}: declare it as it is, or delete it first"
    )

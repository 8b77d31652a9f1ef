"""The topology of a store as one JSON text, for stores that keep it in one place.

All functions are pure: a store reads its document, changes it and writes it back under its own lock.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache

from .declaring import binding_key, refuse_conflicts
from .store import Bindings, BoundQueue
from .topology import BindingSpec, ExchangeSpec


@lru_cache(maxsize=16)
def read_topology(document: str) -> Bindings:
    """The bindings in a document, none in an empty text.

    Cheap for one that was read before: publishers ask for each batch.
    """
    if not document:
        return Bindings(0)
    known = json.loads(document)
    bound = [BoundQueue(BindingSpec(**item["binding"]), item["lapses_at"]) for item in known["bound"]]
    return Bindings(known["version"], [ExchangeSpec(**spec) for spec in known["exchanges"]], bound)


def bind_in(document: str, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> str:
    """The document with these added or renewed. Raises TopologyConflict."""
    before = read_topology(document)
    refuse_conflicts(before, exchanges, bound)
    specs = {spec.name: spec for spec in [*before.exchanges, *exchanges]}
    items = {binding_key(item.binding): item for item in [*before.bound, *bound]}
    return _write(before, [*specs.values()], [*items.values()])


def unbind_in(
    document: str, bindings: Sequence[BindingSpec], queues: Sequence[str], exchanges: Sequence[str]
) -> str:
    """The document without these bindings, and without what belongs to these queues and exchanges."""
    before = read_topology(document)
    gone = {binding_key(binding) for binding in bindings}
    specs = [spec for spec in before.exchanges if spec.name not in exchanges]
    items = [
        item
        for item in before.bound
        if binding_key(item.binding) not in gone
        and item.binding.queue not in queues
        and item.binding.exchange not in exchanges
    ]
    return _write(before, specs, items)


def _write(before: Bindings, specs: Sequence[ExchangeSpec], items: Sequence[BoundQueue]) -> str:
    return json.dumps(
        {
            "version": before.version + 1,
            "exchanges": [asdict(spec) for spec in specs],
            "bound": [asdict(item) for item in items],
        }
    )

"""Exchanges and bindings in tables, with a version that tells of any change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence

from cicely_transports.declaring import as_json, binding_key, refuse_conflicts
from cicely_transports.store import Bindings, BoundQueue
from cicely_transports.topology import BindingSpec, ExchangeSpec

from .connections import Connections

_VERSION = "SELECT value FROM cicely_broker WHERE name = 'bindings'"
_BUMP = "UPDATE cicely_broker SET value = value + 1 WHERE name = 'bindings'"
_ONE_BINDING = "exchange = ? AND queue = ? AND routing_key = ? AND distinct_by = ?"


class BindingTable:
    """The bindings of one file. Reading them costs one look at the version unless it changed."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._known = Bindings(-1)

    def read(self) -> Bindings:
        """What is bound now."""
        with self._connections.reading() as connection:
            (version,) = connection.execute(_VERSION).fetchone()
            if version == self._known.version:
                return self._known
            # One transaction, or the content could be newer than its version.
            connection.execute("BEGIN")
            try:
                known = _load(connection)
            finally:
                connection.execute("COMMIT")
        self._known = known
        return known

    def add(self, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> None:
        """Add or renew; writes nothing if everything is there. Raises TopologyConflict."""
        if self._has(self.read(), exchanges, bound):
            return
        with self._connections.writing() as connection:
            refuse_conflicts(_load(connection), exchanges, bound)
            connection.executemany(
                "INSERT OR IGNORE INTO cicely_exchange VALUES (?, ?, ?, ?)",
                [(spec.name, spec.type, spec.durable, spec.auto_delete) for spec in exchanges],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO cicely_binding VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (*binding_key(item.binding), as_json(item.binding.arguments), item.lapses_at)
                    for item in bound
                ],
            )
            connection.execute(_BUMP)

    def remove(
        self,
        connection: sqlite3.Connection,
        *,
        bindings: Iterable[BindingSpec],
        queues: Iterable[str],
        exchanges: Iterable[str],
    ) -> None:
        """Remove bindings one by one, and all of the queues and exchanges; the caller has the lock."""
        connection.executemany(
            f"DELETE FROM cicely_binding WHERE {_ONE_BINDING}", [binding_key(binding) for binding in bindings]
        )
        connection.executemany("DELETE FROM cicely_binding WHERE queue = ?", [(name,) for name in queues])
        gone = [(name,) for name in exchanges]
        connection.executemany("DELETE FROM cicely_binding WHERE exchange = ?", gone)
        connection.executemany("DELETE FROM cicely_exchange WHERE name = ?", gone)
        connection.execute(_BUMP)

    def _has(self, known: Bindings, exchanges: Sequence[ExchangeSpec], bound: Sequence[BoundQueue]) -> bool:
        return set(map(_exchange_key, exchanges)) <= set(map(_exchange_key, known.exchanges)) and all(
            item in known.bound for item in bound
        )


def _load(connection: sqlite3.Connection) -> Bindings:
    (version,) = connection.execute(_VERSION).fetchone()
    exchanges = connection.execute("SELECT name, type, durable, auto_delete FROM cicely_exchange").fetchall()
    bound = connection.execute(
        "SELECT exchange, queue, routing_key, arguments, lapses_at FROM cicely_binding"
    ).fetchall()
    return Bindings(
        version,
        tuple(
            ExchangeSpec(name, kind, bool(durable), bool(auto_delete))
            for name, kind, durable, auto_delete in exchanges
        ),
        tuple(
            BoundQueue(BindingSpec(exchange, queue, routing_key, json.loads(arguments)), lapses_at)
            for exchange, queue, routing_key, arguments, lapses_at in bound
        ),
    )


def _exchange_key(spec: ExchangeSpec) -> tuple[str, str, bool, bool]:
    return spec.name, spec.type, spec.durable, spec.auto_delete

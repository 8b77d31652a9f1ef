"""Tables of the SQLite broker, and the check that a file has them.

``cicely_message`` holds every message, one row for each queue. ``lane`` is what it is:

    0 fresh: never claimed        1 suspect: claimed before, or now        2 dead

A row can be had when its lane is 0 or 1 and ``visible_at`` is over. ``token`` is the claim that it is
under, or was when the lease ran out. ``rank`` is 9 minus the priority. Delayed and leased rows sit
behind the due ones of their rank in ``cicely_message_line``, so that no claim ever reads them,
however many there are; ``token`` is in that index for counting alone.

Large bodies live in a table of their own: a claim or renewal rewrites its row, not the body.
"""

from __future__ import annotations

import secrets
import sqlite3

from cicely_transports.errors import MisuseError

VERSION = 1
FRESH, SUSPECT, DEAD = 0, 1, 2
#: Bytes up to which a body stays in its row; with a usual head it fits into one page.
INLINE_BODY = 2048

TABLES = (
    "CREATE TABLE cicely_broker (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE cicely_message (
        id INTEGER PRIMARY KEY,
        queue TEXT NOT NULL,
        lane INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        visible_at REAL NOT NULL,
        token INTEGER,
        attempt INTEGER NOT NULL,
        expires_at REAL,
        head TEXT NOT NULL,
        body BLOB,
        reason TEXT
    )""",
    "CREATE INDEX cicely_message_line ON cicely_message (queue, lane, rank, visible_at, token)",
    """CREATE INDEX cicely_message_expiry ON cicely_message (queue, expires_at)
        WHERE expires_at IS NOT NULL""",
    "CREATE TABLE cicely_message_body (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """CREATE TRIGGER cicely_message_gone AFTER DELETE ON cicely_message WHEN OLD.body IS NULL
        BEGIN DELETE FROM cicely_message_body WHERE id = OLD.id; END""",
    """CREATE TABLE cicely_exchange (
        name TEXT PRIMARY KEY, type TEXT NOT NULL, durable INTEGER NOT NULL, auto_delete INTEGER NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE cicely_binding (
        exchange TEXT NOT NULL,
        queue TEXT NOT NULL,
        routing_key TEXT NOT NULL,
        distinct_by TEXT NOT NULL,
        arguments TEXT NOT NULL,
        lapses_at REAL,
        PRIMARY KEY (exchange, queue, routing_key, distinct_by)
    ) WITHOUT ROWID""",
)


def has_schema(connection: sqlite3.Connection, path: str) -> bool:
    """Whether the tables are there. Raises MisuseError when a newer version of them is."""
    listed = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'cicely_broker'"
    if connection.execute(listed).fetchone() is None:
        return False
    row = connection.execute("SELECT value FROM cicely_broker WHERE name = 'schema'").fetchone()
    if row is None or row[0] != VERSION:
        raise MisuseError(
            f"{path} has the broker schema {row[0] if row else 'unknown'}, this version of cicely-transports "
            f"reads {VERSION}: upgrade cicely-transports, or use another file"
        )
    return True


def create_schema(connection: sqlite3.Connection) -> None:
    """Make the tables; the caller has the write lock.

    The version of the bindings starts anywhere, so that a snapshot from a file that was deleted
    meanwhile is never taken for one of this file.
    """
    for statement in TABLES:
        connection.execute(statement)
    connection.executemany(
        "INSERT INTO cicely_broker VALUES (?, ?)",
        [("schema", VERSION), ("bindings", secrets.randbits(48))],
    )

"""Tables and statements. The names are our own, so that the file may also be the broker's.

``seq`` grows with every stored change and is never used twice: a change gives the row a new one, which
is how a watcher finds what is new without reading the rest.
"""

from __future__ import annotations

#: Most ids in one statement; older SQLite versions allow 999 parameters.
CHUNK = 500

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS cicely_result (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        task_id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL,
        expires_at REAL,
        payload BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS cicely_result_group (
        group_id TEXT PRIMARY KEY,
        expires_at REAL,
        payload BLOB NOT NULL)""",
)

#: The table that is made last.
IS_MADE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'cicely_result_group'"

#: Parameters: task id, state, expiry, payload. Enough for a task's first record, and a third cheaper.
PUT_NEW = "INSERT OR IGNORE INTO cicely_result (task_id, state, expires_at, payload) VALUES (?, ?, ?, ?)"

#: The same parameters, the task id again, and now. Leaves a SUCCESS alone that has not expired.
PUT = """INSERT OR REPLACE INTO cicely_result (task_id, state, expires_at, payload)
    SELECT ?, ?, ?, ? WHERE NOT EXISTS (
        SELECT 1 FROM cicely_result
        WHERE task_id = ? AND state = 'SUCCESS' AND (expires_at IS NULL OR expires_at > ?))"""

NEWEST = "SELECT coalesce(max(seq), 0) FROM cicely_result"
CHANGED_IDS = "SELECT task_id FROM cicely_result WHERE seq > ?"

#: Parameters: now, now, how many of the oldest rows to look at. Rows age in the order of seq.
SWEEP = """DELETE FROM cicely_result WHERE expires_at <= ? AND seq IN (
    SELECT seq FROM cicely_result ORDER BY seq LIMIT ?)"""
EXPIRED = "SELECT seq FROM cicely_result WHERE expires_at <= ? LIMIT ?"
DELETE_EXPIRED = "DELETE FROM cicely_result WHERE seq = ? AND expires_at <= ?"
DELETE_EXPIRED_GROUPS = "DELETE FROM cicely_result_group WHERE expires_at <= ?"
FORGET = "DELETE FROM cicely_result WHERE task_id = ?"

PUT_GROUP = "INSERT OR REPLACE INTO cicely_result_group (group_id, expires_at, payload) VALUES (?, ?, ?)"
GET_GROUP = """SELECT payload FROM cicely_result_group
    WHERE group_id = ? AND (expires_at IS NULL OR expires_at > ?)"""
FORGET_GROUP = "DELETE FROM cicely_result_group WHERE group_id = ?"


def select_ids(count: int) -> str:
    """Parameters: ``count`` ids, now, the seq after which a row counts as changed."""
    marks = ",".join("?" * count)
    return f"""SELECT task_id, payload FROM cicely_result
        WHERE task_id IN ({marks}) AND (expires_at IS NULL OR expires_at > ?) AND seq > ?"""

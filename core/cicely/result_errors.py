"""Errors of waiting for results, in words that help."""

from __future__ import annotations

from . import states
from .exceptions import TaskError, TaskRevokedError

ADVICE = {
    states.PENDING: "nothing is stored for it: check that a worker runs, consumes its queue and stores its "
    "results in this backend, and that the id is right; it may also be running (see task_track_started)",
    states.RECEIVED: "a worker has it, but has not started it: its slots may be taken by other tasks",
    states.STARTED: "a worker runs it: wait longer, or give the task a time limit",
    states.RETRY: "it failed and waits for its retry: the result property has the exception",
}


class RemoteTraceback(Exception):
    """The traceback in the worker, as the cause of the exception that is raised here."""

    def __str__(self) -> str:
        return f"\n\nin the worker:\n{self.args[0]}"


def stored_exception(task_id: str, state: str, value: object) -> BaseException:
    """What to raise for the result of a task that failed or was revoked."""
    if isinstance(value, BaseException):
        return value
    if state == states.REVOKED:
        return TaskRevokedError("revoked" if value is None else value)
    return TaskError(f"task {task_id} is in state {state}, but no exception is stored for it")


def timeout_text(task_id: str, name: str | None, state: str, timeout: float) -> str:
    """Why nothing came, as far as the state tells."""
    task = f"task {task_id} ({name})" if name else f"task {task_id}"
    return f"{task} is {state} after {timeout:g} s: {ADVICE.get(state, 'it has not ended yet')}"


def group_timeout_text(group_id: str, missing: list[str], total: int, timeout: float) -> str:
    """Which members of a group are late."""
    some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
    return (
        f"{len(missing)} of {total} tasks of group {group_id} have not ended after {timeout:g} s: {some}; "
        "check that a worker runs, consumes their queues and stores results in this result backend"
    )

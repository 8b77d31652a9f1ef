"""Errors of the task layer. Names and meaning are Celery's; the tree is split by what to do about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cicely_transports.errors import (
    ContentDisallowed,
    DecodeError,
    EncodeError,
    OperationalError,
)

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "AlreadyRegistered",
    "BackendError",
    "BackendGetMetaError",
    "BackendStoreError",
    "CDeprecationWarning",
    "CPendingDeprecationWarning",
    "ChordError",
    "CicelyError",
    "CicelyWarning",
    "ContentDisallowed",
    "DecodeError",
    "DuplicateNodenameWarning",
    "EncodeError",
    "Ignore",
    "ImproperlyConfigured",
    "IncompleteStream",
    "InvalidTaskError",
    "MaxRetriesExceededError",
    "NotRegistered",
    "OperationalError",
    "QueueNotFound",
    "Reject",
    "Retry",
    "SecurityError",
    "SoftTimeLimitExceeded",
    "TaskError",
    "TaskPredicate",
    "TaskRevokedError",
    "Terminated",
    "TimeLimitExceeded",
    "TimeoutError",
    "UnknownOption",
    "UnknownSettingWarning",
    "WorkerLostError",
    "WorkerShutdown",
    "WorkerTerminate",
]


class CicelyError(Exception):
    """Base of the task layer's errors."""


class CicelyWarning(UserWarning):
    """Base of the task layer's warnings."""


class UnknownSettingWarning(CicelyWarning):
    """A setting that does not exist was given; the text has the near name."""


class DuplicateNodenameWarning(CicelyWarning):
    """Two workers answer to one name."""


class CDeprecationWarning(DeprecationWarning):
    """An old name that still works."""


class CPendingDeprecationWarning(PendingDeprecationWarning):
    """An old name that will be deprecated."""


# --- misuse: change the call or the configuration


class ImproperlyConfigured(CicelyError):
    """The configuration contradicts itself or misses something; the text says what to set."""


class UnknownOption(CicelyError, TypeError):
    """A call carried an option that does not exist; the text has the near name."""


class SecurityError(CicelyError):
    """Something was refused because it could be an attack."""


class QueueNotFound(CicelyError, KeyError):
    """A queue name is not among the configured ones."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


# --- tasks


class TaskError(CicelyError):
    """Base of what can be wrong with a task."""


class NotRegistered(TaskError, KeyError):
    """No task has this name here. The single argument is the name (wire-compat section 1.8)."""

    def __repr__(self) -> str:
        return f"NotRegistered({', '.join(map(repr, self.args))})"


class AlreadyRegistered(TaskError):
    """Two different tasks were given one name."""


class InvalidTaskError(TaskError):
    """The message is not a task that this version can read."""


class MaxRetriesExceededError(TaskError):
    """A task was retried more often than ``max_retries``."""

    def __init__(self, *args: object, task_args: Any = (), task_kwargs: Any = None) -> None:
        self.task_args = task_args
        self.task_kwargs = task_kwargs or {}
        super().__init__(*args)


class IncompleteStream(TaskError):
    """The end of a stream was reached before its time."""


class TaskRevokedError(TaskError):
    """The task was revoked, terminated or expired before it ended; the argument says which."""


class ChordError(TaskError):
    """A part of a chord failed, so that its body cannot run."""


class TimeoutError(TaskError):  # noqa: A001 - the public name of Celery's API
    """Waiting for a result took longer than asked for."""


# --- the executor of a task was lost


class WorkerLostError(CicelyError):
    """The process that ran the task died."""


class Terminated(CicelyError):
    """The process that ran the task was told to end it."""


class TimeLimitExceeded(CicelyError):
    """The hard time limit (seconds, the argument) passed and the process was killed."""


class SoftTimeLimitExceeded(Exception):
    """The soft time limit passed; raised inside the task, which may clean up."""


# --- result backends: may pass


class BackendError(CicelyError):
    """The result backend failed."""


class BackendGetMetaError(BackendError):
    """A result could not be read."""


class BackendStoreError(BackendError):
    """A result could not be stored."""


# --- not errors: what a task body raises to say how it wants to end


class TaskPredicate(CicelyError):
    """Base of the control-flow exceptions of a task body."""


class Retry(TaskPredicate):
    """The task is to run again: at ``when`` (seconds from now, or an aware datetime)."""

    def __init__(
        self,
        message: str | None = None,
        exc: BaseException | str | None = None,
        when: datetime | float | None = None,
        is_eager: bool = False,
        sig: Any = None,
    ) -> None:
        self.message = message
        self.exc = exc if isinstance(exc, BaseException) else None
        self.excs = repr(exc) if isinstance(exc, BaseException) else exc
        self.when = when
        self.is_eager = is_eager
        self.sig = sig
        super().__init__(message, exc, when)

    def humanize(self) -> str:
        """``in 3s`` or ``at 2026-01-02 ...``."""
        if isinstance(self.when, (int, float)):
            return f"in {self.when}s"
        return f"at {self.when}"

    def __str__(self) -> str:
        if self.message:
            return self.message
        return f"Retry {self.humanize()}: {self.excs}" if self.excs else f"Retry {self.humanize()}"


class Ignore(TaskPredicate):
    """Acknowledge the task and store nothing."""


class Reject(TaskPredicate):
    """Refuse the message: back into the queue with ``requeue``, to the dead letters without."""

    def __init__(self, reason: object = None, requeue: bool = False) -> None:
        self.reason = reason
        self.requeue = requeue
        super().__init__(reason, requeue)


# --- the worker is told to stop (raised from signal handlers and user hooks)


class WorkerTerminate(SystemExit):
    """Stop the worker at once."""


class WorkerShutdown(SystemExit):
    """Stop the worker after the running tasks."""

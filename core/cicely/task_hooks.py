"""The hooks of a task, which do nothing until a task overrides them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .einfo import ExceptionInfo


class TaskHooks:
    """Called while a message is run; what they raise is logged, except for before_start."""

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Called before the body. An exception fails the task."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Called when the body has returned."""

    def on_failure(
        self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: ExceptionInfo
    ) -> None:
        """Called when the task has failed."""

    def on_retry(
        self, exc: BaseException | None, task_id: str, args: Any, kwargs: Any, einfo: ExceptionInfo
    ) -> None:
        """Called when the task is to run again."""

    def after_return(
        self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: ExceptionInfo | None
    ) -> None:
        """Called at the end of every run, unless it was ignored or rejected."""

"""The result of a group: of several tasks that were sent together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .async_result import SLICE, AsyncResult
from .exceptions import TimeoutError  # noqa: A004 - the one that results raise
from .joins import refuse_to_block
from .result_base import KINDS, ResultBase
from .result_errors import group_timeout_text

if TYPE_CHECKING:
    from .ports import App


class GroupResult(ResultBase):
    """The results of the members, in the order in which these were given. Members may be groups."""

    __slots__ = ("__weakref__", "_app", "id", "parent", "results")

    def __init__(
        self,
        id: str,  # noqa: A002 - the public name of Celery's API
        results: Iterable[ResultBase] = (),
        *,
        app: App | None = None,
        parent: ResultBase | None = None,
    ) -> None:
        self.id = id
        self.results = list(results)
        self.parent = parent
        self._app = app

    @property
    def children(self) -> Sequence[ResultBase]:
        """The members."""
        return self.results

    def tasks(self) -> Iterator[ResultBase]:
        """The results of single tasks, those of inner groups too."""
        for result in self.results:
            yield from result.tasks()

    def ready(self) -> bool:
        """Whether every member ended."""
        return all(result.ready() for result in self.results)

    def successful(self) -> bool:
        """Whether every member returned."""
        return all(task.successful() for task in self._members())

    def failed(self) -> bool:
        """Whether a member raised."""
        return any(task.failed() for task in self._members())

    def waiting(self) -> bool:
        """Whether a member has not ended."""
        return not self.ready()

    def completed_count(self) -> int:
        """How many tasks returned."""
        return sum(task.successful() for task in self._members())

    def maybe_throw(self, propagate: bool = True) -> None:
        """Raise the exception of the first member that failed or was revoked."""
        for task in self._members():
            task.maybe_throw(propagate=propagate)

    def get(
        self, timeout: float | None = None, propagate: bool = True, *, disable_sync_subtasks: bool = True
    ) -> list[Any]:
        """Wait until all members have ended, and return their values as a list; inner groups are lists, too.

        The first failure to arrive is raised at once, or with ``propagate=False`` returned in its place.
        Raises TimeoutError when not all ended within ``timeout`` seconds, RuntimeError inside a task.
        """
        if disable_sync_subtasks:
            refuse_to_block()
        self._wait(timeout, propagate)
        return [
            result.get(propagate=propagate, disable_sync_subtasks=False)
            if isinstance(result, (AsyncResult, GroupResult))
            else result.get(propagate=propagate)
            for result in self.results
        ]

    join = get

    def forget(self) -> None:
        """Remove what is stored about the members."""
        for result in self.results:
            result.forget()

    def as_tuple(self) -> tuple[tuple[str, Any], list[Any]]:
        """``((id, parent), [member, ...])`` (wire-compat section 6.2)."""
        return (self.id, self.parent and self.parent.as_tuple()), [
            result.as_tuple() for result in self.results
        ]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[ResultBase]:
        return iter(self.results)

    def __getitem__(self, index: int) -> ResultBase:
        return self.results[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroupResult):
            return NotImplemented
        return (self.id, self.results, self.parent) == (other.id, other.results, other.parent)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<GroupResult: {self.id} [{', '.join(result.id for result in self.results)}]>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.id, self.results, self._app, self.parent)

    def _members(self) -> list[AsyncResult]:
        return [task for task in self.tasks() if isinstance(task, AsyncResult)]

    def _wait(self, timeout: float | None, propagate: bool) -> None:
        open_tasks = {task.id: task for task in self._members() if not (task.known() or task.ignored)}
        if not open_tasks:
            return
        total, deadline = len(open_tasks), None if timeout is None else time.monotonic() + timeout
        with next(iter(open_tasks.values())).backend.watch(list(open_tasks)) as watch:
            while True:
                left = SLICE if deadline is None else min(deadline - time.monotonic(), SLICE)
                for task_id, payload in watch.wait(max(left, 0.0)).items():
                    task = open_tasks.get(task_id)
                    if task is None:
                        continue
                    task.learn(payload)
                    if task.known():
                        del open_tasks[task_id]
                        task.maybe_throw(propagate=propagate)
                if not open_tasks:
                    return
                if timeout is not None and left <= 0:
                    raise TimeoutError(group_timeout_text(self.id, list(open_tasks), total, timeout))


def _remade(
    group_id: str, results: list[ResultBase], app: App | None, parent: ResultBase | None
) -> GroupResult:
    return GroupResult(group_id, results, app=app, parent=parent)


KINDS.group = GroupResult

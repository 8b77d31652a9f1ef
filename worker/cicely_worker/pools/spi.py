"""The pool SPI: executors that run jobs, as the consumer loop sees them.

All methods are called by the consumer loop, in one thread, and none of them blocks. A pool has *slots*,
one per executor. The loop asks which slots are there, gives jobs to one of them and polls for reports.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicely.outcome import Outcome
    from cicely_transports.spi import Delivery


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery on its way to an executor. ``number`` is unique within one consumer and increases."""

    number: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Finished:
    """The executor ran the job to an outcome."""

    slot: int
    number: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ExecutorLost:
    """An executor died. ``running``: the job it was in, if any; ``unread``: jobs it never started,
    to be given to another executor. ``reason`` is text such as ``signal 9 (SIGKILL)``.
    """

    slot: int
    pid: int
    running: int | None
    unread: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class SlotReady:
    """An executor is up and can be given jobs (first start or replacement)."""

    slot: int
    pid: int


Report = Finished | ExecutorLost | SlotReady


class Pool(ABC):
    """Executors of one worker."""

    #: Can an executor's death be survived (processes) or does it take the worker with it (threads)?
    isolated: bool = False

    @abstractmethod
    def start(self) -> None:
        """Bring the executors up; each announces itself with SlotReady."""

    @abstractmethod
    def filenos(self) -> Sequence[int]:
        """Descriptors that become readable when :meth:`poll` has something. May change after a poll."""

    @abstractmethod
    def dispatch(self, slot: int, jobs: Sequence[Job]) -> int:
        """Hand jobs to one executor, in order. Returns how many it took (its pipe may be full)."""

    @abstractmethod
    def take_back(self, slot: int) -> list[int]:
        """Numbers of jobs given to this executor that it has not begun, and now never will."""

    @abstractmethod
    def running(self, slot: int) -> tuple[int, float] | None:
        """(job number, monotonic start time) of the job that the executor is in, None when idle."""

    @abstractmethod
    def poll(self) -> list[Report]:
        """What happened since the last call."""

    @abstractmethod
    def stop(self, *, kill: bool) -> None:
        """Let idle executors end; with ``kill`` end all of them now."""

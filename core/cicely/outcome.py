"""What running one task message leads to: plain data, carried out by whoever ran it.

Nothing in an outcome has happened yet. The order in which it is carried out is the promise that
nothing is lost: ``sends`` are published and confirmed, ``records`` are stored, then the message is
settled with ``verdict``.
"""

from __future__ import annotations

from dataclasses import dataclass

from cicely_transports.spi import Send, Verdict

from .backends.spi import StoredRecord


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt.

    ``state`` is one of :mod:`cicely.states`; ``summary`` the text for logs and events (repr of the
    result or of the exception, bounded). ``not_before``, ``counted`` and ``reason`` go into the
    settlement. ``runtime`` is seconds spent in the task body. ``records`` are the task's own, if it is to
    be kept, and those of tasks that end together with it, such as the rest of a chain that failed.
    """

    task_id: str
    task_name: str
    state: str
    verdict: Verdict
    sends: tuple[Send, ...] = ()
    records: tuple[StoredRecord, ...] = ()
    not_before: float | None = None
    counted: bool = True
    reason: str | None = None
    runtime: float = 0.0
    summary: str = ""
    traceback: str | None = None

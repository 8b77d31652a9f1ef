"""Admission: what is to become of a delivery before anything of it runs. Pure: no I/O, the time is passed in.

The body stays closed: everything here is decided by headers and properties. A message without a ``task``
header (protocol 1, wire-compat section 1.9) keeps its facts in the body, so it is admitted and judged by
the process that decodes it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cicely import states
from cicely.exceptions import (
    ContentDisallowed,
    InvalidTaskError,
    NotRegistered,
    TaskRevokedError,
    WorkerLostError,
)
from cicely.moments import from_wire
from cicely_transports.near import did_you_mean
from cicely_transports.serialization import loads
from cicely_transports.spi import Delivery, Verdict


@dataclass(frozen=True, slots=True)
class Abandon:
    """The task will not run: its result becomes ``state`` with ``error``, its message gets ``verdict``."""

    error: Exception
    state: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Return:
    """Too early: back to the broker, uncounted, until ``not_before`` (epoch seconds)."""

    not_before: float


Refusal = Abandon | Return


class Admission:
    """The rules of one worker.

    ``tasks``: names that can run here. ``accept``: content types whose bodies may be decoded.
    ``max_deliveries``: attempts that a message has. ``max_delay``: the longest delay, in seconds, that the
    transport can keep (None: any); a longer one is served in parts.
    """

    def __init__(
        self,
        tasks: Collection[str],
        accept: frozenset[str],
        *,
        max_deliveries: int,
        max_delay: float | None = None,
    ) -> None:
        self._tasks = tasks
        self._accept = accept
        self._max_deliveries = max_deliveries
        self._max_delay = max_delay

    def sort(
        self, deliveries: Sequence[Delivery], now: float
    ) -> tuple[list[Delivery], list[tuple[Delivery, Refusal]]]:
        """Those to run, in order, and those that are refused, each with its decision.

        The ordinary message passes inline: this loop is the worker's hot path.
        """
        run: list[Delivery] = []
        refused: list[tuple[Delivery, Refusal]] = []
        tasks, accept, most = self._tasks, self._accept, self._max_deliveries
        for delivery in deliveries:
            message = delivery.message
            headers = message.headers
            if (
                type(headers) is dict
                and type(name := headers.get("task")) is str
                and name in tasks
                and type(headers.get("id")) is str
                and headers.get("eta") is None
                and headers.get("expires") is None
                and delivery.attempt <= most
                and message.properties.content_type in accept
            ):
                run.append(delivery)
                continue
            decision = self.decide(delivery, now)
            if decision is None:
                run.append(delivery)
            else:
                refused.append((delivery, decision))
        return run, refused

    def decide(self, delivery: Delivery, now: float) -> Refusal | None:
        """Why this delivery is not to run, or None when it is."""
        if delivery.attempt > self._max_deliveries:
            times = f"{delivery.attempt - 1} deliveries ended without an outcome"
            return _dead(WorkerLostError(f"{times}; task_max_deliveries is {self._max_deliveries}"), times)
        content_type = delivery.message.properties.content_type
        if content_type not in self._accept:
            try:
                loads(b"", content_type, accept=self._accept)
            except ContentDisallowed as error:
                return _dead(error, str(error))
        headers = delivery.message.headers
        try:
            name, task_id = headers.get("task"), headers.get("id")
            eta, expires = headers.get("eta"), headers.get("expires")
        except (AttributeError, TypeError):
            return _invalid("its headers are not a map")
        if name is None:
            return None
        if not isinstance(name, str) or not isinstance(task_id, str):
            return _invalid("its headers task and id must both be text")
        try:
            starts = None if eta is None else from_wire(eta).timestamp()
            ends = None if expires is None else from_wire(expires).timestamp()
        except (ValueError, OverflowError) as error:
            return _invalid(f"its eta or expires cannot be read: {error}")
        if name not in self._tasks:
            near = did_you_mean(name, self._tasks)
            return _dead(NotRegistered(name), f"no task named {name!r} is registered in this worker{near}")
        if ends is not None and ends <= now:
            return Abandon(TaskRevokedError("expired"), states.REVOKED, Verdict.DONE, "expired")
        if starts is not None and starts > now:
            return Return(starts if self._max_delay is None else min(starts, now + self._max_delay))
        return None


def _dead(error: Exception, reason: str) -> Abandon:
    return Abandon(error, states.FAILURE, Verdict.DEAD, reason)


def _invalid(what: str) -> Abandon:
    reason = f"not a task message: {what}"
    return _dead(InvalidTaskError(reason), reason)

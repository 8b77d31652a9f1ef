"""Deliveries, jobs and outcomes as the worker's tests need them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cicely import states
from cicely.backends.spi import StoredRecord
from cicely.outcome import Outcome
from cicely_transports.message import Message, Properties
from cicely_transports.spi import Delivery, Send, Verdict
from cicely_worker.pools.spi import Finished, Job

JSON = Properties(content_type="application/json", content_encoding="utf-8")
BODY = b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'


def delivery(
    tag: Any = "t",
    *,
    attempt: int = 1,
    until: float | None = 1000.0,
    properties: Properties = JSON,
    **headers: Any,
) -> Delivery:
    known = {"task": "add", "id": f"id-{tag}"} | headers
    return Delivery(tag, "celery", Message(BODY, known, properties), attempt, until)


def job(number: int, *, attempt: int = 1, task: str = "add") -> Job:
    return Job(number, delivery(f"tag-{number}", attempt=attempt, task=task))


def outcome(
    name: str = "x",
    *,
    state: str = states.SUCCESS,
    sends: Sequence[Send] = (),
    stored: bool = True,
    **rest: Any,
) -> Outcome:
    records = (StoredRecord(name, state, f"record of {name}".encode()),) if stored else ()
    known: dict[str, Any] = {
        "verdict": Verdict.DONE,
        "task_name": "add",
        "runtime": 0.0001,
        "records": records,
    }
    known |= rest
    return Outcome(task_id=name, state=state, sends=tuple(sends), **known)


def finished(number: int, slot: int = 0, runtime: float = 0.0001, task: str = "add") -> Finished:
    return Finished(slot, number, outcome(f"id-{number}", runtime=runtime, task_name=task))

"""The journal: what a worker says about its tasks, as log records and as signals.

Loggers, message templates and the ``data`` of the records are those that Celery's users filter by
(api-facts, "Loggers and log messages"). Whether anybody listens is asked once per batch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cicely import signals, states
from cicely.exceptions import NotRegistered, TaskRevokedError
from cicely.protocol import KNOWN_HEADERS
from cicely.request import Context

from .admission import Abandon

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cicely.outcome import Outcome
    from cicely_transports.spi import Delivery

    from .ledger import Ended
    from .pools.spi import Job

received_log = logging.getLogger("cicely.worker.strategy")
trace_log = logging.getLogger("cicely.app.trace")

LOG_RECEIVED = "Task %(name)s[%(id)s] received"
LOG_SUCCESS = "Task %(name)s[%(id)s] succeeded in %(runtime)ss: %(return_value)s"
LOG_FAILURE = "Task %(name)s[%(id)s] %(description)s: %(exc)s\n%(traceback)s"
LOG_RETRY = "Task %(name)s[%(id)s] retry: %(exc)s"
LOG_IGNORED = "Task %(name)s[%(id)s] %(description)s"
LOG_REJECTED = "Task %(name)s[%(id)s] %(exc)s"
LOG_REVOKED = "Discarding %(description)s task: %(name)s[%(id)s]"
LOG_REFUSED = "Task %(name)s[%(id)s] was not run: %(exc)s"

#: State of an outcome -> level, template, description.
LINES: Mapping[str, tuple[int, str, str]] = {
    states.SUCCESS: (logging.INFO, LOG_SUCCESS, "succeeded"),
    states.FAILURE: (logging.ERROR, LOG_FAILURE, "raised unexpected"),
    states.RETRY: (logging.INFO, LOG_RETRY, "retry"),
    states.IGNORED: (logging.INFO, LOG_IGNORED, "ignored"),
    states.REJECTED: (logging.WARNING, LOG_REJECTED, "rejected"),
    states.REVOKED: (logging.INFO, LOG_REVOKED, "revoked"),
}


class Journal:
    """Says what happens. ``sender`` is the sender of signals, ``tasks`` the registry."""

    def __init__(self, sender: object, tasks: Mapping[str, Any]) -> None:
        self._sender = sender
        self._tasks = tasks

    def received(self, jobs: Sequence[Job]) -> None:
        """These messages will run here."""
        if received_log.isEnabledFor(logging.INFO):
            for job in jobs:
                data = facts(job.delivery)
                received_log.info(LOG_RECEIVED, data, extra={"data": data})
        if signals.task_received.receivers:
            for job in jobs:
                signals.task_received.send(self._sender, request=_request(job.delivery))

    def ended(self, ended: Sequence[Ended]) -> None:
        """These tasks ended."""
        logger = trace_log
        if not logger.isEnabledFor(logging.ERROR):
            return
        all_of_them = logger.isEnabledFor(logging.INFO)
        for job, outcome in ended:
            if all_of_them or outcome.state == states.FAILURE or outcome.state == states.REJECTED:
                self._tell(job.delivery, outcome)

    def _tell(self, delivery: Delivery, outcome: Outcome) -> None:
        level, template, description = LINES.get(outcome.state, LINES[states.IGNORED])
        data = facts(delivery) | {
            "id": outcome.task_id,
            "name": outcome.task_name,
            "description": description,
            "runtime": outcome.runtime,
            "return_value": outcome.summary,
            "exc": outcome.summary or outcome.reason,
            "traceback": outcome.traceback or "",
        }
        trace_log.log(level, template, data, extra={"data": data})

    def abandoned(self, delivery: Delivery, decision: Abandon) -> None:
        """A message was refused: its task will not run."""
        data = facts(delivery) | {"exc": decision.reason, "description": decision.reason}
        if decision.state == states.REVOKED:
            received_log.info(LOG_REVOKED, data, extra={"data": data})
        else:
            received_log.error(LOG_REFUSED, data, extra={"data": data})
        self._send_refusal(delivery, decision.error)

    def _send_refusal(self, delivery: Delivery, error: Exception) -> None:
        message = delivery.message
        if isinstance(error, NotRegistered):
            headers = message.headers
            signals.task_unknown.send(
                self._sender, message=message, exc=error, name=headers.get("task"), id=headers.get("id")
            )
        elif isinstance(error, TaskRevokedError):
            task = self._tasks[message.headers["task"]]
            signals.task_revoked.send(
                task, request=_request(delivery), terminated=False, signum=None, expired=True
            )
        else:
            signals.task_rejected.send(self._sender, message=message, exc=error)


def _request(delivery: Delivery) -> Context:
    headers, properties = delivery.message.headers, delivery.message.properties
    known = {name: value for name, value in headers.items() if name in KNOWN_HEADERS}
    return Context(
        known,
        headers={name: value for name, value in headers.items() if name not in KNOWN_HEADERS},
        called_directly=False,
        correlation_id=properties.correlation_id,
        reply_to=properties.reply_to,
        message_properties=properties,
        queue=delivery.queue,
        attempt=delivery.attempt,
        delivery_info={
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key,
            "priority": properties.priority,
            "redelivered": delivery.attempt > 1,
        },
    )


def facts(delivery: Delivery) -> dict[str, Any]:
    """What the headers of a message tell about its task, as the ``data`` of log records."""
    headers = delivery.message.headers
    return {
        "id": headers.get("id"),
        "name": headers.get("shadow") or headers.get("task"),
        "args": headers.get("argsrepr"),
        "kwargs": headers.get("kwargsrepr"),
        "eta": headers.get("eta"),
    }

"""What a worker was asked to be: settings and command line, settled once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cicely.exceptions import ImproperlyConfigured
from cicely.utils.nodenames import default_nodename, gethostname


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """One worker. ``queues`` are those to consume from, by the broker's names.

    ``lease``, ``grace`` (how long a warm stop waits for running tasks) and ``soft_timeout`` (how long a
    cold one does) are seconds. ``prefetch``: short tasks are fetched for executors that are not idle yet.
    Raises ImproperlyConfigured for values that no worker can keep.
    """

    hostname: str
    pool: str = "prefork"
    concurrency: int = 1
    queues: tuple[str, ...] = ()
    lease: float = 30.0
    max_deliveries: int = 5
    grace: float = 25.0
    soft_timeout: float = 0.0
    prefetch: bool = True

    def __post_init__(self) -> None:
        for name, value, least in (
            ("--concurrency", self.concurrency, 1),
            ("task_max_deliveries", self.max_deliveries, 1),
            ("worker_shutdown_grace", self.grace, 0),
            ("worker_soft_shutdown_timeout", self.soft_timeout, 0),
        ):
            if value < least:
                raise ImproperlyConfigured(f"{name} must be at least {least}, not {value}")
        if self.lease <= 0:
            raise ImproperlyConfigured(f"worker_lease must be more than 0 seconds, not {self.lease}")


def node_name(pattern: str | None, host: str | None = None) -> str:
    """The worker's name: ``celery@<host>``, or ``pattern`` with ``%h`` (host), ``%n`` (its name before the
    dot), ``%d`` (domain) and ``%%`` filled in (wire-compat section 11). Text without ``@`` is the host.
    """
    host = host or gethostname()
    name, _, domain = host.partition(".")
    values = {"%h": host, "%n": name, "%d": domain, "%%": "%"}
    return default_nodename(re.sub("%[hnd%]", lambda found: values[found[0]], pattern or f"@{host}"))

"""What a worker was asked to be: settings and command line, settled once."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from cicely.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """One worker. ``lease`` and ``grace`` are seconds; ``queues`` empty means all that are configured.

    Raises ImproperlyConfigured for values that no worker can keep.
    """

    hostname: str
    pool: str = "prefork"
    concurrency: int = 1
    queues: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    lease: float = 30.0
    max_deliveries: int = 5
    grace: float = 25.0
    loglevel: str = "WARNING"
    logfile: str | None = None

    def __post_init__(self) -> None:
        for name, value, least in (
            ("--concurrency", self.concurrency, 1),
            ("task_max_deliveries", self.max_deliveries, 1),
            ("worker_shutdown_grace", self.grace, 0),
        ):
            if value < least:
                raise ImproperlyConfigured(f"{name} must be at least {least}, not {value}")
        if self.lease <= 0:
            raise ImproperlyConfigured(f"worker_lease must be more than 0 seconds, not {self.lease}")


def cpu_count() -> int:
    """CPUs that this process may use: its affinity, not the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def node_name(pattern: str | None, host: str | None = None) -> str:
    """The worker's name: ``celery@<host>``, or ``pattern`` with ``%h`` (host), ``%n`` (name before the
    dot) and ``%d`` (domain) filled in (wire-compat section 11). A name without ``@`` gets ``@%h``.
    """
    host = host or socket.gethostname()
    name, _, domain = host.partition(".")
    wanted = pattern or "celery@%h"
    if "@" not in wanted:
        wanted += "@%h"
    for sign, value in (("%h", host), ("%n", name), ("%d", domain), ("%%", "%")):
        wanted = wanted.replace(sign, value)
    return wanted

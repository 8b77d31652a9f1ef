"""Names of workers: ``name@host``."""

from __future__ import annotations

import os
import socket
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicely_transports import Queue

#: The exchange and the queues' name for messages to one worker (wire-compat section 10.2, worker_direct).
WORKER_DIRECT_EXCHANGE = "C.dq2"
WORKER_DIRECT_QUEUE = "{hostname}.dq2"


@cache
def gethostname() -> str:
    """The name of this host, looked up once."""
    return socket.gethostname()


def nodename(name: str, hostname: str) -> str:
    """``name@hostname``."""
    return f"{name}@{hostname}"


def nodesplit(name: str) -> tuple[str | None, str]:
    """Name and host; the name is None where there is only a host."""
    before, at, after = name.partition("@")
    return (before, after) if at else (None, name)


def default_nodename(hostname: str | None = None) -> str:
    """A full node name from a part of one, or from nothing."""
    name, host = nodesplit(hostname or "")
    return nodename(name or "celery", host or gethostname())


def anon_nodename(hostname: str | None = None, prefix: str = "gen") -> str:
    """A name for a process that is no worker."""
    return nodename(f"{prefix}{os.getpid()}", hostname or gethostname())


def worker_direct(hostname: str | Queue) -> Queue:
    """The queue from which only this worker consumes, with ``worker_direct`` on."""
    from cicely_transports import Exchange, Queue

    if isinstance(hostname, Queue):
        return hostname
    return Queue(
        WORKER_DIRECT_QUEUE.format(hostname=hostname), Exchange(WORKER_DIRECT_EXCHANGE), routing_key=hostname
    )

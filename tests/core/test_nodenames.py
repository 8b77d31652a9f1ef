from __future__ import annotations

import os

from cicely.utils.nodenames import (
    anon_nodename,
    default_nodename,
    gethostname,
    nodename,
    nodesplit,
    worker_direct,
)
from cicely_transports import Exchange


def test_join_and_split() -> None:
    assert nodename("w", "h") == "w@h"
    assert nodesplit("w@h") == ("w", "h")
    assert nodesplit("h") == (None, "h")


def test_defaults() -> None:
    host = gethostname()
    assert default_nodename() == f"celery@{host}"
    assert default_nodename("w@h") == "w@h"
    assert default_nodename("h") == "celery@h"
    assert anon_nodename() == f"gen{os.getpid()}@{host}"
    assert anon_nodename("h", "x") == f"x{os.getpid()}@h"


def test_worker_direct() -> None:
    queue = worker_direct("w@h")
    assert (queue.name, queue.exchange, queue.routing_key) == ("w@h.dq2", Exchange("C.dq2"), "w@h")
    assert worker_direct(queue) is queue

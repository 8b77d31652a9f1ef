"""How many executors a worker has when nobody says."""

from __future__ import annotations

import os


def cpu_count() -> int:
    """CPUs that this process may use: its affinity, not the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

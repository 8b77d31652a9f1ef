"""`python -m benchmarks [NAME ...]`: enqueue, drain and latency on SQLite, each in a fresh file.

Prints median [min..max] over `--runs` runs. Run nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


@contextmanager
def worker(*options: str) -> Iterator[None]:
    """A prefork worker with two executors; stopped, and checked to stop well, at the end."""
    command = [sys.executable, "-m", "cicely", "-q", "-A", "benchmarks.app", "worker", "-l", "error"]
    process = subprocess.Popen([*command, *options])
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        if process.wait(60) != 0:
            raise SystemExit(f"the worker ended with {process.returncode}")


def enqueue(bench: ModuleType, n: int) -> float:
    """Messages a second, one `delay()` at a time."""
    delay = bench.noop.delay
    started = time.perf_counter()
    for i in range(n):
        delay(i, i)
    return n / (time.perf_counter() - started)


def enqueue_many(bench: ModuleType, n: int) -> float:
    """Messages a second with `send_many`, 1,000 at a time."""
    started = time.perf_counter()
    for base in range(0, n, 1000):
        bench.app.send_many([bench.noop.s(i, i) for i in range(base, base + 1000)])
    return n / (time.perf_counter() - started)


def _drain(bench: ModuleType, n: int, name: str) -> float:
    """Tasks a second from the first taken to the queue empty; the file is filled before the worker starts."""
    task = bench.app.tasks[name]
    pending = [
        r for base in range(0, n, 1000) for r in bench.app.send_many([task.s(i, i) for i in range(1000)])
    ]
    transport = bench.app.open_transport()
    queue = bench.app.conf.task_default_queue
    with worker("-c", "2"):
        while transport.sizes([queue])[queue].ready == n:
            time.sleep(0.01)
        started = time.perf_counter()
        while (size := transport.sizes([queue])[queue]).ready or size.leased:
            time.sleep(0.05)  # counting 40,000 rows costs milliseconds: seldom, not to measure the counting
        took = time.perf_counter() - started
    transport.close()
    if name == "noop" and not all(result.successful() for result in pending[:: n // 100]):
        raise SystemExit("results are missing")
    return n / took


def drain(bench: ModuleType, n: int) -> float:
    """Tasks a second with stored results."""
    return _drain(bench, n, "noop")


def drain_mute(bench: ModuleType, n: int) -> float:
    """Tasks a second without results."""
    return _drain(bench, n, "mute")


def latency(bench: ModuleType, n: int) -> float:
    """Milliseconds from `delay()` to `get()`, median, one task at a time."""
    with worker("-c", "1"):
        bench.noop.delay(0, 0).get(timeout=30)
        times = []
        for i in range(n):
            started = time.perf_counter()
            bench.noop.delay(i, i).get(timeout=30)
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


SCENARIOS: dict[str, tuple[Callable[[ModuleType, int], float], int, str]] = {
    "enqueue": (enqueue, 20_000, "messages/s"),
    "enqueue_many": (enqueue_many, 50_000, "messages/s"),
    "drain": (drain, 40_000, "tasks/s"),
    "drain_mute": (drain_mute, 40_000, "tasks/s"),
    "latency": (latency, 300, "ms"),
}


def once(name: str) -> float:
    """One run of one scenario in this process, on a new database file."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCH_DB"] = str(Path(folder) / "bench.db")
        bench = importlib.import_module("benchmarks.app")
        function, n, _ = SCENARIOS[name]
        figure = function(bench, n)
        bench.app.close()
    return figure


def main() -> None:
    """Run scenarios, each run in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.names) - set(SCENARIOS)
    if unknown:
        parser.error(f"no scenario {', '.join(sorted(unknown))}: choose from {', '.join(SCENARIOS)}")
    if options.once:
        print(once(options.names[0]))
        return
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {options.runs} runs, median [min..max]"
    )
    for name in options.names or SCENARIOS:
        command = [sys.executable, "-m", "benchmarks", "--once", name]
        figures = [
            float(subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout)
            for _ in range(options.runs)
        ]
        low, middle, high = min(figures), statistics.median(figures), max(figures)
        print(f"{name:<14} {middle:>10,.1f} [{low:,.1f}..{high:,.1f}] {SCENARIOS[name][2]}", flush=True)


if __name__ == "__main__":
    main()

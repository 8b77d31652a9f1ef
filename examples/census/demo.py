"""Count the Python standard library with a cicely worker, and check the answer against a plain loop.

No server: the app names no broker, so producer and worker meet in an SQLite file of the user's state
directory (here a temporary one, so that the demo leaves nothing behind).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LARGE = 20_000  # bytes; larger files go to the queue `large`
FEWEST = 1_000  # files that make the demo worth its name


def source_files() -> list[str]:
    """The standard library's modules, without what is installed beside them."""
    root = Path(sysconfig.get_paths()["stdlib"])
    return sorted(str(path) for path in root.rglob("*.py") if "site-packages" not in path.parts)


def start_worker() -> subprocess.Popen[bytes]:
    """`cicely -A tasks worker -Q small,large` on two processes."""
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "cicely",
        "-A",
        "tasks",
        "worker",
        "-Q",
        "small,large",
        "-c",
        "2",
        "-l",
        "warning",
    ]
    return subprocess.Popen(command, cwd=HERE)


def bar(done: int, total: int) -> None:
    """One line that grows; lines of their own where there is no terminal."""
    if sys.stderr.isatty():
        filled = 40 * done // total
        print(
            f"\r  [{'#' * filled}{'.' * (40 - filled)}] {done}/{total}", end="", file=sys.stderr, flush=True
        )
    elif done == total or done % max(1, total // 5) == 0:
        print(f"  {done}/{total}", file=sys.stderr, flush=True)


def run(paths: list[str]) -> list[dict[str, Any]]:
    """Send one task per file in one batch, then collect the results in order."""
    from tasks import app, census

    signatures = [
        census.s(path).set(queue="large" if os.path.getsize(path) > LARGE else "small") for path in paths
    ]
    pending = app.send_many(signatures)
    found = []
    for done, result in enumerate(pending, 1):
        found.append(result.get(timeout=60))
        bar(done, len(pending))
    print(file=sys.stderr)
    app.close()
    return found


def report(rows: list[dict[str, Any]]) -> None:
    """The ten largest files and the totals."""
    root = str(Path(sysconfig.get_paths()["stdlib"]))
    print(f"{'lines':>8} {'words':>8}  {'longest function':<42} file")
    for row in sorted(rows, key=lambda row: row["lines"], reverse=True)[:10]:
        longest = f"{row['longest']['name']} ({row['longest']['lines']})"
        print(f"{row['lines']:>8} {row['words']:>8}  {longest:<42} {os.path.relpath(row['path'], root)}")
    print(
        f"{sum(row['lines'] for row in rows):>8} {sum(row['words'] for row in rows):>8}  in {len(rows)} files"
    )


def main() -> int:
    """Exit code 0 only if the worker's answers equal those of the loop."""
    paths = source_files()
    if len(paths) < FEWEST:
        print(f"only {len(paths)} source files in the standard library of {sys.executable}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as state:
        os.environ["XDG_STATE_HOME"] = state
        worker = start_worker()
        try:
            started = time.perf_counter()
            rows = run(paths)
            took = time.perf_counter() - started
        finally:
            worker.send_signal(signal.SIGTERM)
            code = worker.wait(30)
    report(rows)

    from tasks import census

    started = time.perf_counter()
    expected = [census(path) for path in paths]
    print(f"{took:.1f} s with the worker, {time.perf_counter() - started:.1f} s in a plain loop")
    if rows != expected or code != 0:
        print(f"WRONG: results {'equal' if rows == expected else 'differ'}, worker's exit code {code}")
        return 1
    print("The results are equal, and the worker has stopped.")
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the library's own test data provokes SyntaxWarnings when parsed
    sys.path.insert(0, str(HERE))
    sys.exit(main())

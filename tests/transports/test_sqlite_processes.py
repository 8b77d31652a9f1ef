"""Several processes on one SQLite file: killed at any moment, woken in time, idle at no cost."""

from __future__ import annotations

import gc
import os
import random
import select
import signal
import sqlite3
import struct
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from stores import bodies, done, drain, publish, send, until

from cicely_transports.errors import ForkMisuse
from cicely_transports.sqlite import SQLiteTransport
from cicely_transports.testing.forked import Child

KILLS = 12
RECORD = struct.Struct("<cQ")
STAMP = struct.Struct("<d")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "broker.db")


def read_exactly(descriptor: int, size: int, timeout: float = 20.0) -> bytes:
    """What another process wrote, in time."""
    data = b""
    while len(data) < size:
        ready, _, _ = select.select([descriptor], [], [], timeout)
        assert ready, f"the other process wrote nothing for {timeout} s"
        chunk = os.read(descriptor, size - len(data))
        assert chunk, "the other process died"
        data += chunk
    return data


def live_and_be_killed(path: str, start: int, life: float) -> tuple[set[int], set[int]]:
    """A process that publishes, claims and settles dies after ``life``; what it said it had done."""
    reader, writer = os.pipe()

    def live() -> None:
        transport = SQLiteTransport(path)
        receiver = transport.receiver(["work"], credit=50, lease=1000)
        sender = transport.sender()
        for number in range(start, start + 1_000_000):
            body = b"%d" % number
            sender.publish([send(body + b" " * 3000, "kept"), send(body, "work")])
            os.write(writer, RECORD.pack(b"+", number))
            for delivery in receiver.receive(5, 0):
                assert receiver.settle([done(delivery)]) == []
                os.write(writer, RECORD.pack(b"-", int(delivery.message.body)))

    with Child(live) as child:
        os.close(writer)
        log = read_exactly(reader, RECORD.size)
        threading.Event().wait(life)
        os.kill(child.pid, signal.SIGKILL)
        with os.fdopen(reader, "rb") as pipe:
            log += pipe.read()
    records = list(RECORD.iter_unpack(log))
    return {number for sign, number in records if sign == b"+"}, {n for sign, n in records if sign == b"-"}


def test_killed_at_any_moment(path: str) -> None:
    """What was confirmed is there after each kill, whole, and nothing that was settled comes back."""
    chance = random.Random(11)
    published, settled = set[int](), set[int]()
    for number in range(KILLS):
        more, ended = live_and_be_killed(path, number * 1_000_000, chance.uniform(0.0, 0.12))
        published |= more
        settled |= ended
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute(
                "SELECT (SELECT count(*) FROM cicely_message WHERE body IS NULL) = "
                "(SELECT count(*) FROM cicely_message_body)"
            ).fetchone() == (1,)
    after_all_leases = SQLiteTransport(path, clock=lambda: time.time() + 2000)
    kept = drain(after_all_leases, "kept")
    assert all(len(body) > 3000 for body in kept)
    assert published <= {int(body) for body in kept}
    assert len(kept) == len({int(body) for body in kept})
    left = {int(body) for body in drain(after_all_leases, "work")}
    assert left.isdisjoint(settled)
    assert len(published - left - settled) <= KILLS, "more is gone than what was settled but not yet said"
    after_all_leases.close()


def test_woken_across_processes_and_idle_at_no_cost(path: str) -> None:
    reader, writer = os.pipe()

    def consume() -> float:
        """Writes when each message came; returns the share of a processor that an idle wait takes."""
        receiver = SQLiteTransport(path).receiver(["q"], credit=10, lease=30)
        receiver.receive(1, 0.05)
        os.write(writer, STAMP.pack(0.0))
        for _ in range(40):
            (delivery,) = receiver.receive(1, 20)
            os.write(writer, STAMP.pack(time.time()))
            receiver.settle([done(delivery)])
        receiver.receive(1, 1.0)
        before = time.process_time()
        receiver.receive(1, 3.0)
        return (time.process_time() - before) / 3.0

    transport = SQLiteTransport(path)
    transport.queues()
    chance, latencies = random.Random(5), []
    with Child(consume) as child:
        read_exactly(reader, STAMP.size)
        for _ in range(40):
            threading.Event().wait(chance.uniform(0.01, 0.12))
            sent = time.time()
            publish(transport, send())
            (came,) = STAMP.unpack(read_exactly(reader, STAMP.size))
            latencies.append(came - sent)
        share = child.result(20)
    os.close(reader)
    os.close(writer)
    transport.close()
    latencies.sort()
    # Bounds for a machine that is busy with other tests; alone it is below 18 ms and 1 %.
    assert latencies[len(latencies) // 2] < 0.02
    assert latencies[int(len(latencies) * 0.95)] < 0.06
    assert share < 0.03


def test_two_writers_share_the_lock_fairly(path: str) -> None:
    """One process publishes as fast as it can: another one still gets its turns, and quickly."""
    SQLiteTransport(path).queues()

    def hammer() -> None:
        sender = SQLiteTransport(path).sender()
        while True:
            sender.publish([send(queue="noise")])

    transport = SQLiteTransport(path)
    with Child(hammer):
        until(lambda: transport.sizes(["noise"])["noise"].ready > 100, "the other publisher")
        slowest = 0.0
        for _ in range(200):
            started = time.monotonic()
            publish(transport, send())
            slowest = max(slowest, time.monotonic() - started)
    assert slowest < 1.0
    assert len(drain(transport, "q")) == 200
    transport.close()


def test_child_that_forgets_or_ends_with_an_inherited_transport_does_no_harm(path: str) -> None:
    transport = SQLiteTransport(path)
    receiver = transport.receiver(["q"], credit=10, lease=30)
    publish(transport, send(b"1"))
    (held,) = receiver.receive(1, 5)

    def forget() -> str:
        nonlocal transport, receiver
        try:
            publish(transport, send())
        except ForkMisuse as error:
            text = str(error)
        del transport, receiver
        gc.collect()
        own = SQLiteTransport(path)
        publish(own, send(b"2"))
        own.close()
        return text

    with Child(forget) as child:
        assert "open a new transport after a fork" in child.result(20)
    assert receiver.settle([done(held)]) == []
    assert bodies(receiver.receive(5, 5)) == [b"2"]
    publish(transport, send(b"3"))
    assert bodies(receiver.receive(5, 5)) == [b"3"]
    transport.close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_child_that_leaves_by_the_front_door(path: str, tmp_path: Path) -> None:
    """Interpreter shutdown in a forked child must not close what the parent still uses."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "from stores import bodies, done, drain, publish, send\n"
        "from cicely_transports.sqlite import SQLiteTransport\n"
        "transport = SQLiteTransport(sys.argv[1])\n"
        "publish(transport, send(b'1'))\n"
        "if (pid := os.fork()) == 0:\n"
        "    sys.exit(3)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3\n"
        "publish(transport, send(b'2'))\n"
        "assert drain(transport, 'q') == [b'1', b'2']\n"
    )
    support = str(Path(__file__).parent.parent / "support")
    pid = os.spawnve(
        os.P_NOWAIT,
        sys.executable,
        [sys.executable, "-W", "error", str(script), path],
        {**os.environ, "PYTHONPATH": support},
    )
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

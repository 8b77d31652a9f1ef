"""Waiting for results: by threads, by coroutines, inside tasks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cicely.backends.memory import MemoryBackend, MemoryStore
from cicely.backends.record import Record, encode_record
from cicely.backends.spi import StoredRecord
from cicely.exceptions import TaskRevokedError, TimeoutError  # noqa: A004 - the one that results raise
from cicely.request import Context, pop, push
from cicely.result import AsyncResult, GroupResult, allow_join_result, denied_join_result


@pytest.fixture
def app() -> Any:
    conf = SimpleNamespace(result_serializer="json", result_accept_content=None, accept_content=["json"])
    return SimpleNamespace(conf=conf, backend=MemoryBackend(MemoryStore()))


@pytest.fixture
def put(app: Any) -> Callable[..., None]:
    def put(task_id: str, state: str = "SUCCESS", result: Any = None, **fields: Any) -> None:
        payload = encode_record(Record(task_id, state, result, **fields))
        app.backend.put_many([StoredRecord(task_id, state, payload)])

    return put


def later(*jobs: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(0.05, lambda: [job() for job in jobs])
    timer.start()
    return timer


def test_get_waits(app: Any, put: Callable[..., None]) -> None:
    timer = later(lambda: put("a", "STARTED"), lambda: put("a", result=3))
    assert AsyncResult("a", app=app).get(timeout=10) == 3
    timer.join()


def test_a_failure_is_raised_with_the_workers_traceback(app: Any, put: Callable[..., None]) -> None:
    put("a", "FAILURE", KeyError("k"), traceback="Traceback of the worker")
    result = AsyncResult("a", app=app)
    with pytest.raises(KeyError) as raised:
        result.get()
    assert "Traceback of the worker" in str(raised.value.__cause__)
    assert repr(result.get(propagate=False)) == "KeyError('k')"


def test_a_failure_without_exception(app: Any, put: Callable[..., None]) -> None:
    put("a", "FAILURE")
    put("b", "REVOKED")
    with pytest.raises(Exception, match="state FAILURE, but no exception"):
        AsyncResult("a", app=app).get()
    with pytest.raises(TaskRevokedError):
        AsyncResult("b", app=app).get()


@pytest.mark.parametrize(
    ("state", "advice"),
    [(None, "is PENDING.*worker runs"), ("STARTED", "is STARTED.*time limit"), ("PROGRESS", "is PROGRESS")],
)
def test_a_timeout_says_what_to_check(app: Any, put: Callable[..., None], state: str, advice: str) -> None:
    if state:
        put("the-id", state)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=rf"the-id \(t\.add\) {advice}"):
        AsyncResult("the-id", app=app, task_name="t.add").get(timeout=0.1)
    assert 0.1 <= time.monotonic() - start < 5
    assert AsyncResult.TimeoutError is TimeoutError


def test_a_timeout_of_zero_looks_once(app: Any, put: Callable[..., None]) -> None:
    with pytest.raises(TimeoutError):
        AsyncResult("a", app=app).get(timeout=0)
    put("a", result=1)
    assert AsyncResult("a", app=app).get(timeout=0) == 1


def test_messages_intervals_and_callback(app: Any, put: Callable[..., None]) -> None:
    states: list[str] = []
    intervals: list[float] = []
    got: list[Any] = []
    steps = iter([("STARTED", None), ("PROGRESS", 1), ("SUCCESS", 2)])

    def on_interval() -> None:
        intervals.append(time.monotonic())
        put("a", *next(steps))

    value = AsyncResult("a", app=app).get(
        timeout=10,
        interval=0.02,
        on_interval=on_interval,
        on_message=lambda meta: states.append(meta["status"]),
        callback=lambda *args: got.append(args),
    )
    assert value == 2
    assert states == ["STARTED", "PROGRESS", "SUCCESS"]
    assert got == [("a", 2)]
    assert len(intervals) == 3


def test_an_earlier_step_that_fails_ends_the_wait(app: Any, put: Callable[..., None]) -> None:
    first = AsyncResult("first", app=app)
    last = AsyncResult("last", app=app, parent=AsyncResult("middle", app=app, parent=first))
    timer = later(lambda: put("middle", "STARTED"), lambda: put("first", "FAILURE", ValueError("early")))
    with pytest.raises(ValueError, match="early"):
        last.get(timeout=10)
    timer.join()
    with pytest.raises(TimeoutError):
        last.get(timeout=0.05, follow_parents=False)


def test_an_earlier_group_that_fails_ends_the_wait(app: Any, put: Callable[..., None]) -> None:
    group = GroupResult("g", [AsyncResult("m1", app=app), AsyncResult("m2", app=app)])
    put("m1", result=1)
    put("m2", "FAILURE", ValueError("member"))
    with pytest.raises(ValueError, match="member"):
        AsyncResult("body", app=app, parent=group).get(timeout=10)


def test_an_ignored_result_is_none_at_once(app: Any) -> None:
    result = AsyncResult("a", app=app)
    result.ignored = True
    assert result.get() is None
    assert asyncio.run(result.aget()) is None


def test_then_is_called_when_the_end_is_known(app: Any, put: Callable[..., None]) -> None:
    result = AsyncResult("a", app=app)
    got: list[Any] = []
    assert result.then(lambda done: got.append(done.result)) is result
    assert not result.ready()
    assert got == []
    put("a", result=3)
    assert result.ready()
    assert got == [3]
    result.then(lambda done: got.append(done.id))
    assert got == [3, "a"]
    errors: list[BaseException] = []
    result.then(lambda _: 1 / 0, on_error=errors.append)
    assert isinstance(errors[0], ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        result.then(lambda _: 1 / 0)


# --- coroutines


def test_aget_and_await(app: Any, put: Callable[..., None]) -> None:
    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        loop.call_later(0.03, put, "a", "SUCCESS", 1)
        loop.call_later(0.06, put, "b", "SUCCESS", 2)
        both = asyncio.gather(AsyncResult("b", app=app).aget(timeout=10), _awaited(AsyncResult("a", app=app)))
        return list(await both)

    assert asyncio.run(main()) == [2, 1]


async def _awaited(result: AsyncResult) -> Any:
    return await result


def test_aget_raises(app: Any, put: Callable[..., None]) -> None:
    put("a", "FAILURE", KeyError("k"))
    with pytest.raises(KeyError):
        asyncio.run(AsyncResult("a", app=app).aget())
    with pytest.raises(TimeoutError, match="is PENDING"):
        asyncio.run(AsyncResult("b", app=app).aget(timeout=0.05))


def test_aget_can_be_cancelled(app: Any) -> None:
    async def main() -> None:
        waiting = asyncio.create_task(AsyncResult("a", app=app).aget())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(main())


# --- inside tasks


@pytest.fixture
def running() -> Any:
    """Code of the test runs inside a task."""
    context = Context(id="outer", task="t.outer", called_directly=False)
    push(SimpleNamespace(name="t.outer"), context)
    yield context
    pop()


def test_a_task_may_not_wait(app: Any, put: Callable[..., None], running: Context) -> None:
    put("a", result=1)
    result, group = AsyncResult("a", app=app), GroupResult("g", [AsyncResult("a", app=app)])
    for wait in (result.get, result.wait, group.get, group.join):
        with pytest.raises(RuntimeError, match=r"inside task t\.outer.*allow_join_result"):
            wait()
    assert result.get(disable_sync_subtasks=False) == 1
    with allow_join_result():
        assert result.get() == 1
        with denied_join_result(), pytest.raises(RuntimeError, match="denied_join_result"):
            result.get()
        assert group.get() == [1]
    assert asyncio.run(result.aget()) == 1


def test_a_task_that_runs_eagerly_may_wait(app: Any, put: Callable[..., None], running: Context) -> None:
    put("a", result=1)
    running.is_eager = True
    assert AsyncResult("a", app=app).get() == 1


def test_outside_tasks_waiting_can_be_denied(app: Any, put: Callable[..., None]) -> None:
    put("a", result=1)
    with denied_join_result(), pytest.raises(RuntimeError, match="denied_join_result"):
        AsyncResult("a", app=app).get()
    assert AsyncResult("a", app=app).get() == 1

"""AsyncResult as a view of what is stored."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cicely.backends.disabled import DisabledBackend
from cicely.backends.memory import MemoryBackend, MemoryStore
from cicely.backends.record import Extended, Record, encode_record
from cicely.backends.spi import ResultBackend, StoredRecord
from cicely.exceptions import ContentDisallowed, ImproperlyConfigured, TaskRevokedError
from cicely.result import AsyncResult, GroupResult, result_from_tuple

DONE = datetime(2026, 11, 20, 6, 51, 59, tzinfo=UTC)


@dataclass
class Conf:
    result_serializer: str = "json"
    result_accept_content: Any = None
    accept_content: Any = ("json",)


class FakeApp:
    """As much of an app as results ask for; picklable."""

    def __init__(self, backend: ResultBackend | None = None) -> None:
        self.conf = Conf()
        self.backend = backend or MemoryBackend(MemoryStore())

    def __reduce__(self) -> Any:
        return FakeApp, ()


@pytest.fixture
def app() -> Any:
    return FakeApp()


@pytest.fixture
def put(app: Any) -> Callable[..., None]:
    def put(task_id: str, state: str = "SUCCESS", result: Any = None, **fields: Any) -> None:
        record = Record(task_id, state, result, **{"children": [], "date_done": DONE, **fields})
        payload = encode_record(record, serializer=app.conf.result_serializer)
        app.backend.put_many([StoredRecord(task_id, state, payload)])

    return put


def test_an_unknown_task_is_pending_and_does_not_exist(app: Any) -> None:
    result = AsyncResult("a", app=app)
    assert (result.state, result.status, result.result, result.info) == ("PENDING", "PENDING", None, None)
    assert (result.traceback, result.children, result.date_done) == (None, None, None)
    assert [result.ready(), result.successful(), result.failed(), result.exists()] == [False] * 4


def test_a_success(app: Any, put: Callable[..., None]) -> None:
    put("a", result={"x": [1]})
    result = AsyncResult("a", app=app)
    assert (result.state, result.result, result.info) == ("SUCCESS", {"x": [1]}, {"x": [1]})
    assert (result.date_done, result.children) == (DONE, [])
    assert result.ready()
    assert result.successful()
    assert not result.failed()
    assert result.exists()


def test_a_failure(app: Any, put: Callable[..., None]) -> None:
    put("a", "FAILURE", KeyError("k"), traceback="Traceback ...")
    result = AsyncResult("a", app=app)
    assert (result.state, repr(result.result), result.traceback) == (
        "FAILURE",
        "KeyError('k')",
        "Traceback ...",
    )
    assert result.ready()
    assert result.failed()
    assert not result.successful()


def test_a_revoked_task_is_ready_and_not_failed(app: Any, put: Callable[..., None]) -> None:
    put("a", "REVOKED", TaskRevokedError("expired"))
    result = AsyncResult("a", app=app)
    assert result.ready()
    assert not result.failed()
    with pytest.raises(TaskRevokedError, match="expired"):
        result.get()


def test_custom_states_are_seen_as_they_change(app: Any, put: Callable[..., None]) -> None:
    result = AsyncResult("a", app=app)
    for done in (1, 2):
        put("a", "PROGRESS", {"done": done})
        assert (result.state, result.info) == ("PROGRESS", {"done": done})
    put("a", result=3)
    assert result.result == 3


def test_a_ready_result_is_remembered(app: Any, put: Callable[..., None]) -> None:
    put("a", result=3)
    result = AsyncResult("a", app=app)
    assert result.ready()
    app.backend.forget(["a"])
    assert result.get() == 3
    assert not result.exists()
    assert AsyncResult("a", app=app).state == "PENDING"


def test_extended_fields(app: Any, put: Callable[..., None]) -> None:
    result = AsyncResult("a", app=app, task_name="given")
    assert (result.name, result.args, result.queue) == ("given", None, None)
    put("a", extended=Extended("t.add", [1, 2], {"k": 3}, "w@vm", 2, "celery"))
    assert (result.name, result.args, result.kwargs) == ("t.add", [1, 2], {"k": 3})
    assert (result.worker, result.retries, result.queue) == ("w@vm", 2, "celery")


def test_children_are_results(app: Any, put: Callable[..., None]) -> None:
    put("a", children=[(("b", None), None), (("g", None), [(("c", None), None)])])
    children = AsyncResult("a", app=app).children
    assert children is not None
    task, group = children
    assert isinstance(task, AsyncResult)
    assert isinstance(group, GroupResult)
    assert (task.id, group.id, [member.id for member in group.results]) == ("b", "g", ["c"])
    put("b", result=7)
    assert task.get() == 7


def test_serializer_and_accepted_content_come_from_the_settings(app: Any, put: Callable[..., None]) -> None:
    app.conf.result_serializer = "pickle"
    put("a", result={1, 2})
    with pytest.raises(ContentDisallowed):
        AsyncResult("a", app=app).get()
    app.conf.result_accept_content = ["pickle"]
    assert AsyncResult("a", app=app).get() == {1, 2}


def test_a_backend_without_an_app_is_read_as_json(app: Any, put: Callable[..., None]) -> None:
    put("a", result=3)
    assert AsyncResult("a", backend=app.backend).get() == 3


def test_forget(app: Any, put: Callable[..., None]) -> None:
    put("a", result=3)
    put("p", result=4)
    result = AsyncResult("a", app=app, parent=AsyncResult("p", app=app))
    assert result.get() == 3
    result.forget()
    assert result.state == "PENDING"
    assert app.backend.get_many(["a", "p"]) == {}


def test_without_a_backend_the_error_names_the_setting() -> None:
    app: Any = FakeApp(DisabledBackend())
    result = AsyncResult("a", app=app)
    for use in (result.get, result.ready, result.exists, lambda: result.state):
        with pytest.raises(ImproperlyConfigured, match=r"result_backend.*sqlite:///"):
            use()
    result.ignored = True
    assert result.get() is None


def test_an_id_is_needed() -> None:
    for wrong in (None, ""):
        with pytest.raises(ValueError, match="id of a task"):
            AsyncResult(wrong)  # type: ignore[arg-type]  # the point of the test


def test_equality_and_hash(app: Any) -> None:
    one, same, other = AsyncResult("a", app=app), AsyncResult("a"), AsyncResult("b", app=app)
    assert one == same
    assert one == "a"
    assert one != other
    assert one != 3
    assert {one: 1}[same] == 1
    assert (str(one), repr(one), one.task_id) == ("a", "<AsyncResult: a>", "a")


def test_forms(app: Any) -> None:
    result = AsyncResult("c", app=app, parent=AsyncResult("b", app=app, parent=AsyncResult("a", app=app)))
    assert result.as_tuple() == (("c", (("b", (("a", None), None)), None)), None)
    assert result.as_list() == ["c", "b", "a"]
    back = result_from_tuple(result.as_tuple(), app)
    assert isinstance(back, AsyncResult)
    assert back.as_list() == ["c", "b", "a"]
    assert back.app is app
    assert result_from_tuple(result) is result


def test_pickle_and_copy(app: Any) -> None:
    result = AsyncResult("b", app=app, task_name="t.add", parent=AsyncResult("a", app=app))
    result.ignored = True
    back = pickle.loads(pickle.dumps(result))
    assert (back.id, back.parent.id, back.task_name, back.ignored) == ("b", "a", "t.add", True)
    assert isinstance(back.app, FakeApp)
    for same in (copy.copy(result), copy.deepcopy(result)):
        assert same == result
        assert same.app is app


def test_control_is_used_where_there_is_one(app: Any) -> None:
    result = AsyncResult("a", app=app)
    with pytest.raises(NotImplementedError, match=r"app\.control"):
        result.revoke()
    calls: list[Any] = []
    app.control = SimpleNamespace(
        revoke=lambda *args, **options: calls.append((args, options)),
        revoke_by_stamped_headers=lambda *args, **options: calls.append((args, options)),
    )
    result.revoke(terminate=True, signal="KILL", wait=True, timeout=2)
    result.revoke_by_stamped_headers({"m": "v"})
    assert calls[0] == (
        ("a",),
        {"connection": None, "terminate": True, "signal": "KILL", "reply": True, "timeout": 2},
    )
    assert calls[1][0] == ({"m": "v"},)


def test_memory_stays_level(app: Any, put: Callable[..., None]) -> None:
    """Raising the same stored failure often must not lengthen its traceback."""
    put("a", "FAILURE", ValueError("x"), traceback="tb")
    result = AsyncResult("a", app=app)
    lengths = set()
    for _ in range(5):
        with pytest.raises(ValueError, match="x") as raised:
            result.get()
        lengths.add(len(raised.traceback))
    assert len(lengths) == 1

"""Results of several tasks: children, groups, their forms; results of eager runs."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cicely.backends.memory import MemoryBackend, MemoryStore
from cicely.backends.record import Record, encode_record
from cicely.backends.spi import StoredRecord
from cicely.exceptions import DecodeError, IncompleteStream, TimeoutError  # noqa: A004 - the one that results raise
from cicely.result import AsyncResult, EagerResult, GroupResult, result_from_tuple


@pytest.fixture
def app() -> Any:
    conf = SimpleNamespace(result_serializer="json", result_accept_content=None, accept_content=["json"])
    return SimpleNamespace(conf=conf, backend=MemoryBackend(MemoryStore()))


@pytest.fixture
def put(app: Any) -> Callable[..., None]:
    def put(task_id: str, result: Any = None, children: tuple[str, ...] = (), state: str = "SUCCESS") -> None:
        forms = [((child, None), None) for child in children]
        payload = encode_record(Record(task_id, state, result, children=forms))
        app.backend.put_many([StoredRecord(task_id, state, payload)])

    return put


def test_collect_walks_all_that_came_of_it(app: Any, put: Callable[..., None]) -> None:
    put("a", 1, ("b", "c"))
    put("b", 2, ("d",))
    put("c", 3)
    put("d", 4)
    result = AsyncResult("a", app=app)
    assert [(node.id, value) for node, value in result.collect()] == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]
    pairs = [(parent and parent.id, node.id) for parent, node in result.iterdeps()]
    assert pairs == [(None, "a"), ("a", "b"), ("a", "c"), ("b", "d")]
    assert result.get_leaf() == 4
    assert {node.id: [child.id for child in children] for node, children in result.graph.items()} == {
        "a": ["b", "c"],
        "b": ["d"],
        "c": [],
        "d": [],
    }


def test_an_unfinished_tree(app: Any, put: Callable[..., None]) -> None:
    put("a", 1, ("b",))
    result = AsyncResult("a", app=app)
    with pytest.raises(IncompleteStream, match="result b is not ready"):
        list(result.iterdeps())
    assert [node.id for _, node in result.iterdeps(intermediate=True)] == ["a", "b"]


def test_a_task_that_is_its_own_child_ends(app: Any, put: Callable[..., None]) -> None:
    put("a", 1, ("a", "b"))
    put("b", 2, ("a",))
    assert [node.id for _, node in AsyncResult("a", app=app).iterdeps()] == ["a", "b"]


# --- forms


def test_forms_of_groups(app: Any) -> None:
    data = [["g", [["p", None], None]], [[["a", None], None], [["inner", None], [[["b", None], None]]]]]
    group = result_from_tuple(data, app)
    assert isinstance(group, GroupResult)
    assert group.parent is not None
    assert (group.id, group.parent.id) == ("g", "p")
    assert [task.id for task in group.tasks()] == ["a", "b"]
    assert result_from_tuple(group.as_tuple(), app) == group
    assert pickle.loads(pickle.dumps(result_from_tuple(data))) == group


def test_an_id_that_is_not_in_a_list_has_no_parent(app: Any) -> None:
    result = result_from_tuple(["a", None], app)
    assert isinstance(result, AsyncResult)
    assert (result.id, result.parent) == ("a", None)


@pytest.mark.parametrize(
    "data", [None, 3, "ab", [], [["a", None]], [None, None], [[1, None], None], {"a": 1, "b": 2, "c": 3}]
)
def test_other_data_is_no_result(data: Any) -> None:
    with pytest.raises(DecodeError, match="form of a result"):
        result_from_tuple(data)


# --- groups


@pytest.fixture
def group(app: Any) -> GroupResult:
    inner = GroupResult("inner", [AsyncResult("b", app=app), AsyncResult("c", app=app)])
    return GroupResult("g", [AsyncResult("a", app=app), inner])


def _put_all(put: Callable[..., None], values: dict[str, int]) -> None:
    for task_id, value in values.items():
        put(task_id, value)


def test_a_group_waits_for_all(group: GroupResult, put: Callable[..., None]) -> None:
    put("c", 3)
    assert (group.ready(), group.waiting(), group.completed_count(), group.successful()) == (
        False,
        True,
        1,
        False,
    )
    timer = threading.Timer(0.05, _put_all, [put, {"b": 2, "a": 1}])
    timer.start()
    assert group.get(timeout=10) == [1, [2, 3]]
    timer.join()
    assert (group.ready(), group.waiting(), group.completed_count(), group.successful()) == (
        True,
        False,
        3,
        True,
    )
    assert not group.failed()
    assert (len(group), group[0].id, [member.id for member in group]) == (2, "a", ["a", "inner"])


def test_the_first_failure_of_a_group_is_raised_at_once(group: GroupResult, put: Callable[..., None]) -> None:
    put("b", ValueError("x"), state="FAILURE")
    with pytest.raises(ValueError, match="x"):
        group.get(timeout=10)
    assert group.failed()
    put("a", 1)
    put("c", 3)
    first, (second, third) = group.get(timeout=10, propagate=False)
    assert (first, repr(second), third) == (1, "ValueError('x')", 3)


def test_a_group_that_is_late_names_the_members(group: GroupResult, put: Callable[..., None]) -> None:
    put("a", 1)
    with pytest.raises(TimeoutError, match=r"2 of 3 tasks of group g have not ended after 0\.05 s: b, c;"):
        group.join(timeout=0.05)


def test_an_empty_group_is_ready() -> None:
    group = GroupResult("g")
    assert (group.get(), group.ready(), group.successful(), group.failed()) == ([], True, True, False)


def test_forgetting_a_group(app: Any, group: GroupResult, put: Callable[..., None]) -> None:
    put("a", 1)
    put("c", 1)
    group.forget()
    assert app.backend.get_many(["a", "b", "c"]) == {}


# --- eager


def test_an_eager_success() -> None:
    result = EagerResult("a", 3, "SUCCESS", name="t.add")
    assert (result.get(), result.wait(), result.result, result.state) == (3, 3, 3, "SUCCESS")
    assert (result.name, result.children, result.traceback) == ("t.add", None, None)
    assert result.ready()
    assert result.successful()
    assert result.exists()
    assert isinstance(result, AsyncResult)
    assert asyncio.run(result.aget()) == 3
    got: list[Any] = []
    assert result.get(callback=lambda *args: got.append(args)) == 3
    assert got == [("a", 3)]
    result.forget()
    assert result.get() == 3


def test_an_eager_failure() -> None:
    error = KeyError("k")
    result = EagerResult("a", error, "FAILURE", "tb")
    with pytest.raises(KeyError) as raised:
        result.get()
    assert raised.value is error
    assert result.get(propagate=False) is error
    assert result.failed()
    assert result.traceback == "tb"


@pytest.mark.parametrize("state", ["RETRY", "IGNORED", "REJECTED"])
def test_other_ends_have_no_value(state: str) -> None:
    result = EagerResult("a", ValueError("x"), state)
    assert result.get() is None
    assert result.ready()


def test_a_revoked_eager_result() -> None:
    result = EagerResult("a", None, "SUCCESS")
    result.revoke()
    assert result.state == "REVOKED"


def test_eager_results_pickle_and_copy() -> None:
    result = EagerResult("a", [3], "SUCCESS", "tb", "t.add")
    for same in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
        assert type(same) is EagerResult
        assert (same.id, same.get(), same.traceback, same.name) == ("a", [3], "tb", "t.add")

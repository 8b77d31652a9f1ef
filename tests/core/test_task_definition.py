"""Task classes, their attributes and methods (features TK3, TK4)."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from cicely import Cicely, Task
from cicely.exceptions import UnknownOption
from cicely.task import task_from_function


def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


def test_a_task_looks_like_its_function(app: Cicely) -> None:
    task = app.task(name="double")(double)
    assert task(4) == 8
    assert task.__doc__ == double.__doc__
    assert task.__module__ == double.__module__
    assert task.__name__ == "double"
    assert task.__wrapped__ is double  # type: ignore[attr-defined]  # set where there is a function
    assert repr(task) == "<@task: double of proj>"


def test_attributes_that_are_not_set_are_those_of_the_settings(app: Cicely) -> None:
    task = app.task(name="double")(double)
    names = "acks_late reject_on_worker_lost track_started ignore_result serializer rate_limit time_limit"
    defaults = [getattr(task, name) for name in names.split()]
    assert defaults == [True, True, False, False, "json", None, None]
    assert (task.acks_on_failure, task.acks_on_timeout) == (True, True)
    app.conf.task_acks_on_failure_or_timeout = False
    app.conf.task_acks_on_timeout = True
    app.conf.task_time_limit = 7
    assert (task.acks_on_failure, task.acks_on_timeout, task.time_limit) == (False, True, 7)


def test_attributes_of_the_task_win(app: Cicely) -> None:
    task = app.task(name="double", acks_late=False, ignore_result=True, rate_limit="3/m")(double)
    assert (task.acks_late, task.ignore_result, task.rate_limit) == (False, True, "3/m")
    task.rate_limit = "4/m"
    assert task.rate_limit == "4/m"


def test_none_leaves_it_to_the_setting(app: Cicely) -> None:
    class Base(Task[..., Any]):
        acks_late = None

    task = app.task(name="double", base=Base, track_started=None)(double)
    assert (task.acks_late, task.track_started) == (True, False)


def test_a_typo_in_an_attribute_is_an_error(app: Cicely) -> None:
    with pytest.raises(UnknownOption, match="no option 'ignore_resutl'; did you mean 'ignore_result'"):
        app.task(name="double", ignore_resutl=True)(double)


def test_attributes_of_an_own_base_class_are_known(app: Cicely) -> None:
    class Once(Task[..., Any]):
        once: Any = None

    task = app.task(name="double", base=Once, once={"keys": []})(double)
    assert task.once == {"keys": []}  # type: ignore[attr-defined]  # of the base class


def test_unbound_tasks(app: Cicely) -> None:
    task = task_from_function(Task, double, name="double")
    assert task(2) == 4
    assert task.acks_late is None


def test_annotations(app: Cicely) -> None:
    app.conf.task_annotations = [
        {"*": {"rate_limit": "1/s", "priority": 3}},
        {"double": {"rate_limit": "2/s"}, "other": {"rate_limit": "9/s"}},
    ]
    task = app.task(name="double")(double)
    assert (task.rate_limit, task.priority) == ("2/s", 3)


def test_annotations_may_be_hooks(app: Cicely) -> None:
    seen: list[Any] = []

    def on_success(self: Any, retval: Any, *_: Any) -> None:
        seen.append(retval)

    app.conf.task_annotations = {"*": {"on_success": on_success}}
    app.task(name="double")(double).apply((2,))
    assert seen == [4]


def test_pushed_requests_for_tests_of_a_body(app: Cicely) -> None:
    @app.task(name="look", bind=True)
    def look(self: Task[..., Any]) -> Any:
        return self.request.id

    look.push_request(id="x", retries=2)
    try:
        assert (look.request.id, look.request.retries) == ("x", 2)
        top = look.request_stack.top
        assert top is not None
        assert top.id == "x"
    finally:
        look.pop_request()
    assert look.request.id is None


def test_pickling(app: Cicely) -> None:
    app.set_current()
    try:
        task = app.task(name="double")(double)
        assert pickle.loads(pickle.dumps(task)) is app.tasks["double"]
    finally:
        app.close()


def test_signature_of_a_running_task(app: Cicely) -> None:
    seen: list[Any] = []

    @app.task(name="look", bind=True)
    def look(self: Task[..., Any], *args: int) -> None:
        seen.append(self.signature_from_request(queue="q2"))

    look.apply((1, 2), task_id="x", headers={"a": 1})
    (call,) = seen
    assert (call.task, list(call.args)) == ("look", [1, 2])
    assert (call.options["task_id"], call.options["queue"], call.options["headers"]) == ("x", "q2", {"a": 1})


def test_own_states_need_an_id(app: Cicely) -> None:
    task = app.task(name="double")(double)
    with pytest.raises(ValueError, match="needs a task_id"):
        task.update_state(state="PROGRESS")
    task.update_state("some-id", "PROGRESS", {"a": 1})
    assert app.AsyncResult("some-id").info == {"a": 1}


def test_what_comes_later_says_so(app: Cicely) -> None:
    task = app.task(name="double")(double)
    with pytest.raises(NotImplementedError, match="comes with chains, groups and chords"):
        task.replace(task.s(1))
    assert task.send_event("task-progress", done=3) is None  # type: ignore[func-returns-value]


def test_trail(app: Cicely) -> None:
    seen: list[Any] = []

    @app.task(name="look", bind=True)
    def look(self: Task[..., Any]) -> None:
        child = self.AsyncResult("child")
        assert self.add_trail(child) is child
        seen.append(list(self.request.children))

    look.apply()
    assert [found.id for found in seen[0]] == ["child"]
    seen.clear()
    look.trail = False
    look.apply()
    assert seen == [[]]


def test_a_class_without_body(app: Cicely) -> None:
    class Empty(Task[..., Any]):
        name = "empty"

    result = app.register_task(Empty()).apply()
    assert isinstance(result.result, NotImplementedError)

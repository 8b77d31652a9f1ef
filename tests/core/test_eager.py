"""Tasks run on the spot, by the code of a worker (features TK9)."""

from __future__ import annotations

from typing import Any

import pytest

from cicely import Cicely, Task, states
from cicely.exceptions import UnknownOption
from cicely_transports.errors import EncodeError


@pytest.fixture
def eager(app: Cicely) -> Cicely:
    app.conf.task_always_eager = True
    return app


def test_apply(app: Cicely) -> None:
    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    result = add.apply((1,), {"y": 2})
    assert (result.get(), result.state, result.ready()) == (3, states.SUCCESS, True)
    assert app.backend.get_many([result.id]) == {}


def test_the_serializers_are_the_real_ones(app: Cicely) -> None:
    @app.task(name="kinds")
    def kinds(value: Any) -> Any:
        return [type(value).__name__, (1, 2)]

    assert kinds.apply(((1, 2),)).get() == ["list", [1, 2]]
    with pytest.raises(EncodeError, match=r"args\[0\] is an object"):
        kinds.apply((object(),))


def test_a_result_that_cannot_be_written_fails_here_as_in_a_worker(app: Cicely) -> None:
    @app.task(name="odd")
    def odd() -> object:
        return object()

    assert odd.apply().state == states.FAILURE


def test_the_request(app: Cicely) -> None:
    seen: list[Any] = []

    @app.task(name="look", bind=True)
    def look(self: Task[..., Any]) -> None:
        request = self.request
        seen.append((request.id, request.is_eager, request.called_directly, request.headers))

    look.apply(task_id="mine", headers={"a": 1})
    assert seen == [("mine", True, False, {"a": 1})]


def test_nested_calls_inherit(eager: Cicely) -> None:
    seen: list[Any] = []

    @eager.task(name="inner", bind=True)
    def inner(self: Task[..., Any]) -> None:
        seen.append((self.request.root_id, self.request.parent_id))

    @eager.task(name="outer")
    def outer() -> None:
        inner.delay()

    outer.apply_async(task_id="outer-id")
    assert seen == [("outer-id", "outer-id")]


def test_failures_are_kept_or_raised(app: Cicely) -> None:
    class Own(Exception):
        def __init__(self, *, code: int) -> None:
            self.code = code

    @app.task(name="fail")
    def fail() -> None:
        raise Own(code=3)

    result = fail.apply()
    assert result.state == states.FAILURE
    assert isinstance(result.result, Own)
    assert "in fail" in (result.traceback or "")
    with pytest.raises(Own) as caught:
        fail.apply(throw=True)
    assert caught.value.code == 3
    app.conf.task_eager_propagates = True
    with pytest.raises(Own):
        fail.apply()


def test_retries_run_at_once(app: Cicely) -> None:
    runs: list[int] = []

    @app.task(name="again", bind=True, max_retries=3)
    def again(self: Task[..., Any]) -> int:
        runs.append(self.request.retries)
        if self.request.retries < 2:
            raise self.retry(countdown=3600)
        return 1

    assert again.apply().get() == 1
    assert runs == [0, 1, 2]


def test_retries_end(app: Cicely) -> None:
    @app.task(name="again", bind=True, max_retries=2)
    def again(self: Task[..., Any]) -> None:
        raise self.retry(exc=ValueError("why"))

    with pytest.raises(ValueError, match="why"):
        again.apply().get()


def test_always_eager(eager: Cicely) -> None:
    @eager.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    assert add.delay(1, 2).get() == 3
    assert add.s(1).apply_async((2,)).get() == 3
    assert eager.transport.sizes(["celery"])["celery"].ready == 0
    with pytest.raises(TypeError):
        add.delay(1)
    with pytest.raises(UnknownOption):
        add.apply_async((1, 2), quue="x")


def test_callbacks_run_too(eager: Cicely) -> None:
    seen: list[int] = []

    @eager.task(name="add")
    def add(x: int, y: int) -> int:
        seen.append(x + y)
        return x + y

    add.apply_async((1, 2), link=add.s(10), chain=[add.s(100)])
    assert seen == [3, 13, 103]


def test_old_errbacks_run_too(eager: Cicely) -> None:
    seen: list[str] = []

    @eager.task(name="errback")
    def errback(task_id: str) -> None:
        seen.append(task_id)

    @eager.task(name="fail")
    def fail() -> None:
        raise ValueError

    fail.apply_async(task_id="x", link_error=errback.s())
    assert seen == ["x"]


def test_callbacks_of_apply_are_sent(app: Cicely) -> None:
    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    add.apply((1, 2), link=add.s(10))
    assert app.transport.sizes(["celery"])["celery"].ready == 1


def test_results_may_be_stored(app: Cicely) -> None:
    @app.task(name="add", store_eager_result=True)
    def add(x: int, y: int) -> int:
        return x + y

    result = add.apply((1, 2))
    assert app.AsyncResult(result.id).get(timeout=1) == 3


def test_own_states_are_not_stored(eager: Cicely) -> None:
    @eager.task(name="progress", bind=True)
    def progress(self: Task[..., Any]) -> int:
        self.update_state(state="PROGRESS", meta={"done": 1})
        return 1

    result = progress.delay()
    assert result.get() == 1
    assert eager.backend.get_many([result.id]) == {}


def test_other_serializers(app: Cicely) -> None:
    app.conf.task_serializer = app.conf.result_serializer = "pickle"
    app.conf.accept_content = ["pickle"]

    @app.task(name="same")
    def same(value: Any) -> Any:
        return value

    assert same.apply(((1, {2}),)).get() == (1, {2})


def test_refused_content_fails_as_in_a_worker(app: Cicely) -> None:
    @app.task(name="same", serializer="pickle")
    def same(value: Any) -> Any:
        return value

    result = same.apply((1,))
    assert result.state == states.FAILURE
    assert "is refused" in str(result.result)


def test_waiting_for_a_task_inside_a_task(eager: Cicely) -> None:
    @eager.task(name="inner")
    def inner() -> int:
        return 1

    @eager.task(name="outer")
    def outer() -> int:
        value: int = inner.delay().get()
        return value + 1

    assert outer.delay().get() == 2

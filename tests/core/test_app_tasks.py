from __future__ import annotations

import inspect
import pickle
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cicely import Cicely, Task
from cicely.current import apps
from cicely.definition import is_pending
from cicely.exceptions import AlreadyRegistered, NotRegistered, UnknownOption


@pytest.fixture
def app() -> Iterator[Cicely]:
    app = Cicely("proj", broker="memory://app-tasks", set_as_current=False)
    shared = list(apps._shared)
    yield app
    app.close()
    apps._shared[:] = shared


def plain(x: int, y: int = 2) -> int:
    """Adds."""
    return x + y


def test_bare_decorator_gives_a_callable_task(app: Cicely) -> None:
    add = app.task(plain)
    assert add(1, 2) == 3
    assert isinstance(add, Task)
    assert add.__doc__ == "Adds."
    assert inspect.unwrap(add) is plain


def test_a_task_is_made_late_and_becomes_itself(app: Cicely) -> None:
    add = app.task(plain)
    assert is_pending(add)
    assert not app.finalized
    held = [add]
    assert app.tasks[add.name] is held[0] is add
    assert not is_pending(add)
    assert app.finalized


def test_first_use_makes_only_this_task(app: Cicely) -> None:
    add = app.task(plain)
    other = app.task(name="other")(lambda: None)
    assert add.name == f"{__name__}.plain"
    assert is_pending(other)
    assert not app.finalized


def test_options_and_bind(app: Cicely) -> None:
    @app.task(bind=True, name="custom", max_retries=7, queue="q")
    def body(self: Any, value: int) -> Any:
        return self, value

    assert body(4) == (body, 4)
    assert (body.name, body.max_retries, body.queue) == ("custom", 7, "q")


def test_after_finalize_tasks_are_made_at_once(app: Cicely) -> None:
    app.finalize()
    add = app.task(plain)
    assert not is_pending(add)
    assert add.name in app.tasks


def test_lazy_can_be_switched_off(app: Cicely) -> None:
    assert not is_pending(app.task(lazy=False)(plain))


def test_unknown_option_is_reported_where_it_is_written(app: Cicely) -> None:
    with pytest.raises(UnknownOption, match="no option 'max_retires'; did you mean 'max_retries'"):
        app.task(max_retires=3)(plain)
    with pytest.raises(UnknownOption, match="'pydantic' is not in this version"):
        app.task(pydantic=True)(plain)


def test_what_is_no_function_is_refused(app: Cicely) -> None:
    with pytest.raises(TypeError, match="options by name"):
        app.task("name")  # type: ignore[call-overload]  # the mistake is the point
    with pytest.raises(TypeError, match="wrap it in a def"):
        app.task()(7)  # type: ignore[arg-type]  # the mistake is the point


def test_base_class_with_attributes_of_its_own(app: Cicely) -> None:
    class Base(Task):  # type: ignore[type-arg]  # as users write it
        region = "eu"

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return "called", super().__call__(*args, **kwargs)

    add = app.task(base=Base, region="us")(plain)
    assert isinstance(add, Base)
    assert is_pending(add)
    assert add(1) == ("called", 3)
    assert add.region == "us"


def test_task_class_of_the_app_may_come_after_the_tasks(app: Cicely) -> None:
    add = app.task(plain)

    class Contextual(app.Task):  # type: ignore[name-defined,misc]  # as users write it
        marked = True

    app.Task = Contextual
    assert add.name
    assert isinstance(add, Contextual)


def test_task_cls_by_path() -> None:
    app = Cicely(task_cls=f"{__name__}:Marked", set_as_current=False)
    assert isinstance(app.task(name="x")(plain), Marked)


class Marked(Task):  # type: ignore[type-arg]  # as users write it
    mark = 1


def test_settings_and_annotations_given_later_count(app: Cicely) -> None:
    add = app.task(plain)
    app.conf.task_annotations = {f"{__name__}.plain": {"rate_limit": "3/s"}}
    app.conf.task_serializer = "yaml"
    assert add.rate_limit == "3/s"
    assert add.serializer == "yaml"
    app.conf.task_serializer = "json"
    assert add.serializer == "json"


class ClassBased(Task):  # type: ignore[type-arg]  # as users write it
    def run(self, x: int) -> int:
        return x * 2


def test_class_based_tasks(app: Cicely) -> None:
    made = app.register_task(ClassBased())
    assert made.name == f"{__name__}.ClassBased"
    assert app.tasks[made.name](4) == 8
    assert app.register_task(ClassBased, name="other", max_retries=1).max_retries == 1
    assert app.tasks["other"].app is app


def test_one_name_for_two_functions(app: Cicely) -> None:
    def one() -> None: ...
    def two() -> None: ...

    app.task(name="same")(one)
    app.task(name="same")(two)
    for _ in range(2):
        with pytest.raises(AlreadyRegistered, match=r"'same'.*test_app_tasks.*one.*two"):
            app.finalize()
    assert not app.finalized


def test_the_same_function_again_is_fine(app: Cicely) -> None:
    first, second = app.task(plain), app.task(plain)
    assert app.tasks[first.name] is second
    assert first(1) == second(1) == 3


def test_a_task_that_could_not_be_registered_stays_pending(app: Cicely) -> None:
    app.task(name="same", lazy=False)(plain)
    loser = app.task(name="same")(lambda: None)
    for _ in range(2):
        with pytest.raises(AlreadyRegistered):
            _ = loser.name
    assert is_pending(loser)


def test_shared_option_gives_the_task_to_other_apps(app: Cicely) -> None:
    app.task(shared=True, name="test_app_tasks.shared")(plain)
    other = Cicely("other", set_as_current=False)
    assert other.tasks["test_app_tasks.shared"](1) == 3
    assert app.tasks["test_app_tasks.shared"].app is app


def test_unknown_task_has_the_near_name_as_note(app: Cicely) -> None:
    app.task(name="proj.add")(plain)
    with pytest.raises(NotRegistered) as caught:
        app.tasks["proj.ad"]
    assert caught.value.args == ("proj.ad",)
    assert caught.value.__notes__ == ["Did you mean 'proj.add'?"]


def test_autofinalize_off() -> None:
    app = Cicely("proj", autofinalize=False, set_as_current=False)
    with pytest.raises(RuntimeError, match=r"app\.finalize\(\)"):
        _ = app.tasks
    app.finalize()
    assert app.tasks == {}


def test_signal_after_finalize(app: Cicely) -> None:
    seen: list[Any] = []

    @app.on_after_finalize.connect
    def note(sender: Cicely, **_: Any) -> None:
        seen.append(list(sender.tasks))

    app.task(name="a")(plain)
    app.finalize()
    app.finalize()
    assert seen == [["a"]]


def test_tasks_defined_while_finalizing_are_taken(app: Cicely) -> None:
    class Chained(Task):  # type: ignore[type-arg]  # as users write it
        def bind(self, owner: Any) -> Any:
            if self.name == "first":
                app.task(name="second")(plain)
            return super().bind(owner)

    app.task(name="first", base=Chained)(plain)
    assert {"first", "second"} <= set(app.tasks)


def test_threads_that_use_a_new_task_at_once(app: Cicely) -> None:
    for number in range(20):
        add = app.task(name=f"task{number}", autoretry_for=(OSError,))(plain)
        barrier = threading.Barrier(4)
        seen: list[Any] = []

        def use(add: Any = add, barrier: Any = barrier, seen: Any = seen) -> None:
            barrier.wait(5)
            seen.append((add.name, add(1), add.app))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        assert seen == [(f"task{number}", 3, app)] * 4


def test_custom_names(app: Cicely) -> None:
    class Shouting(Cicely):
        def gen_task_name(self, name: str, module: str) -> str:
            return super().gen_task_name(name, module).upper()

    assert Shouting(set_as_current=False).task(plain).name == f"{__name__}.plain".upper()


pickled = Cicely("pickled", set_as_current=False)
module_task = pickled.task(name="test_app_tasks.module_task")(plain)


def test_pickling_a_task_finds_it_in_the_current_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    apps.set_current(pickled)
    try:
        assert pickle.loads(pickle.dumps(module_task)) is module_task
    finally:
        apps.set_current(None)


def test_pickling_an_app() -> None:
    app = Cicely("p", broker="memory://p", include=["m"], set_as_current=False, worker_concurrency=3)
    app.config_from_object({"task_serializer": "yaml"})
    copy = pickle.loads(pickle.dumps(app))
    assert copy.main == "p"
    assert (copy.conf.broker_url, copy.conf.worker_concurrency) == ("memory://p", 3)
    assert copy.conf.task_serializer == "yaml"

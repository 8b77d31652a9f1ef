from __future__ import annotations

import threading
from typing import Any

import pytest

from cicely import Cicely, current_app, current_task, shared_task
from cicely.current import Apps, apps, get_current_app, get_current_task, set_default_app
from cicely.exceptions import ImproperlyConfigured, NotRegistered, UnknownOption
from cicely.request import Context, pop, push


@pytest.fixture(autouse=True)
def nobody_is_current() -> Any:
    apps.set_current(None)
    apps.set_default(None)
    shared = list(apps._shared)
    yield
    apps._shared[:] = shared
    apps.set_current(None)
    apps.set_default(None)


def in_thread(function: Any) -> Any:
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(function()))
    thread.start()
    thread.join(5)
    return got[0]


def test_a_new_app_is_the_current_one() -> None:
    first = Cicely("first")
    assert get_current_app() is first
    assert current_app.main == "first"
    second = Cicely("second", set_as_current=False)
    assert get_current_app() is first
    second.set_current()
    assert get_current_app() is second


def test_other_threads_see_it_too_until_they_have_their_own() -> None:
    Cicely("first")
    assert in_thread(lambda: current_app.main) == "first"

    def own() -> Any:
        Cicely("of the thread")
        return current_app.main

    assert in_thread(own) == "of the thread"
    assert current_app.main == "first"


def test_default_for_threads_without_their_own() -> None:
    default = Cicely("default one", set_as_current=False)
    Cicely("mine")
    default.set_default()
    assert in_thread(get_current_app) is default
    assert current_app.main == "mine"
    set_default_app(None)


def test_closed_apps_are_current_no_more() -> None:
    registry = Apps()
    app = Cicely("closing", set_as_current=False)
    registry.set_current(app)
    registry.set_default(app)
    registry.forget(app)
    with pytest.raises(ImproperlyConfigured, match="make one"):
        registry.get()


def test_an_app_is_made_where_none_exists() -> None:
    registry = Apps()
    made = Cicely("made", set_as_current=False)
    registry.install(lambda: made)
    assert registry.get() is registry.get() is made


def test_shared_task_belongs_to_the_current_app() -> None:
    @shared_task(name="test_current.shared", max_retries=9)
    def body(x: int) -> int:
        return x + 1

    one, two = Cicely("one"), Cicely("two")
    assert body(1) == 2
    assert body.app is two
    one.set_current()
    assert body.app is one
    assert body.max_retries == 9
    assert one.tasks["test_current.shared"] is not two.tasks["test_current.shared"]


def test_shared_task_reaches_finalized_apps() -> None:
    app = Cicely("finalized before")
    app.finalize()

    @shared_task
    def late() -> str:
        return "late"

    assert late() == "late"
    assert f"{__name__}.late" in app.tasks


def test_shared_task_refuses_nonsense() -> None:
    with pytest.raises(TypeError, match="options by name"):
        shared_task("name")  # type: ignore[call-overload]  # the mistake is the point


def test_mistakes_in_options_of_shared_tasks_are_reported() -> None:
    app = Cicely("reporting")
    app.finalize()
    with pytest.raises(UnknownOption, match="max_retries"):
        shared_task(max_retires=1)(lambda: None)


def test_stand_in_of_an_unknown_task() -> None:
    app = Cicely("forgetful")

    @shared_task(name="test_current.unregistered")
    def body() -> None: ...

    app.tasks.unregister("test_current.unregistered")
    with pytest.raises(NotRegistered):
        body()


def test_current_task() -> None:
    app = Cicely("running")
    task = app.task(name="t", lazy=False)(lambda: None)
    assert get_current_task() is None
    assert app.current_task is None
    push(task, Context(id="1"))
    try:
        assert current_task.name == "t"
        assert app.current_task is task
    finally:
        pop()


def test_proxy_behaves_like_its_target() -> None:
    app = Cicely("proxied")
    assert isinstance(current_app, Cicely)
    assert repr(current_app) == repr(app)
    assert current_app == app
    setattr(current_app, "custom", 1)  # noqa: B010 - the app has no such attribute by itself
    assert vars(app)["custom"] == 1

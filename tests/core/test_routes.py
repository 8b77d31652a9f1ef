from __future__ import annotations

import re
from typing import Any

import pytest

from cicely.exceptions import ImproperlyConfigured, QueueNotFound
from cicely.patterns import NamePatterns
from cicely.queues import Queues
from cicely.routes import Route, Router
from cicely.settings import Settings


def router(**settings: Any) -> Router:
    conf = Settings()
    conf.update(settings)
    return Router(conf, Queues(conf))


def destination(found: Route) -> tuple[str, str, str | None]:
    return found.exchange, found.routing_key, found.queue


def test_no_route_goes_to_the_default_queue() -> None:
    assert router().route("t") == Route("", "celery", "celery", {})
    assert router(task_default_queue="main").route("t", options={"priority": 3}) == Route(
        "", "main", "main", {"priority": 3}
    )


def test_default_exchange_that_is_not_direct() -> None:
    found = router(
        task_default_exchange="tasks", task_default_exchange_type="topic", task_default_routing_key="task.x"
    )
    assert destination(found.route("t")) == ("tasks", "task.x", "celery")
    assert destination(found.route("t", options={"routing_key": "task.y"})) == ("tasks", "task.y", "celery")


def by_function(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> Any:
    return {"queue": "video", "priority": len(args)} if name.startswith("proj.video") else None


class ByClass:
    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> Any:
        return "video" if task.startswith("proj.video") else None


@pytest.mark.parametrize(
    "routes",
    [
        {"proj.video.encode": "video"},
        {"proj.video.encode": {"queue": "video"}},
        {"proj.video.*": "video"},
        {"proj.*": "other", "proj.video.encode": "video"},
        {"proj.video.*": "video", "proj.*": "other"},
        {re.compile(r"proj\.video\..*"): "video"},
        [("proj.video.*", "video"), ("proj.*", "other")],
        ([("proj.video.*", "video"), ("proj.*", "other")],),
        [{"nothing": "x"}, {"proj.video.*": {"queue": "video"}}],
        by_function,
        [by_function],
        ByClass,
        ByClass(),
        f"{__name__}:ByClass",
        [f"{__name__}.by_function"],
        [ByClass(), {"*": "rest"}],
    ],
)
def test_forms_of_task_routes(routes: Any) -> None:
    found = router(task_routes=routes)
    assert destination(found.route("proj.video.encode")) == ("", "video", "video")
    assert found.route("elsewhere").queue in {"celery", "rest"}


def test_function_sees_the_call() -> None:
    seen: list[Any] = []

    def record(name: str, args: Any, kwargs: Any, options: Any, task: Any = None, **_: Any) -> None:
        seen.append((name, args, kwargs, options, task))

    router(task_routes=record).route("t", (1,), {"a": 2}, {"priority": 1}, task="the task")
    assert seen == [("t", (1,), {"a": 2}, {"priority": 1}, "the task")]


def test_answers_of_functions_are_not_remembered() -> None:
    found = router(task_routes=by_function)
    assert found.route("proj.video.x", (1, 2)).options == {"priority": 2}
    assert found.route("proj.video.x", (1,)).options == {"priority": 1}


def test_options_of_a_route_yield_to_those_of_the_call() -> None:
    found = router(task_routes={"t": {"queue": "q", "priority": 5, "serializer": "yaml"}})
    assert found.route("t").options == {"priority": 5, "serializer": "yaml"}
    assert found.route("t", options={"priority": 1, "serializer": None}).options == {
        "priority": 1,
        "serializer": "yaml",
    }


def test_call_overrides_the_destination_as_a_whole() -> None:
    found = router(task_routes={"t": {"exchange": "x", "routing_key": "k", "priority": 5}})
    assert destination(found.route("t")) == ("x", "k", None)
    assert found.route("t", options={"queue": "mine"}) == Route("", "mine", "mine", {"priority": 5})
    assert destination(found.route("t", options={"exchange": "y", "routing_key": "z"})) == ("y", "z", None)


def test_exchange_alone_uses_the_default_key() -> None:
    assert destination(router().route("t", options={"exchange": "x"})) == ("x", "celery", None)


def test_queue_of_a_topic_exchange() -> None:
    found = router(
        task_queues={"video": {"exchange": "media", "exchange_type": "topic", "routing_key": "media.video"}},
        task_routes={"t": "video"},
    )
    assert destination(found.route("t")) == ("media", "media.video", "video")
    assert destination(found.route("t", options={"routing_key": "media.audio"})) == (
        "media",
        "media.audio",
        "video",
    )


def test_unknown_queue() -> None:
    assert destination(router().route("t", options={"queue": "new"})) == ("", "new", "new")
    closed = router(task_queues=["video"], task_create_missing_queues=False, task_routes={"t": "vidoe"})
    with pytest.raises(QueueNotFound, match="did you mean 'video'"):
        closed.route("t")


def test_route_of_the_wrong_type() -> None:
    with pytest.raises(ImproperlyConfigured, match="task_routes gave 7"):
        router(task_routes={"t": 7}).route("t")
    with pytest.raises(ImproperlyConfigured, match="task_routes takes"):
        router(task_routes=7).route("t")


def test_changes_of_settings_are_seen() -> None:
    conf = Settings()
    found = Router(conf, Queues(conf))
    assert found.route("t").queue == "celery"
    conf.task_routes = {"t": "a"}
    assert found.route("t").queue == "a"
    conf.task_routes = None
    conf.task_default_queue = "b"
    assert found.route("t").queue == "b"


def test_callers_options_are_left_alone() -> None:
    options = {"queue": "q", "priority": 1}
    router(task_routes={"t": {"serializer": "yaml"}}).route("t", options=options)
    assert options == {"queue": "q", "priority": 1}


def test_name_patterns() -> None:
    patterns = NamePatterns({"a.*": 1, re.compile("a.b"): 2, "a.b": 3})
    assert patterns.first("a.b") == 3
    assert patterns.first("a.x") == 1
    assert patterns.first("b") is None
    assert patterns.all("a.b") == [1, 2, 3]

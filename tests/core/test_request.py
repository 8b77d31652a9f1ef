from __future__ import annotations

import threading

import pytest

from cicely.request import Context, RequestStack, executing, pop, push, request_of
from cicely_transports.message import Properties


def test_defaults_are_those_of_a_direct_call() -> None:
    context = Context()
    assert context.called_directly
    assert (context.id, context.retries, context.children, context.time_limit) == (None, 0, [], None)


def test_custom_headers_are_attributes_unless_a_field_has_the_name() -> None:
    context = Context(headers={"tenant": "a", "retries": "mine"})
    assert context.tenant == "a"
    assert context.retries == 0
    assert context.get("tenant") == "a"
    assert context.get("nothing", 3) == 3
    with pytest.raises(AttributeError, match="no header 'nothing'"):
        _ = context.nothing


def test_limits_are_hard_then_soft() -> None:
    context = Context(timelimit=[30, 20])
    assert (context.time_limit, context.soft_time_limit) == (30, 20)


def test_children_of_two_runs_are_apart() -> None:
    Context().children.append("x")
    assert Context().children == []


def test_update_and_clear() -> None:
    context = Context({"id": "a"}, retries=2)
    context.update({"id": "b"}, shadow="s")
    assert (context.id, context.retries, context.shadow) == ("b", 2, "s")
    context.clear()
    assert (context.id, context.retries) == (None, 0)


def test_properties_are_a_map_of_what_is_set() -> None:
    context = Context(message_properties=Properties(reply_to="r", extra={"MessageGroupId": "g"}))
    assert context.properties["reply_to"] == "r"
    assert context.properties["MessageGroupId"] == "g"
    assert "expiration" not in context.properties
    assert Context().properties == {}


def test_options_that_send_the_task_again() -> None:
    context = Context(
        id="x",
        group="g",
        timelimit=[3, 2],
        expires="2030-01-01T00:00:00",
        stamped_headers=["a"],
        stamps={"a": 1},
    )
    options = context.as_execution_options()
    assert options["task_id"] == "x"
    assert options["group_id"] == "g"
    assert (options["time_limit"], options["soft_time_limit"]) == (3, 2)
    assert options["a"] == 1
    # Without an offset the wire means UTC, while an option means local time.
    assert options["expires"].isoformat() == "2030-01-01T00:00:00+00:00"


def test_the_innermost_run_of_a_task_is_its_request() -> None:
    one, two = object(), object()
    outer, inner = Context(id="outer", called_directly=False), Context(id="inner")
    push(one, outer)
    push(two, inner)
    try:
        assert request_of(one) is outer
        assert request_of(two) is inner
        running = executing()
        assert running is not None
        assert running.context is outer
    finally:
        assert pop() is inner
        assert pop() is outer
    assert request_of(one) is None
    assert executing() is None
    assert pop() is None


def test_threads_have_stacks_of_their_own() -> None:
    seen: list[Context | None] = []
    task = object()
    push(task, Context())
    try:
        thread = threading.Thread(target=lambda: seen.append(request_of(task)))
        thread.start()
        thread.join()
    finally:
        pop()
    assert seen == [None]


def test_request_stack_of_one_task() -> None:
    stack = RequestStack(object())
    context = Context()
    tops = [stack.top]
    stack.push(context)
    tops.append(stack.top)
    assert stack.pop() is context
    assert tops == [None, context]

"""Calls as data (wire-compat section 1.6, features CV1)."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from cicely import Cicely, Task
from cicely.canvas import Signature, maybe_signature, signature
from cicely.exceptions import ImproperlyConfigured, NotRegistered, UnknownOption
from cicely.ports import DefaultApp
from cicely.testing.inprocess import Drain


@pytest.fixture
def add(app: Cicely) -> Task[[int, int], int]:
    @app.task(name="add")
    def add(x: int, y: int) -> int:
        return x + y

    return add


def test_the_form_on_the_wire(add: Task[..., int]) -> None:
    call = add.s(10)
    assert json.loads(json.dumps(call)) == {
        "task": "add",
        "args": [10],
        "kwargs": {},
        "options": {},
        "subtask_type": None,
        "immutable": False,
    }
    assert list(call) == ["task", "args", "kwargs", "options", "subtask_type", "immutable"]


def test_applied_arguments_go_in_front(add: Task[..., int]) -> None:
    call = add.signature((2,), {"a": 1, "b": 1}, queue="q")
    args, kwargs, options = call.merged((1,), {"b": 2}, {"priority": 3})
    assert args == (1, 2)
    assert kwargs == {"a": 1, "b": 2}
    assert options == {"queue": "q", "priority": 3}


def test_an_immutable_call_ignores_arguments_but_not_options(add: Task[..., int]) -> None:
    call = add.si(1, 2)
    args, kwargs, options = call.merged((3,), {"z": 1}, {"queue": "q"})
    assert (args, kwargs, options) == ((1, 2), {}, {"queue": "q"})


def test_a_group_is_kept(add: Task[..., int]) -> None:
    call = add.s(1).set(group_id="mine")
    assert call.merged(options={"group_id": "other"})[2] == {"group_id": "mine"}
    assert add.s(1).merged(options={"group_id": "other"})[2] == {"group_id": "other"}


def test_ways_to_make_one(app: Cicely, add: Task[..., int]) -> None:
    expected = add.s(1, 2)
    assert add.signature((1, 2)) == expected
    assert add.subtask((1, 2)) == expected
    assert app.signature("add", (1, 2)) == expected
    assert Signature("add", (1, 2), app=app) == expected
    assert Signature(add, (1, 2)) == expected
    assert signature(dict(expected), app=app) == expected
    assert signature("add", args=(1, 2), app=app) == expected
    assert add.signature((1, 2), countdown=3).options == {"countdown": 3}


def test_calling(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    assert add.s(1)(2) == 3
    assert add.s(1).apply((2,)).get() == 3
    results = [add.s(1).delay(2), add.s(1).apply_async((2,)), add.s(1, 2).apply_async()]
    drain.run_all()
    assert [result.get(timeout=1) for result in results] == [3, 3, 3]


def test_an_unknown_task_is_sent_by_name(app: Cicely) -> None:
    result = app.signature("elsewhere", (1,)).apply_async(queue="q2")
    receiver = app.transport.receiver(["q2"], credit=1, lease=60)
    (found,) = receiver.receive(1, 1.0)
    assert found.message.headers["id"] == result.id
    with pytest.raises(NotRegistered):
        _ = app.signature("elsewhere").type


def test_links(add: Task[..., int]) -> None:
    call = add.s(1, 2)
    callback, errback = add.s(3), add.s(4)
    assert call.link(callback) is callback
    assert call.link(add.s(3)) == callback
    assert call.options["link"] == [callback]
    assert call.link_error(errback) is errback
    assert call.on_error(add.s(5)) is call
    assert call.options["link_error"] == [errback, add.s(5)]
    inner = add.s(6)
    callback.link(inner)
    assert call.flatten_links() == [call, callback, inner]


def test_links_of_the_signature_travel(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    call = add.s(1, 2)
    call.link(add.s(10))
    call.delay()
    assert [outcome.summary for outcome in drain.run_all()] == ["3", "13"]


def test_set_and_replace(add: Task[..., int]) -> None:
    call = add.s(1)
    assert call.set(queue="q", immutable=True) is call
    assert (call.options, call.immutable) == ({"queue": "q"}, True)
    other = call.replace(args=(9,), options={})
    assert (other.args, other.options, call.args) == ((9,), {}, (1,))


def test_a_typo_in_an_option_is_found_when_sending(add: Task[..., int]) -> None:
    with pytest.raises(UnknownOption, match="did you mean 'countdown'"):
        add.s(1, 2).set(countdwon=3).delay()


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda call: call.clone(), signature])
def test_copies_are_independent(add: Task[..., int], copied: Any) -> None:
    call = add.s(1).set(headers={"a": 1})
    other = copied(call)
    assert other == call
    assert type(other) is Signature
    other["task"] = "changed"
    assert call.task == "add"
    assert other.app is call.app


def test_a_clone_does_not_share_options(add: Task[..., int]) -> None:
    call = add.s(1).set(headers={"a": 1})
    call.clone(args=(0,), queue="q").options["headers"]["b"] = 2
    assert call.options == {"headers": {"a": 1}}


def test_pickling(app: Cicely, add: Task[..., int]) -> None:
    call = pickle.loads(pickle.dumps(add.s(1, 2)))
    assert call == add.s(1, 2)
    assert isinstance(call, Signature)


def test_freezing_settles_the_id(app: Cicely, drain: Drain, add: Task[..., int]) -> None:
    call = add.s(1, 2)
    result = call.freeze(group_id="g", root_id="r", parent_id="p", group_index=2)
    assert result.id == call.id
    assert call.freeze().id == result.id
    assert (call.root_id, call.parent_id) == ("r", "p")
    assert call.options["reply_to"] == app.oid
    assert call.freeze(group_id="other") is not None
    assert call.options["group_id"] == "g"
    assert call.delay().id == result.id
    drain.run_all()
    assert result.get(timeout=1) == 3


def test_attributes_are_entries(add: Task[..., int]) -> None:
    call = add.s(1, y=2)
    call.args = (5,)
    call.immutable = True
    assert call["args"] == (5,)
    assert call["immutable"] is True
    assert (call.task, call.name, call.kwargs, call.subtask_type) == ("add", "add", {"y": 2}, None)
    assert repr(call) == "add(5, y=2)"


def test_maps_that_lack_keys_are_completed(app: Cicely) -> None:
    call = signature({"task": "add", "chord_size": 3}, app=app)
    assert (call.args, call.kwargs, call.options, call.immutable) == ((), {}, {}, False)


def test_maybe_signature(app: Cicely, add: Task[..., int]) -> None:
    assert maybe_signature(None) is None
    call = add.s(1)
    assert maybe_signature(call) is call
    made = maybe_signature(dict(call), app=app)
    assert made == call
    assert made is not None
    assert made.app is app


def test_what_this_version_cannot_do_says_so(app: Cicely, add: Task[..., int]) -> None:
    with pytest.raises(NotImplementedError, match="link"):
        _ = add.s(1) | add.s(2)
    call: Any = add.s(1)
    with pytest.raises(NotImplementedError):
        call |= add.s(2)
    with pytest.raises(NotImplementedError, match="'group'"):
        signature({"task": "celery.group", "subtask_type": "group"}, app=app)


def test_other_types_register_themselves(app: Cicely) -> None:
    @Signature.register_type("own")
    class Own(Signature):
        @classmethod
        def from_dict(cls, fields: Any, app: Any = None) -> Signature:
            return cls(fields, app=app)

    try:
        assert type(signature({"task": "x", "subtask_type": "own"}, app=app)) is Own
    finally:
        del Signature.TYPES["own"]


def test_without_any_app_the_remedy_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"app = cicely\.Cicely"):
        DefaultApp()()

from __future__ import annotations

from typing import Any, cast

import pytest

from cicely import Cicely, Task
from cicely.exceptions import InvalidTaskError, NotRegistered
from cicely.registry import TaskRegistry


class Named(Task):  # type: ignore[type-arg]  # as users write it
    name = "named"


def test_register_instance_or_class() -> None:
    registry = TaskRegistry()
    first = registry.register(Named)
    assert registry["named"] is first
    second = Named()
    assert registry.register(second) is second
    assert registry["named"] is second


def test_nameless_is_refused() -> None:
    with pytest.raises(InvalidTaskError, match="must have a name"):
        TaskRegistry().register(Task())


def test_unregister_by_task_or_name() -> None:
    registry = TaskRegistry()
    registry.register(Named)
    registry.unregister(Named())
    assert "named" not in registry
    with pytest.raises(NotRegistered):
        registry.unregister("named")


def test_code_typed_in_replaces_what_was_there() -> None:
    app = Cicely(set_as_current=False)
    for version in (1, 2):
        scope = {"__name__": "__main__"}
        exec(compile(f"\n\ndef cell(): return {version}", "<stdin>", "exec"), scope)
        app.task(name="cell", lazy=False)(cast(Any, scope["cell"]))
    assert app.tasks["cell"]() == 2

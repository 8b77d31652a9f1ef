"""Tasks, signatures, routing and results.

Importing the package imports next to nothing: each public name is loaded when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import Cicely as Cicely
    from .canvas.signature import Signature as Signature
    from .canvas.signature import maybe_signature as maybe_signature
    from .canvas.signature import signature as signature
    from .current import current_app as current_app
    from .current import current_task as current_task
    from .current import shared_task as shared_task
    from .task import Task as Task
    from .utils.ids import uuid as uuid

    __version__: str
    VERSION: tuple[int, ...]

#: Public names by the module that has them.
_MODULES = {
    "Cicely": "app",
    "Signature": "canvas",
    "Task": "task",
    "current_app": "current",
    "current_task": "current",
    "maybe_signature": "canvas",
    "shared_task": "current",
    "signature": "canvas",
    "uuid": "utils.ids",
}
#: These need an app to exist, or to be made: the module that can make one.
_NEED_AN_APP = frozenset({"current_app", "shared_task", "signature", "Signature", "Task"})

__all__ = [
    "VERSION",
    "Cicely",
    "Signature",
    "Task",
    "__version__",
    "current_app",
    "current_task",
    "maybe_signature",
    "shared_task",
    "signature",
    "uuid",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        if name in _NEED_AN_APP:
            importlib.import_module(".app", __name__)
        value: Any = getattr(importlib.import_module("." + _MODULES[name], __name__), name)
    elif name in {"__version__", "VERSION"}:
        from importlib.metadata import version

        value = version("cicely-core")
        if name == "VERSION":
            value = tuple(int(part) for part in value.split(".") if part.isdigit())
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Names of tasks that are given none: module and function."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def task_name(main: str | None, function: str, module: str | None) -> str:
    """``module.function``.

    What is defined in the module that was started as a program, ``__main__``, gets the app's ``main``
    instead; without one, the name by which others import that module: that of ``python -m``, or its
    file's.
    """
    if not module or _is_main(module):
        module = main or _import_name(sys.modules.get("__main__"))
    return f"{module}.{function}" if module else function


def _is_main(module: str) -> bool:
    # multiprocessing's spawn imports the started module again, as __mp_main__.
    return module in {"__main__", "__mp_main__"}


def _import_name(main: ModuleType | None) -> str:
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        name: str = spec.name
        return name.removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return Path(file).stem if file else "__main__"

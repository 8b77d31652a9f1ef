"""Exceptions as data and back, without pickle (wire-compat section 6.1, "Exception map").

Writing never fails, whatever the exception does: arguments that the serializer refuses are replaced by
their repr, a failing repr by a description. Reading never imports: a class is looked up only in modules
that are loaded already, and a name that is not found there becomes a class made for the occasion.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from cicely.exceptions import DecodeError, EncodeError, SecurityError
from cicely.reprs import saferepr
from cicely_transports.serialization import dumps

#: Modules as Celery writes them, and ours that hold classes of the same names.
OUR_MODULES = {
    "celery.exceptions": "cicely.exceptions",
    "billiard.exceptions": "cicely.exceptions",
    "kombu.exceptions": "cicely_transports.errors",
}
BILLIARD_NAMES = frozenset({"SoftTimeLimitExceeded", "TimeLimitExceeded", "WorkerLostError", "Terminated"})
KOMBU_NAMES = frozenset({"OperationalError", "ContentDisallowed", "DecodeError", "EncodeError"})
#: Ours that Celery does not have; they keep their own module on the wire.
OUR_NAMES = frozenset({"UnknownOption", "UnknownSettingWarning"})
CELERY_NAMES = {"CicelyError": "CeleryError", "CicelyWarning": "CeleryWarning"}
OWN_NAMES = {theirs: ours for ours, theirs in CELERY_NAMES.items()}

MAX_DEPTH = 16


def exception_to_map(exc: BaseException, serializer: str = "json", *, depth: int = 0) -> dict[str, Any]:
    """The exception as plain data that ``serializer`` can write.

    Beside Celery's three keys there is ``exc_notes`` where the exception has notes (PEP 678). The members
    of an exception group are maps, too.
    """
    cls = type(exc)
    name, module = _wire_name(cls.__qualname__, cls.__module__)
    data = {
        "exc_type": name,
        "exc_message": _plain_args(exc, serializer, depth),
        "exc_module": module,
    }
    notes = getattr(exc, "__notes__", None)
    if isinstance(notes, Sequence) and notes:
        data["exc_notes"] = [note for note in notes if isinstance(note, str)]
    return data


def map_to_exception(data: object) -> BaseException:
    """The exception that a map stands for.

    Raises SecurityError when the name belongs to something that is no exception class, DecodeError when
    ``data`` is no exception map.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("exc_type"), str):
        raise DecodeError(
            "the result of a failed task has to be a map with exc_type, exc_message and exc_module, "
            f"but is {saferepr(data, 200)}"
        )
    name, module, message = data["exc_type"], data.get("exc_module"), data.get("exc_message", ())
    args = list(message) if isinstance(message, (list, tuple)) else [message]
    if (name, module) == ("UnpickleableExceptionWrapper", "celery.utils.serialization") and len(args) > 2:
        # Celery's stand-in carries the true module and name first and the text last.
        module, name, args = args[0], args[1], [args[-1]]
    cls = _resolve(str(name), module) or _synthesise(str(name), module)
    if issubclass(cls, BaseExceptionGroup) and len(args) == 2 and isinstance(args[1], list):
        args[1] = [map_to_exception(member) if isinstance(member, Mapping) else member for member in args[1]]
    exc = _build(cls, tuple(args))
    for note in data.get("exc_notes") or ():
        exc.add_note(str(note))
    return exc


def _wire_name(name: str, module: str) -> tuple[str, str]:
    if module == "cicely.exceptions" and name not in OUR_NAMES:
        return CELERY_NAMES.get(name, name), (
            "billiard.exceptions" if name in BILLIARD_NAMES else "celery.exceptions"
        )
    if module == "cicely_transports.errors" and name in KOMBU_NAMES:
        return name, "kombu.exceptions"
    return name, module


def _plain_args(exc: BaseException, serializer: str, depth: int) -> list[Any]:
    if isinstance(exc, BaseExceptionGroup) and depth < MAX_DEPTH:
        members = [exception_to_map(member, serializer, depth=depth + 1) for member in exc.exceptions]
        return [exc.message, members]
    try:
        args = list(exc.args)
    except Exception:  # noqa: BLE001 - a subclass may have made a property of it, or None
        return [saferepr(exc)]
    if _writable(args, serializer):
        return args
    return [arg if _writable(arg, serializer) else saferepr(arg) for arg in args]


def _writable(value: Any, serializer: str) -> bool:
    try:
        dumps(value, serializer)
    except EncodeError:
        return False
    return True


def _resolve(name: str, module: object) -> type[BaseException] | None:
    if not isinstance(module, str):
        return None
    if ours := OUR_MODULES.get(module):
        module, name = ours, OWN_NAMES.get(name, name)
    found: object = sys.modules.get(module)
    for part in name.split("."):
        # The dictionary and not getattr: a module's __getattr__ may import.
        found = getattr(found, "__dict__", {}).get(part)
        if found is None:
            return None
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise SecurityError(
            f"a stored result names {module}.{name} as its exception, which is no exception class: refused"
        )
    return found


def _synthesise(name: str, module: object) -> type[Exception]:
    # What a class name cannot hold (NUL, lone surrogates) must not make the reader fail.
    name = name.encode("utf-8", "backslashreplace").decode().replace("\0", "")
    return type(
        name.rpartition(".")[2],
        (Exception,),
        {"__module__": module if isinstance(module, str) else __name__, "__qualname__": name},
    )


def _build(cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    try:
        exc = cls(*args)
    except Exception:  # noqa: BLE001 - a constructor of the user's that wants other arguments may raise anything
        return _build_without_init(cls, args)
    if exc.args != args:
        # A constructor that words its own message would word it twice.
        exc.args = args
    return exc


def _build_without_init(cls: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """The class is kept, so that ``except ThatError`` works; what its constructor sets is missing."""
    try:
        exc = cls.__new__(cls, *args)
        exc.args = args
    except Exception:  # noqa: BLE001 - as above, for __new__
        return _synthesise(cls.__qualname__, cls.__module__)(*args)
    try:
        str(exc)
        repr(exc)
    except Exception:  # noqa: BLE001 - its __str__ needs what the constructor would have set
        plain = {
            "__str__": BaseException.__str__,
            "__repr__": BaseException.__repr__,
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
        }
        tame = type(cls.__name__, (cls,), plain)
        exc = tame.__new__(tame, *args)
        exc.args = args
    return exc

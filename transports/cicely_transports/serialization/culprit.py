"""Where in a value is the part that a serializer cannot write? Run only after it failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

CONTAINERS = (dict, list, tuple, set, frozenset)

#: The search gives up after so many parts: an error must not take minutes to word.
MAX_STEPS = 100_000
#: As deep the search goes through ``__json__`` methods that return objects with such a method.
MAX_HOPS = 100


@dataclass(frozen=True, slots=True)
class Culprit:
    """The first part at fault: its path, as in ``args[1].user``, and what is wrong with it."""

    path: str
    problem: str


def find_culprit(
    encode: Callable[[Any], object],
    errors: tuple[type[Exception], ...],
    data: Any,
    roots: Sequence[str] = (),
    max_depth: int | None = None,
) -> Culprit | None:
    """Search ``data`` depth first; ``roots`` name the items of the outermost sequence. What is deeper
    than ``max_depth`` is at fault for that.

    None if every part can be written by itself (then the whole is at fault), or after MAX_STEPS.
    """
    # An entry is (value, path) to visit, or (id, None) to leave a container that was entered.
    stack: list[tuple[Any, str | None]] = [(data, "")]
    entered: set[int] = set()
    hops = 0
    for _ in range(MAX_STEPS):
        if not stack:
            break
        value, path = stack.pop()
        if path is None:
            entered.discard(value)
            continue
        if not isinstance(value, CONTAINERS):
            if not _writes(encode, errors, value):
                inner = _json_form(value, errors)
                hops += 1
                if inner is value:
                    return Culprit(path or "the data", f"is {_kind(value)}")
                if hops > MAX_HOPS:
                    return Culprit(path or "the data", "is nested too deeply")
                stack.append((inner, path))
            continue
        if id(value) in entered:
            return Culprit(path, "contains itself")
        if max_depth is not None and len(entered) >= max_depth:
            return Culprit(path[:60] + "...", "is nested too deeply")
        if isinstance(value, set | frozenset) and not _writes(encode, errors, type(value)()):
            return Culprit(path or "the data", f"is {_kind(value)}")
        entered.add(id(value))
        stack.append((id(value), None))
        if isinstance(value, dict):
            for key in value:
                if not _writes(encode, errors, {key: None}):
                    return Culprit(path or "the data", f"has a key that is {_kind(key)}")
        stack.extend(reversed(_children(value, path, () if path else roots)))
    return None


def _children(value: Any, path: str, roots: Sequence[str]) -> list[tuple[Any, str | None]]:
    if isinstance(value, dict):
        return [(item, path + _step(key)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return [(item, f"{path}{{...}}") for item in value]
    return [(item, roots[n] if n < len(roots) else f"{path}[{n}]") for n, item in enumerate(value)]


def _step(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r:.40}]"


def _kind(value: Any) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def _writes(encode: Callable[[Any], object], errors: tuple[type[Exception], ...], value: Any) -> bool:
    try:
        encode(value)
    except errors:
        return False
    return True


def _json_form(value: Any, errors: tuple[type[Exception], ...]) -> Any:
    """What ``value.__json__()`` gives, or ``value`` if there is no such method or it fails."""
    to_json = getattr(value, "__json__", None)
    if to_json is None:
        return value
    try:
        return to_json()
    except errors:
        return value

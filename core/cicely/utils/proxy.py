"""A stand-in for an object that is looked up again on every use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


class Proxy:
    """Forwards attribute access, calls and the container protocol to what ``target()`` returns now."""

    __slots__ = ("__target",)

    def __init__(self, target: Callable[[], Any]) -> None:
        object.__setattr__(self, "_Proxy__target", target)

    def _get_current_object(self) -> Any:
        """The object behind the proxy at this moment."""
        return object.__getattribute__(self, "_Proxy__target")()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._get_current_object(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._get_current_object(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._get_current_object(), name)

    @property  # type: ignore[misc]  # isinstance() is to see the target
    def __class__(self) -> type:
        return type(self._get_current_object())

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]  # a view of the target's
        return self._get_current_object().__dict__  # type: ignore[no-any-return]  # Any is the target

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]  # a view of the target's
        return self._get_current_object().__doc__  # type: ignore[no-any-return]  # Any is the target

    @property
    def __wrapped__(self) -> Any:
        return self._get_current_object().__wrapped__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._get_current_object()(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self._get_current_object())

    def __str__(self) -> str:
        return str(self._get_current_object())

    def __bool__(self) -> bool:
        return bool(self._get_current_object())

    def __eq__(self, other: object) -> bool:
        return bool(self._get_current_object() == other)

    def __hash__(self) -> int:
        return hash(self._get_current_object())

    def __dir__(self) -> list[str]:
        return dir(self._get_current_object())

    def __getitem__(self, key: Any) -> Any:
        return self._get_current_object()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._get_current_object()[key] = value

    def __delitem__(self, key: Any) -> None:
        del self._get_current_object()[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._get_current_object()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._get_current_object())

    def __len__(self) -> int:
        return len(self._get_current_object())

    def __or__(self, other: Any) -> Any:
        return self._get_current_object() | other

    def __reduce__(self) -> Any:
        return self._get_current_object().__reduce__()

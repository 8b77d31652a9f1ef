"""In-process signals: a list of receivers that are called in order."""

from __future__ import annotations

import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar, overload

Receiver = Callable[..., Any]
R = TypeVar("R", bound=Receiver)

_log = logging.getLogger("cicely.signals")


class _Connection:
    """One receiver, held weakly or strongly, with the sender that it listens to (None: everybody)."""

    __slots__ = ("key", "resolve", "sender")

    def __init__(self, key: Hashable, resolve: Callable[[], Receiver | None], sender: object) -> None:
        self.key = key
        self.resolve = resolve
        self.sender = sender

    def wants(self, sender: object) -> bool:
        wanted = self.sender
        if wanted is None or wanted is sender:
            return True
        if isinstance(wanted, str):
            return wanted == sender or wanted == getattr(sender, "name", None)
        resolve = getattr(type(wanted), "_get_current_object", None)
        return resolve is not None and resolve(wanted) is sender


class Signal:
    """Something that happens and that others may listen to (wire-compat section 12).

    :attr:`receivers` is an immutable tuple, empty when nobody listens, so that a hot path asks
    ``if signal.receivers:`` before it builds the arguments.
    """

    __slots__ = ("_lock", "name", "providing_args", "receivers")

    def __init__(self, providing_args: Iterable[str] = (), *, name: str | None = None) -> None:
        self.name = name or "signal"
        self.providing_args = frozenset(providing_args)
        self.receivers: tuple[_Connection, ...] = ()
        self._lock = threading.RLock()

    @overload
    def connect(
        self, receiver: None = None, sender: object = None, weak: bool = True, dispatch_uid: Hashable = None
    ) -> Callable[[R], R]: ...

    @overload
    def connect(
        self, receiver: R, sender: object = None, weak: bool = True, dispatch_uid: Hashable = None
    ) -> R: ...

    def connect(
        self,
        receiver: Receiver | None = None,
        sender: object = None,
        weak: bool = True,
        dispatch_uid: Hashable = None,
    ) -> Any:
        """Call ``receiver`` on every send, or on those of ``sender`` (an object, or a task's name).

        Usable as a decorator, with and without arguments. Receivers are held weakly unless
        ``weak=False``: a closure or a bound method of a temporary object needs that. Connecting the
        same receiver (or the same ``dispatch_uid``) again changes nothing.

        Raises ValueError for a receiver that takes no keyword arguments.
        """
        if receiver is None:
            return lambda function: self.connect(function, sender, weak, dispatch_uid)
        _check(receiver)
        key = (dispatch_uid or _identity(receiver), _identity(sender))
        with self._lock:
            if all(known.key != key for known in self.receivers):
                connection = _Connection(key, self._reference(receiver, key, weak), sender)
                self.receivers = (*self.receivers, connection)
        return receiver

    def disconnect(
        self,
        receiver: Receiver | None = None,
        sender: object = None,
        weak: bool | None = None,
        dispatch_uid: Hashable = None,
    ) -> bool:
        """Stop calling ``receiver``. Returns whether it had been connected."""
        key = (dispatch_uid or _identity(receiver), _identity(sender))
        return self._remove(key)

    def has_listeners(self, sender: object = None) -> bool:
        """Whether a send by ``sender`` would call anybody."""
        return any(known.wants(sender) for known in self.receivers)

    def send(self, sender: object, **named: Any) -> list[tuple[Receiver, Any]]:
        """Call every receiver; returns (receiver, what it returned or the exception it raised).

        An exception is logged and does not keep the others from being called; SystemExit and
        KeyboardInterrupt do.
        """
        results: list[tuple[Receiver, Any]] = []
        for known in self.receivers:
            if not known.wants(sender):
                continue
            receiver = known.resolve()
            if receiver is None:
                continue
            try:
                answer = receiver(signal=self, sender=sender, **named)
            except Exception as exc:  # noqa: BLE001 - foreign code; logged and returned
                _log.exception("Signal handler %r raised: %r", receiver, exc)
                answer = exc
            results.append((receiver, answer))
        return results

    send_robust = send

    def _reference(self, receiver: Receiver, key: Hashable, weak: bool) -> Callable[[], Receiver | None]:
        if not weak:
            return lambda: receiver

        def gone(_: object) -> None:
            self._remove(key)

        if inspect.ismethod(receiver):
            return weakref.WeakMethod(receiver, gone)
        return weakref.ref(receiver, gone)

    def _remove(self, key: Hashable) -> bool:
        with self._lock:
            left = tuple(known for known in self.receivers if known.key != key)
            removed = len(left) != len(self.receivers)
            self.receivers = left
        return removed

    def __repr__(self) -> str:
        return f"<Signal: {self.name} providing {sorted(self.providing_args)}>"


def _identity(target: object) -> Hashable:
    if target is None or isinstance(target, str):
        return target
    if inspect.ismethod(target):
        return id(target.__self__), id(target.__func__)
    return id(target)


def _check(receiver: Receiver) -> None:
    if not callable(receiver):
        raise TypeError(f"a signal receiver must be callable, not {receiver!r}")
    try:
        parameters = inspect.signature(receiver).parameters.values()
    except ValueError:
        return  # a builtin that hides its signature
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        raise ValueError(
            f"signal receiver {receiver!r} must accept **kwargs: signals gain arguments over time"
        )

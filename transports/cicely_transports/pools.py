"""A bounded number of connections or producers, to be taken and given back."""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from .errors import ClosedError, MisuseError, RetryableError
from .producer import Producer as PlainProducer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .channel import Channel

T = TypeVar("T")

#: Seconds that acquire(block=True) waits unless told otherwise.
ACQUIRE_TIMEOUT = 30.0


class LimitExceeded(RetryableError):
    """Everything in the pool is in use."""


class Pool(ABC, Generic[T]):
    """Makes things when they are asked for, up to ``limit`` (None: no bound), and keeps them.

    May be used from several threads. In a forked child it starts empty: what the parent made is the
    parent's.
    """

    LimitExceeded = LimitExceeded

    def __init__(self, limit: int | None = None) -> None:
        if limit is not None and limit < 1:
            raise MisuseError("the limit of a pool must be at least 1")
        self.limit = limit
        self._changed = threading.Condition()
        self._idle: deque[T] = deque()
        self._made = 0
        self._pid = os.getpid()
        self._closed = False

    @abstractmethod
    def new(self) -> T:
        """Make one."""

    @abstractmethod
    def close_resource(self, resource: T) -> None:
        """End one for good."""

    def setup(self) -> None:
        """For subclasses that want to make something in advance: called by nobody here."""

    def prepare(self, resource: T) -> T:
        """Make one ready for its next user."""
        return resource

    def acquire(self, block: bool = False, timeout: float | None = ACQUIRE_TIMEOUT) -> T:
        """Take one. It comes back by its own ``release()``, or as a context manager.

        Raises LimitExceeded if all are in use: at once, or with ``block`` after ``timeout`` seconds.
        """
        deadline = time.monotonic() + (ACQUIRE_TIMEOUT if timeout is None else timeout)
        with self._changed:
            self._forget_parent()
            while True:
                if self._closed:
                    raise ClosedError("this pool was closed before")
                if self._idle:
                    resource = self._idle.pop()
                    break
                if self.limit is None or self._made < self.limit:
                    resource = self.new()
                    self._made += 1
                    break
                left = deadline - time.monotonic() if block else 0.0
                if left <= 0 or not self._changed.wait(left):
                    raise LimitExceeded(
                        f"all {self.limit} of the pool are in use: release them, or raise its limit"
                    )
        return self.prepare(resource)

    def release(self, resource: T) -> None:
        """Give one back."""
        with self._changed:
            self._forget_parent()
            if not self._closed and resource not in self._idle:
                self._idle.append(resource)
                self._changed.notify()
                return
        self.close_resource(resource)

    def replace(self, resource: T) -> None:
        """End one that is broken instead of giving it back."""
        with self._changed:
            self._made -= 1
            self._changed.notify()
        self.close_resource(resource)

    def collect_resource(self, resource: T) -> None:
        """End one without waiting for the network."""
        self.close_resource(resource)

    def force_close_all(self) -> None:
        """End what is idle now, and the rest when it comes back. Repeating it is harmless."""
        with self._changed:
            self._forget_parent()
            idle, self._idle = list(self._idle), deque()
            self._made = 0
            self._closed = True
            self._changed.notify_all()
        for resource in idle:
            self.close_resource(resource)

    close = force_close_all

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.force_close_all()

    def _forget_parent(self) -> None:
        if self._pid != os.getpid():
            self._idle.clear()
            self._made, self._pid = 0, os.getpid()


class Pooled(Protocol):
    """What a connection is to a pool."""

    def clone(self, **overrides: Any) -> Self:
        """Another one, not connected."""

    def on_release(self, release: Callable[[Any], object] | None) -> None:
        """What its ``release()`` does from now on."""

    def close(self) -> None:
        """End it."""

    def channel(self) -> Channel:
        """A new channel."""

    @property
    def default_channel(self) -> Channel:
        """The channel for those who ask for none."""


C = TypeVar("C", bound=Pooled)


class ConnectionPool(Pool[C]):
    """Clones of a connection, each connected on its first use."""

    def __init__(self, connection: C, limit: int | None = None) -> None:
        super().__init__(limit)
        self.connection = connection

    def new(self) -> C:
        """A clone whose ``release()`` brings it back here."""
        made = self.connection.clone()
        made.on_release(self.release)
        return made

    def acquire_channel(self, block: bool = False) -> tuple[C, Channel]:
        """A connection and its default channel; release the connection."""
        connection = self.acquire(block=block)
        return connection, connection.default_channel

    def close_resource(self, resource: C) -> None:
        """Close the connection."""
        resource.on_release(None)
        resource.close()


class ProducerPool(Pool[PlainProducer]):
    """Producers, each on a connection of a pool. The limit is that of the connections by default."""

    Producer = PlainProducer

    def __init__(
        self,
        connections: ConnectionPool[Any],
        limit: int | None = None,
        Producer: type[PlainProducer] | None = None,  # noqa: N803  # the name that users know
    ) -> None:
        super().__init__(connections.limit if limit is None else limit)
        self.connections = connections
        self.Producer = Producer or self.Producer
        self._connections: dict[int, Any] = {}

    def new(self) -> PlainProducer:
        """A producer on a connection of its own, as long as it lives."""
        connection = self.connections.acquire(block=True)
        made = self.Producer(connection)
        made.on_release(self.release)
        self._connections[id(made)] = connection
        return made

    def close_resource(self, resource: PlainProducer) -> None:
        """Give its connection back."""
        connection = self._connections.pop(id(resource), None)
        if connection is not None:
            connection.release()

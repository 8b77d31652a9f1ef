"""Publishing for one app: a sender per thread, queues declared once, retries within a bounded time."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import getpid
from typing import TYPE_CHECKING, Any

from cicely_transports.compression import decompress
from cicely_transports.errors import (
    OperationalError,
    PartialPublish,
    PublishTimeout,
    RetryableError,
)
from cicely_transports.serialization import loads

from .signals import after_task_publish, task_sent

if TYPE_CHECKING:
    from cicely_transports.spi import Send, Sender, Transport

    from .queues import Queues
    from .settings.settings import Settings


class _Line:
    """One thread's sender; closed when its thread ends, because nothing else refers to it then."""

    __slots__ = ("__weakref__", "pid", "sender")

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.pid = getpid()

    def close(self) -> None:
        # A copy that a fork made belongs to the parent: closing it here would speak on its connection.
        if self.pid == getpid():
            self.sender.close()

    __del__ = close


class _Link:
    """What belongs to one process: its transport, its threads' senders, what it has declared."""

    def __init__(self, transport: Transport) -> None:
        self.pid = getpid()
        self.transport = transport
        self.max_batch = transport.capabilities.max_batch
        self.declared: set[tuple[str, str]] = set()
        self.local = threading.local()
        self.lines: weakref.WeakSet[_Line] = weakref.WeakSet()
        self.lock = threading.Lock()


class Publisher:
    """Publishes sends durably. Usable from any thread, and in a process that was forked from its own.

    ``broker_publish_timeout`` bounds each try inside the transport. Refused and broken connections are
    tried again as ``task_publish_retry_policy`` says, for as long as the tries together took less than
    that timeout; a try that timed out is not repeated, since its time is spent.
    """

    def __init__(
        self,
        open_transport: Callable[[], Transport],
        conf: Settings,
        queues: Queues,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_transport = open_transport
        self._conf = conf
        self._queues = queues
        self._sleep = sleep
        self._clock = clock
        self._link: _Link | None = None
        self._lock = threading.Lock()

    def publish(
        self, sends: Sequence[Send], *, retry: bool | None = None, policy: Mapping[str, Any] | None = None
    ) -> None:
        """Publish all; returning means that every one is stored as durably as the broker can.

        ``retry`` and ``policy`` replace the settings ``task_publish_retry`` and, key by key,
        ``task_publish_retry_policy``.

        Raises OperationalError when the broker could not be reached in time (its cause tells which
        messages were not confirmed, where that is known), and MisuseError for what can never succeed.
        """
        link = self._link
        if link is None or link.pid != getpid():
            link = self._connect()
        size = link.max_batch or len(sends) or 1
        for start in range(0, len(sends), size):
            batch = sends if len(sends) <= size else sends[start : start + size]
            try:
                self._attempt(link, batch)
            except RetryableError as error:
                self._again(link, batch, error, retry, policy)
        if after_task_publish.receivers or task_sent.receivers:
            _announce(sends)

    def _attempt(self, link: _Link, sends: Sequence[Send]) -> None:
        for send in sends:
            if (send.exchange, send.routing_key) not in link.declared:
                self._declare(link, send)
        line: _Line | None = getattr(link.local, "line", None)
        if line is None:
            line = self._open_line(link)
        line.sender.publish(sends)

    def _again(
        self,
        link: _Link,
        sends: Sequence[Send],
        error: RetryableError,
        retry: bool | None,
        policy: Mapping[str, Any] | None,
    ) -> None:
        """The tries after the first, which ended in ``error``."""
        conf = self._conf
        wanted = conf.task_publish_retry if retry is None else retry
        pauses = _pauses({**conf.task_publish_retry_policy, **(policy or {})}) if wanted else iter(())
        spent = 0.0
        for pause in pauses:
            if isinstance(error, PartialPublish):
                sends = error.unsent
            if isinstance(error, PublishTimeout) or spent >= conf.broker_publish_timeout:
                break
            self._hang_up(link)
            self._sleep(pause)
            begun = self._clock()
            try:
                self._attempt(link, sends)
            except RetryableError as failure:
                error = failure
                spent += self._clock() - begun
            else:
                return
        self._hang_up(link)
        if isinstance(error, OperationalError):
            raise error
        raise OperationalError(str(error)) from error

    def _declare(self, link: _Link, send: Send) -> None:
        """Make what the route needs; what another publisher declared stays as it is."""
        topology = self._queues.topology_of(send.exchange, send.routing_key)
        if topology is None and send.exchange == "" and self._conf.task_create_missing_queues:
            # The queue was chosen in another process: what this one sends for it goes there, too.
            topology = self._queues.topology((send.routing_key,), publishing=True)
        if topology is not None:
            with link.lock:
                link.transport.declare(topology)
        link.declared.add((send.exchange, send.routing_key))

    def _connect(self) -> _Link:
        with self._lock:
            link = self._link
            if link is None or link.pid != getpid():
                link = self._link = _Link(self._open_transport())
            return link

    def _open_line(self, link: _Link) -> _Line:
        line = _Line(link.transport.sender())
        link.local.line = line
        with link.lock:
            link.lines.add(line)
        return line

    def _hang_up(self, link: _Link) -> None:
        """Drop this thread's sender: after a failure a new one starts clean."""
        line: _Line | None = getattr(link.local, "line", None)
        if line is not None:
            link.local.line = None
            line.close()

    def close(self) -> None:
        """Release every connection. The publisher can be used again afterwards: it connects anew."""
        with self._lock:
            link, self._link = self._link, None
        if link is None or link.pid != getpid():
            return
        with link.lock:
            lines = list(link.lines)
        for line in lines:
            line.close()
        link.transport.close()


def _pauses(policy: Mapping[str, Any]) -> Iterator[float]:
    """Seconds before each further try (Celery's keys: max_retries, interval_start, _step, _max)."""
    most = policy.get("max_retries", 3)
    pause = float(policy.get("interval_start") or 0.0)
    step, longest = float(policy.get("interval_step") or 0.0), float(policy.get("interval_max") or 0.0)
    number = 0
    while most is None or number < most:
        yield min(pause, longest)
        pause += step
        number += 1


def _announce(sends: Sequence[Send]) -> None:
    """Tell who listens; the body is decoded only for them."""
    for send in sends:
        message, headers = send.message, send.message.headers
        properties = message.properties
        packed = headers.get("compression")
        body: Any = loads(
            decompress(message.body, packed) if packed else message.body,
            properties.content_type,
            properties.content_encoding,
            accept=frozenset({properties.content_type}),
        )
        name = headers.get("task")
        after_task_publish.send(
            sender=name, body=body, headers=headers, exchange=send.exchange, routing_key=send.routing_key
        )
        if task_sent.receivers and isinstance(body, (list, tuple)):
            task_sent.send(
                sender=name,
                task_id=headers.get("id"),
                task=name,
                args=body[0],
                kwargs=body[1],
                eta=headers.get("eta"),
                taskset=headers.get("group"),
            )

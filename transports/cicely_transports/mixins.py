"""A consumer program: declare what to consume, get everything else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from .consumer import Consumer
from .errors import RetryableError
from .producer import Producer

if TYPE_CHECKING:
    from .channel import Channel
    from .received import ReceivedMessage

logger = logging.getLogger(__name__)


class ConsumerMixin:
    """Subclass it, set ``connection``, and return consumers from :meth:`get_consumers`.

    :meth:`run` consumes until ``should_stop`` is true, and connects again after each failure. The
    other methods are there to be overridden.
    """

    #: The connection to clone: the attribute that a subclass must set.
    connection: Any = None

    #: Attempts to connect before giving up; None for no bound.
    connect_max_retries: int | None = None

    #: Setting it to true ends run() within the second.
    should_stop: bool = False

    #: Seconds to wait before each new connection.
    restart_interval: float = 1.0

    def get_consumers(self, Consumer: Callable[..., Consumer], channel: Channel) -> Sequence[Consumer]:  # noqa: N803
        """The consumers: call ``Consumer(queues, callbacks=...)``, which has the channel already."""
        raise NotImplementedError(f"{type(self).__name__} must define get_consumers(Consumer, channel)")

    @property
    def connection_errors(self) -> tuple[type[Exception], ...]:
        """Errors after which run() connects again."""
        return (RetryableError,)

    @property
    def channel_errors(self) -> tuple[type[Exception], ...]:
        """Errors of a channel: there are none that are not of its connection."""
        return ()

    def on_connection_error(self, exc: Exception, interval: float) -> None:
        """The broker cannot be reached; it is tried again in ``interval`` seconds."""
        logger.warning("the broker cannot be reached, trying again in %.1f s: %s", interval, exc)

    def on_connection_revived(self) -> None:
        """The broker was reached, also the first time."""

    def on_consume_ready(
        self, connection: Any, channel: Channel, consumers: Sequence[Consumer], **kwargs: Any
    ) -> None:
        """All consumers are receiving."""

    def on_consume_end(self, connection: Any, channel: Channel) -> None:
        """They are not any more."""

    def on_iteration(self) -> None:
        """Before each wait for a message."""

    def on_decode_error(self, message: ReceivedMessage, exc: Exception) -> None:
        """A message cannot be read: by default it goes to the dead letters of its queue."""
        logger.error("a message of queue %r cannot be read: %s", message.queue, exc)
        if not message.acknowledged:
            message.reject_log_error(logger, reason=f"cannot be read: {exc}")

    @contextmanager
    def extra_context(self, connection: Any, channel: Channel) -> Iterator[None]:
        """Entered while consuming."""
        yield

    def run(self, **kwargs: Any) -> None:
        """Consume until ``should_stop``, through failures of the broker."""
        pause = threading.Event()
        while not self.should_stop:
            try:
                for _ in self.consume(limit=None, **kwargs):
                    pass
            except self.connection_errors as exc:
                logger.warning("the connection to the broker is lost: %s", exc)
                pause.wait(self.restart_interval)

    def consume(
        self, limit: int | None, timeout: float | None = None, safety_interval: float = 1.0, **kwargs: Any
    ) -> Generator[None, None, None]:
        """Receive, yielding after each message; at most ``limit`` messages (None: no bound).

        Raises TimeoutError when none has come for ``timeout`` seconds. ``should_stop`` is looked at
        every ``safety_interval`` seconds.
        """
        with self.consumer_context(**kwargs) as (connection, _channel, _consumers):
            idle, count = 0.0, 0
            while not self.should_stop and (limit is None or count < limit):
                self.on_iteration()
                wait = safety_interval if timeout is None else min(safety_interval, timeout - idle)
                try:
                    connection.drain_events(timeout=wait)
                except TimeoutError:
                    idle += wait
                    if timeout is not None and idle >= timeout:
                        raise
                else:
                    idle, count = 0.0, count + 1
                    yield

    @contextmanager
    def consumer_context(self, **kwargs: Any) -> Iterator[tuple[Any, Channel, Sequence[Consumer]]]:
        """Connection, channel and consumers, receiving."""
        with self.establish_connection() as connection:
            self.on_connection_revived()
            channel = connection.default_channel
            make = partial(Consumer, channel, on_decode_error=self.on_decode_error)
            with ExitStack() as stack:
                consumers = list(self.get_consumers(make, channel))
                for consumer in consumers:
                    stack.enter_context(consumer)
                stack.enter_context(self.extra_context(connection, channel))
                self.on_consume_ready(connection, channel, consumers, **kwargs)
                try:
                    yield connection, channel, consumers
                finally:
                    self.on_consume_end(connection, channel)

    def create_connection(self) -> Any:
        """A clone of the connection."""
        return self.connection.clone()

    @contextmanager
    def establish_connection(self) -> Iterator[Any]:
        """A clone of the connection, connected."""
        with self.create_connection() as connection:
            connection.ensure_connection(
                self.on_connection_error, max_retries=self.connect_max_retries, timeout=None
            )
            yield connection

    @contextmanager
    def maybe_conn_error(self) -> Iterator[None]:
        """Ignore errors of the connection."""
        try:
            yield
        except (*self.connection_errors, *self.channel_errors):
            return


class ConsumerProducerMixin(ConsumerMixin):
    """A consumer program that publishes, too, over a connection of its own."""

    _producer_connection: Any = None

    @property
    def producer_connection(self) -> Any:
        """The connection of :attr:`producer`."""
        if self._producer_connection is None:
            self._producer_connection = self.connection.clone()
        return self._producer_connection

    @property
    def producer(self) -> Producer:
        """A new producer."""
        return Producer(self.producer_connection)

    def on_consume_end(self, connection: Any, channel: Channel) -> None:
        """Close the producers' connection."""
        made, self._producer_connection = self._producer_connection, None
        if made is not None:
            made.close()

"""A connection to a broker by its URL, with everything that is made from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .channel import Channel
from .consumer import Consumer
from .errors import InvalidURL, MisuseError, RetryableError
from .inbox import LONGEST_WAIT
from .near import reject_unknown
from .pools import ConnectionPool
from .producer import Producer
from .registry import open_transport
from .retry_policy import Errback, RetryPolicy
from .session import DEFAULT_LEASE, Session
from .simple import SimpleBuffer, SimpleQueue
from .url import BrokerURL, parse_urls

if TYPE_CHECKING:
    from types import TracebackType

    from .queue import Queue
    from .spi import Transport

__all__ = ["Connection", "ConnectionPool"]

T = TypeVar("T")

#: Asked for its size to see whether the broker answers: a queue that need not exist.
PROBE = "cicely.probe"


class Connection:
    """Connects on first use. A context manager: the broker is left, and what was not settled is given
    back, at the end.

    ``hostname`` is a URL, a list of URLs for a driver with failover, or the host of the scheme
    ``transport``. ``userid``, ``password``, ``virtual_host``, ``port`` replace parts of the URL.
    ``alternates`` are more URLs to try. ``transport_options`` are the driver's, also ``ssl``,
    ``connect_timeout``, ``heartbeat``, ``login_method`` and ``failover_strategy`` (its option
    ``failover``) when given. ``lease``: seconds that a message stays out of reach of others if this
    process dies with it. Raises InvalidURL, UnknownTransport and MissingDependency on first use.
    """

    def __init__(
        self,
        hostname: str | BrokerURL | Sequence[str | BrokerURL] = "",
        userid: str | None = None,
        password: str | None = None,
        virtual_host: str | None = None,
        port: int | None = None,
        transport: str | None = None,
        *,
        transport_options: Mapping[str, Any] | None = None,
        ssl: Any = None,
        connect_timeout: float | None = None,
        heartbeat: float | None = None,
        login_method: str | None = None,
        failover_strategy: str | None = None,
        alternates: Sequence[str | BrokerURL] = (),
        lease: float = DEFAULT_LEASE,
        **unknown: Any,
    ) -> None:
        reject_unknown("Connection()", unknown, [*Connection.__init__.__annotations__])
        parts: dict[str, Any] = {"username": userid, "password": password, "path": virtual_host, "port": port}
        given = {name: value for name, value in parts.items() if value is not None}
        urls: list[BrokerURL] = [*_urls(hostname, transport), *(parse_urls(alternates) if alternates else ())]
        self._urls: list[BrokerURL] = [replace(url, **given) for url in urls]
        self._transport_name = transport
        self.transport_options = dict(transport_options or {})
        self.ssl = ssl
        self.connect_timeout = connect_timeout
        self.heartbeat = heartbeat
        self.login_method = login_method
        self.failover_strategy = failover_strategy
        self._lease = lease
        self._session = Session(self._open, lease=lease)
        self._default_channel: Channel | None = None
        self._release: Callable[[Connection], object] | None = None

    # --- the broker

    @property
    def transport(self) -> Transport:
        """The transport of the SPI below."""
        return self._session.transport

    connection = transport

    @property
    def connected(self) -> bool:
        """Whether the transport was opened and not closed; it connects by itself after a failure."""
        return self._session.is_open

    @property
    def connection_errors(self) -> tuple[type[Exception], ...]:
        """Errors that may pass: try again."""
        return (RetryableError,)

    recoverable_connection_errors = connection_errors

    @property
    def channel_errors(self) -> tuple[type[Exception], ...]:
        """Errors of a channel: there are none that are not of the connection."""
        return ()

    recoverable_channel_errors = channel_errors

    def supports_exchange_type(self, exchange_type: str) -> bool:
        """Whether the transport has exchanges of this type."""
        return exchange_type in self.transport.capabilities.exchange_types

    def connect(self) -> Transport:
        """Reach the broker once. Raises OperationalError."""
        self.transport.sizes([PROBE])
        return self.transport

    def ensure_connection(
        self,
        errback: Errback | None = None,
        max_retries: int | None = None,
        interval_start: float = 2.0,
        interval_step: float = 2.0,
        interval_max: float = 30.0,
        timeout: float | None = 60.0,
    ) -> Self:
        """Reach the broker, trying again for ``timeout`` seconds (None: no bound).

        ``errback(error, seconds)`` is called before each wait. Raises OperationalError.
        """
        RetryPolicy(max_retries, interval_start, interval_step, interval_max, timeout, errback).run(
            self.connect
        )
        return self

    def ensure(self, obj: Any, fun: Callable[..., T], **policy: Any) -> Callable[..., T]:
        """``fun`` that is tried again after errors that may pass; ``policy`` as in RetryPolicy.

        ``obj`` is for those who know the signature: senders reconnect by themselves.
        """
        retry = RetryPolicy.of(policy)

        def ensured(*args: Any, **kwargs: Any) -> T:
            return retry.run(lambda: fun(*args, **kwargs))

        return ensured

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait for one message and pass it to its consumer. Raises TimeoutError after ``timeout`` seconds.

        With None it waits as long as it takes.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LONGEST_WAIT if deadline is None else deadline - time.monotonic()
            if self._session.inbox.drain(max(0.0, min(left, LONGEST_WAIT))):
                return
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"no message has come for {timeout:g} s")

    # --- channels, and what is made from them

    @property
    def default_channel(self) -> Channel:
        """The channel for those who ask for none."""
        if self._default_channel is None:
            self._default_channel = self.channel()
        return self._default_channel

    def channel(self) -> Channel:
        """A new channel: a group of consumers and messages that can be closed together."""
        return Channel(self._session, self)

    def Producer(self, channel: Channel | None = None, *args: Any, **kwargs: Any) -> Producer:  # noqa: N802
        """A producer on this connection."""
        return Producer(channel or self.default_channel, *args, **kwargs)

    def Consumer(  # noqa: N802
        self,
        queues: Queue | Iterable[Queue] | None = None,
        channel: Channel | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Consumer:
        """A consumer on this connection; it begins to receive when entered."""
        return Consumer(channel or self.default_channel, queues, *args, **kwargs)

    def SimpleQueue(  # noqa: N802
        self, name: str | Queue, no_ack: bool | None = None, channel: Channel | None = None, **kwargs: Any
    ) -> SimpleQueue:
        """A queue with put and get."""
        return SimpleQueue(channel or self.default_channel, name, no_ack, **kwargs)

    def SimpleBuffer(  # noqa: N802
        self, name: str | Queue, no_ack: bool | None = None, channel: Channel | None = None, **kwargs: Any
    ) -> SimpleBuffer:
        """A queue with put and get for messages that may be lost."""
        return SimpleBuffer(channel or self.default_channel, name, no_ack, **kwargs)

    def Pool(self, limit: int | None = None) -> ConnectionPool[Connection]:  # noqa: N802
        """A pool of clones."""
        return ConnectionPool(self, limit)

    def clone(self, **overrides: Any) -> Self:
        """Another connection to the same broker, not connected."""
        options = {
            "hostname": self._urls,
            "transport": self._transport_name,
            "transport_options": self.transport_options,
            "ssl": self.ssl,
            "connect_timeout": self.connect_timeout,
            "heartbeat": self.heartbeat,
            "login_method": self.login_method,
            "failover_strategy": self.failover_strategy,
            "lease": self._lease,
        }
        return type(self)(**{**options, **overrides})

    # --- the end

    def release(self) -> None:
        """Close it, or give it back to the pool that it was taken from."""
        if self._release is not None:
            self._release(self)
        else:
            self.close()

    def on_release(self, release: Callable[[Any], object] | None) -> None:
        """Have ``release`` called instead of closing: the connection belongs to a pool."""
        self._release = release

    def close(self) -> None:
        """Give back what is not settled, and leave the broker. Repeating it is harmless."""
        self._session.close()

    collect = close

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    # --- facts

    @property
    def hostname(self) -> str | None:
        """The host of the (first) URL."""
        return self._urls[0].host

    @property
    def host(self) -> str:
        """Host and port."""
        return f"{self.hostname or ''}:{self.port}" if self.port else self.hostname or ""

    @property
    def port(self) -> int | None:
        """The port, if the URL has one."""
        return self._urls[0].port

    @property
    def userid(self) -> str | None:
        """The user's name, if the URL has one."""
        return self._urls[0].username

    @property
    def password(self) -> str | None:
        """The password, if the URL has one."""
        return self._urls[0].password

    @property
    def virtual_host(self) -> str:
        """The path of the URL."""
        return self._urls[0].path

    def as_uri(self, include_password: bool = False) -> str:
        """The URL, or several with ``;`` between, with secrets masked unless asked for."""
        return ";".join(url.text if include_password else url.safe for url in self._urls)

    def info(self) -> dict[str, Any]:
        """Facts for displays, without secrets (the ``broker`` map of wire-compat section 8.4)."""
        return {
            "hostname": self.hostname,
            "userid": self.userid,
            "virtual_host": self.virtual_host,
            "port": self.port,
            "insist": False,
            "ssl": bool(self.ssl),
            "transport": self._transport_name or self._urls[0].scheme,
            "connect_timeout": self.connect_timeout,
            "transport_options": dict(self.transport_options),
            "login_method": self.login_method,
            "uri_prefix": None,
            "heartbeat": self.heartbeat or 0,
            "failover_strategy": self.failover_strategy or "round-robin",
            "alternates": [url.safe for url in self._urls[1:]],
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Connection) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self.as_uri())

    def __getstate__(self) -> dict[str, Any]:
        raise MisuseError("a connection cannot be pickled: send its URL")

    def __repr__(self) -> str:
        return f"<Connection {self.as_uri()}>"

    def _key(self) -> tuple[Any, ...]:
        return (self._urls, self._transport_name, self.transport_options, self.ssl)

    def _open(self) -> Transport:
        names = ("ssl", "connect_timeout", "heartbeat", "login_method")
        more = {name: value for name in names if (value := getattr(self, name))}
        if self.failover_strategy:
            more["failover"] = self.failover_strategy
        return open_transport(self._urls, {**self.transport_options, **more}, transport=self._transport_name)


def _urls(hostname: str | BrokerURL | Sequence[str | BrokerURL], transport: str | None) -> list[BrokerURL]:
    if isinstance(hostname, str) and "://" not in hostname:
        if transport is None:
            raise InvalidURL("a connection needs a broker URL, for example memory:// or redis://localhost")
        return parse_urls(f"{transport}://{hostname}")
    return parse_urls(hostname)

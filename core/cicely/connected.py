"""What an app holds open, in each of its processes: publisher, transport, result backend."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .addresses import safe
from .publisher import Publisher
from .utils.ids import uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cicely_transports.connection import Connection
    from cicely_transports.spi import Transport

    from .addresses import Address, Addresses
    from .backends.spi import ResultBackend
    from .queues import Queues
    from .settings.settings import Settings


class Resources:
    """The open things of one process. Each is opened when it is first asked for."""

    def __init__(self, addresses: Addresses, conf: Settings, queues: Queues) -> None:
        self._addresses = addresses
        self._lock = threading.RLock()
        #: A name that no other process has.
        self.oid = uuid()
        self._transport: Transport | None = None
        self._backend: ResultBackend | None = None
        self.publisher = Publisher(lambda: addresses.open_broker(writing=True), conf, queues)

    @property
    def transport(self) -> Transport:
        """The transport that everything but workers shares."""
        if self._transport is None:
            with self._lock:
                if self._transport is None:
                    self._transport = self._addresses.open_broker()
        return self._transport

    @property
    def backend(self) -> ResultBackend:
        """The result backend."""
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    self._backend = self._addresses.open_backend()
        return self._backend

    def close(self) -> None:
        """Close what is open."""
        with self._lock:
            transport, self._transport = self._transport, None
            backend, self._backend = self._backend, None
        self.publisher.close()
        if transport is not None:
            transport.close()
        if backend is not None:
            backend.close()


class Connected:
    """The part of an app that leads to broker and results."""

    def _connect(self, addresses: Addresses, conf: Settings, queues: Queues) -> None:
        self._addresses = addresses
        self._make_resources: Callable[[], Resources] = lambda: Resources(addresses, conf, queues)
        self._open = self._make_resources()
        self._inherited: list[Resources] = []

    @property
    def broker_url(self) -> Address:
        """The URL to consume from, in effect; it may hold a password."""
        return self._addresses.broker

    @property
    def backend_url(self) -> str:
        """The URL of the result backend, in effect; it may hold a password."""
        return self._addresses.backend

    @property
    def safe_broker_url(self) -> str:
        """The broker's URL with its secrets masked."""
        return safe(self._addresses.broker)

    @property
    def safe_backend_url(self) -> str:
        """The backend's URL with its secrets masked."""
        return safe(self._addresses.backend)

    def open_transport(self) -> Transport:
        """A new transport to consume from, which the caller closes."""
        return self._addresses.open_broker()

    def connection_for_read(self, url: Address | None = None) -> Connection:
        """A new connection to consume from, for messaging without tasks, which the caller closes."""
        return self._addresses.connection(url)

    def connection_for_write(self, url: Address | None = None) -> Connection:
        """A new connection to publish to, for messaging without tasks, which the caller closes."""
        return self._addresses.connection(url, writing=True)

    connection = connection_for_write

    @property
    def transport(self) -> Transport:
        """The transport that this process shares, for declaring and looking."""
        return self._open.transport

    @property
    def publisher(self) -> Publisher:
        """Publishes for this process."""
        return self._open.publisher

    @property
    def backend(self) -> ResultBackend:
        """The result backend of this process."""
        return self._open.backend

    @property
    def oid(self) -> str:
        """The name of this process among those of the app."""
        return self._open.oid

    def close(self) -> None:
        """Close what is open in this process. It is opened again if it is used."""
        self._open.close()

    def after_fork(self) -> None:
        """Let go of what belongs to the parent process; called in the child."""
        # Kept, not closed and not collected: its connections are the parent's.
        self._inherited.append(self._open)
        self._open = self._make_resources()

"""The link to the broker: one transport with one receiver, made again after it failed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cicely_transports.errors import ClosedError, OperationalError, RetryableError

if TYPE_CHECKING:
    from cicely.app import Cicely
    from cicely_transports.spi import Receiver, Settlement, Tag, Transport

log = logging.getLogger("cicely.worker.link")


class BrokerLink:
    """The consumer's own transport. :meth:`connect` belongs to the intake thread, the rest to the loop.

    ``queues`` are names that ``app.queues`` knows, ``credit`` the most messages to hold unsettled, ``lease``
    how long a claim lasts, in seconds.
    """

    def __init__(self, app: Cicely, queues: Sequence[str], *, credit: int, lease: float) -> None:
        self._app = app
        self._lease = lease
        self._queues = queues
        self._credit = credit
        self._transport: Transport = app.open_transport()
        self._receiver: Receiver | None = None

    @property
    def max_delay(self) -> float | None:
        """The longest delay that the transport keeps, in seconds."""
        return self._transport.capabilities.max_delay

    def connect(self) -> Receiver:
        """Declare the queues and make a receiver, over a new transport if there was one before."""
        if self._receiver is not None:
            self._receiver = None
            self._close_transport()
            self._transport = self._app.open_transport()
        self._transport.declare(self._app.queues.topology(self._queues))
        receiver = self._transport.receiver(self._queues, credit=self._credit, lease=self._lease)
        self._receiver = receiver
        return receiver

    def settle(self, items: Sequence[Settlement]) -> list[Tag]:
        """As Receiver.settle. Raises OperationalError while there is no connection."""
        try:
            return self._current().settle(items)
        except ClosedError as error:
            raise OperationalError("the connection to the broker was just closed") from error

    def extend(self, tags: Sequence[Tag], lease: float) -> list[Tag]:
        """As Receiver.extend. Raises OperationalError while there is no connection."""
        try:
            return self._current().extend(tags, lease)
        except ClosedError as error:
            raise OperationalError("the connection to the broker was just closed") from error

    def _current(self) -> Receiver:
        if self._receiver is None:
            raise OperationalError("there is no connection to the broker at the moment")
        return self._receiver

    def close(self) -> None:
        """Close receiver and transport; claims that were not settled run out."""
        self._receiver = None
        self._close_transport()

    def _close_transport(self) -> None:
        try:
            self._transport.close()
        except RetryableError as error:
            log.debug("Closing a lost transport: %s", error)

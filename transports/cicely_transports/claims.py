"""The unsettled deliveries of one receiver, kept alive while their owner works on them."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from .errors import ClosedError, LeaseLost, RetryableError, TransportError
from .spi import Settlement, Verdict

if TYPE_CHECKING:
    from .spi import Delivery, Receiver, Tag

logger = logging.getLogger(__name__)

#: Called with what has become of a claim.
Ended = Callable[[str], object]

#: What has become of a claim that somebody else has now.
LOST = "lost"
GIVEN_BACK = "given back"
SETTLED = "settled"

#: Renewals in the time of one lease: two may fail before it runs out.
RENEWALS = 3


class Claims:
    """Settles deliveries, and renews their leases from a thread of its own until then.

    The thread starts with the first delivery that has a timed lease. It ends on :meth:`close`, when
    nothing is held any more, and when the owner has dropped this object. Methods may be called from
    any thread.
    """

    def __init__(self, receiver: Receiver, lease: float) -> None:
        self._receiver = receiver
        self._lease = lease
        #: Tags and what to call when a claim has ended.
        self._held: dict[Tag, Ended] = {}
        self._timed: set[Tag] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, delivery: Delivery, ended: Ended) -> None:
        """Renew the delivery's lease until the claim has ended; ``ended`` is called then."""
        with self._lock:
            self._held[delivery.tag] = ended
            if delivery.leased_until is None:
                return
            self._timed.add(delivery.tag)
            if self._thread is None:
                arguments = (weakref.ref(self), self._stop, self._lease / RENEWALS)
                self._thread = threading.Thread(
                    target=_renew_until_stopped, args=arguments, name="cicely-leases", daemon=True
                )
                self._thread.start()

    def settle(self, settlement: Settlement) -> None:
        """End a claim. Raises LeaseLost if it had passed to somebody else before."""
        with self._lock:
            refused = self._receiver.settle([settlement])
            ended = self._forget(settlement.tag)
        if ended is not None:
            ended(LOST if refused else SETTLED)
        if refused:
            raise LeaseLost(refused)

    def give_back(self, tags: list[Tag] | None = None) -> None:
        """Make deliveries (None: all) available to others; what fails comes back with its lease."""
        with self._lock:
            tags = [tag for tag in (self._held if tags is None else tags) if tag in self._held]
            try:
                if tags:
                    self._receiver.settle([Settlement(tag, Verdict.RETURN) for tag in tags])
            except TransportError as exc:
                logger.warning("%d messages could not be given back: %s", len(tags), exc)
            callbacks = [self._forget(tag) for tag in tags]
        for ended in callbacks:
            if ended is not None:
                ended(GIVEN_BACK)

    def close(self) -> None:
        """Give everything back and end the thread."""
        self._stop.set()
        self.give_back()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._lease)

    def renew(self) -> bool:
        """Extend all timed leases once. False when there is nothing to renew any more."""
        with self._lock:
            if not self._timed:
                self._thread = None
                return False
            try:
                lost = self._receiver.extend(list(self._timed), self._lease)
            except ClosedError:
                self._thread = None
                return False
            except RetryableError as exc:
                logger.warning("the leases of %d messages could not be renewed: %s", len(self._timed), exc)
                return True
            callbacks = [self._forget(tag) for tag in lost]
        if lost:
            logger.error("%d messages were taken over by other consumers: their lease ran out", len(lost))
        for ended in callbacks:
            if ended is not None:
                ended(LOST)
        return True

    def _forget(self, tag: Tag) -> Ended | None:
        self._timed.discard(tag)
        return self._held.pop(tag, None)


def _renew_until_stopped(claims: weakref.ref[Claims], stop: threading.Event, interval: float) -> None:
    while not stop.wait(interval):
        # No strong reference while waiting: a forgotten connection must not keep its messages for ever.
        alive = claims()
        if alive is None or not alive.renew():
            return
        del alive

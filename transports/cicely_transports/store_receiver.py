"""Receiving from a store: claim, wait for the hint, claim again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .errors import MisuseError
from .keeper import QueueKeeper
from .lifetime import Lifetime
from .spi import Delivery, Receiver, Settlement, Tag

if TYPE_CHECKING:
    from .store import Store

#: Seconds of one wait in the store: a hint that got lost costs no more than this.
LONGEST_WAIT = 1.0


class StoreReceiver(Receiver):
    """Claims from its queues in rotation, holding at most ``credit`` unsettled deliveries.

    One thread receives; any other may settle, extend, wake, change queues or credit, and close.
    """

    def __init__(
        self, store: Store, queues: Sequence[str], *, credit: int, lease: float, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._queues = tuple(dict.fromkeys(queues))
        self._credit = credit
        self._lease = lease
        self._clock = clock
        self._lifetime = Lifetime("receiver")
        self._keeper = QueueKeeper(store)
        self._receiving = threading.Lock()
        self._changed = threading.Condition()
        self._woken = False
        #: Unsettled deliveries and the end of their lease: what the credit counts.
        self._held: dict[Tag, float] = {}

    def receive(self, limit: int, wait: float, *, suspects: int | None = None) -> list[Delivery]:
        """See Receiver.receive; a ``limit`` of zero returns at once.

        Raises MisuseError if another thread receives at the same time.
        """
        self._lifetime.check()
        if limit <= 0:
            return []
        if not self._receiving.acquire(blocking=False):
            raise MisuseError("another thread receives here already: make one receiver for each thread")
        try:
            return self._receive(limit, time.monotonic() + wait, suspects)
        finally:
            self._woken = False
            self._receiving.release()

    def settle(self, items: Sequence[Settlement]) -> list[Tag]:
        """See Receiver.settle."""
        self._lifetime.check()
        if not items:
            return []
        refused = self._store.settle(items, now=self._clock())
        was_full = len(self._held) >= self._credit
        for item in items:
            self._held.pop(item.tag, None)
        if was_full:
            self._notify()
        return refused

    def extend(self, tags: Sequence[Tag], lease: float) -> list[Tag]:
        """See Receiver.extend."""
        self._lifetime.check()
        if not tags:
            return []
        until = self._clock() + lease
        lost = self._store.renew(tags, until=until)
        for tag in tags:
            if tag in self._held:
                self._held[tag] = until
        for tag in lost:
            self._held.pop(tag, None)
        return lost

    def add_queue(self, queue: str) -> None:
        """Also receive from ``queue``."""
        self._lifetime.check()
        with self._changed:
            if queue not in self._queues:
                self._queues = (*self._queues, queue)
                self._keeper.look_again()
        self._interrupt()

    def cancel_queue(self, queue: str) -> None:
        """Receive no more from ``queue``."""
        self._lifetime.check()
        with self._changed:
            self._queues = tuple(other for other in self._queues if other != queue)

    def set_credit(self, credit: int) -> None:
        """How many unsettled deliveries to hold at most."""
        self._lifetime.check()
        self._credit = credit
        self._interrupt()

    def wakeup(self) -> None:
        """Make a waiting ``receive`` return, or the next one that would wait."""
        if not self._lifetime.over:
            self._lifetime.check()
            self._woken = True
            self._interrupt()

    def close(self) -> None:
        """Stop receiving; a waiting ``receive`` returns nothing."""
        if self._lifetime.end():
            self._interrupt()

    def _receive(self, limit: int, deadline: float, suspects: int | None) -> list[Delivery]:
        while True:
            now = self._clock()
            self._keeper.keep(self._queues, now)
            room = min(limit, self._room(now))
            if room > 0 and self._queues and (deliveries := self._claim(room, now, suspects)):
                return deliveries
            left = min(deadline - time.monotonic(), LONGEST_WAIT, self._keeper.next_look - now)
            if time.monotonic() >= deadline or self._woken or self._lifetime.over:
                return []
            if room > 0 and self._queues:
                self._store.wait(self._queues, max(0.0, left))
            else:
                self._wait_for_room(max(0.0, left))

    def _claim(self, room: int, now: float, suspects: int | None) -> list[Delivery]:
        queues = self._queues
        until = now + self._lease
        deliveries = self._store.claim(queues, room, now=now, until=until, suspects=suspects)
        if deliveries:
            self._held.update(dict.fromkeys([delivery.tag for delivery in deliveries], until))
            if len(queues) > 1:
                self._rotate(deliveries[-1].queue)
        return deliveries

    def _rotate(self, served: str) -> None:
        """Put the queues up to the one that was served last behind the others."""
        with self._changed:
            queues = self._queues
            if served in queues:
                at = queues.index(served) + 1
                self._queues = queues[at:] + queues[:at]

    def _room(self, now: float) -> int:
        """How many more may be held. What lapsed without renewal is ours no longer."""
        if len(self._held) >= self._credit:
            for tag, until in list(self._held.items()):
                if until <= now:
                    self._held.pop(tag, None)
        return self._credit - len(self._held)

    def _wait_for_room(self, timeout: float) -> None:
        with self._changed:
            self._changed.wait_for(self._disturbed, timeout)

    def _disturbed(self) -> bool:
        room = self._credit > len(self._held) and bool(self._queues)
        return self._woken or self._lifetime.over or room

    def _interrupt(self) -> None:
        self._notify()
        self._store.wake()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

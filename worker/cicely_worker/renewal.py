"""Renewal: keeping the leases of what this worker holds, and finding out which are lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cicely_transports.errors import RetryableError

if TYPE_CHECKING:
    from cicely_transports.spi import Tag

    from .ledger import Ledger
    from .pools.spi import Job

log = logging.getLogger("cicely.worker.renewal")

#: Seconds after which a renewal that failed is tried again.
AGAIN = 1.0


class Renewal:
    """Asks the broker, by ``extend(tags, seconds) -> lost tags``, when the ledger says that it is due."""

    def __init__(
        self, ledger: Ledger, extend: Callable[[Sequence[Tag], float], Sequence[Tag]], lease: float
    ) -> None:
        self._ledger = ledger
        self._extend = extend
        self._lease = lease
        self._hold = 0.0

    def next_at(self, now: float) -> float | None:
        """When :meth:`renew` has something to do (monotonic, as ``now``)."""
        at = self._ledger.renewal_at()
        return None if at is None else max(self._hold, now + at - time.time())

    def renew(self, now: float) -> list[Job]:
        """Renew what is due. Returns the jobs whose claims turned out to be lost."""
        at = self.next_at(now)
        if at is None or at > now:
            return []
        lost = self.confirm()
        if lost is None:
            self._hold = now + AGAIN
            return []
        return lost

    def confirm(self) -> list[Job] | None:
        """Renew what is due or overdue whatever the hour. None: the broker cannot be asked."""
        asked_at = time.time()
        due = self._ledger.due(asked_at)
        if not due:
            return []
        try:
            lost = self._extend([job.delivery.tag for job in due], self._lease)
        except RetryableError as error:
            log.warning("The leases of %d messages could not be renewed: %s", len(due), error)
            return None
        gone = self._ledger.renewed(due, frozenset(lost), asked_at + self._lease)
        if gone:
            log.warning("The leases of %d messages are lost: other workers have them now", len(gone))
        return gone

"""Keeping queues with ``expires`` alive while somebody receives from them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from .routing import is_lapsed
from .store import BoundQueue
from .topology import DEFAULT_EXCHANGE

if TYPE_CHECKING:
    from .store import Store

#: Seconds between looks at queues that do not expire: they may be declared anew at any time.
LOOK_EVERY = 1.0
#: Renew three times in the time that a queue has.
RENEWALS = 3


class QueueKeeper:
    """Renews the bindings of a receiver's queues, in the receiver's own thread.

    A queue that has lapsed already stays so: its messages may be gone, and its owner has to declare it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        #: When :meth:`keep` has something to do again, by the clock of its ``now``.
        self.next_look = 0.0

    def look_again(self) -> None:
        """The queues have changed."""
        self.next_look = 0.0

    def keep(self, queues: Collection[str], now: float) -> None:
        """Renew what belongs to ``queues`` if it is time."""
        if now < self.next_look:
            return
        ours = [
            bound
            for bound in self._store.bindings().bound
            if bound.binding.queue in queues and bound.lapses_at is not None and not is_lapsed(bound, now)
        ]
        expires = {
            bound.binding.queue: bound.binding.arguments["expires"]
            for bound in ours
            if bound.binding.exchange == DEFAULT_EXCHANGE
        }
        renewed = [
            BoundQueue(bound.binding, now + expires[bound.binding.queue])
            for bound in ours
            if bound.binding.queue in expires
        ]
        if renewed:
            self._store.bind((), renewed)
        self.next_look = now + min([LOOK_EVERY, *(seconds / RENEWALS for seconds in expires.values())])

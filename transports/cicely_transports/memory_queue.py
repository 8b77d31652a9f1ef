"""One queue of the memory store: heaps by visibility, so that what is not due costs nothing."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from .spi import QueueSize

RANKS = range(10)
FOREVER = float("inf")
#: Outdated heap items that are tolerated before a heap is rebuilt.
SLACK = 64


@dataclass(slots=True)
class Entry:
    """One stored message. ``rank`` 0 is served first; ``place`` tells the valid heap item from old ones."""

    queue: str
    serial: int
    rank: int
    visible_at: float
    expires_at: float | None
    head: str
    body: bytes
    attempt: int = 0
    token: int | None = None
    place: int = 0
    reason: str | None = None
    died_at: float = 0.0


#: Visible at, serial, place, entry.
Item = tuple[float, int, int, Entry]


class MemoryQueue:
    """The entries of one queue. Not thread-safe: the store has the lock.

    Every entry that lives is in exactly one heap under its current ``place``: the fresh or the
    suspect (claimed before) heap of its rank, or the heap of leases.
    """

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self.dead: dict[str, Entry] = {}
        self._fresh: list[list[Item]] = [[] for _ in RANKS]
        self._suspect: list[list[Item]] = [[] for _ in RANKS]
        self._leases: list[Item] = []
        self._outdated = 0

    def add(self, entry: Entry) -> None:
        """Keep an unclaimed entry until it is due."""
        self.entries[entry.serial] = entry
        lanes = self._suspect if entry.attempt else self._fresh
        self._push(lanes[entry.rank], entry)

    def take(self, limit: int, *, now: float, until: float, suspects: int) -> tuple[list[Entry], list[Entry]]:
        """Claim up to ``limit`` entries, at most ``suspects`` claimed before; also the ones that expired."""
        self._end_leases(now)
        taken: list[Entry] = []
        expired: list[Entry] = []
        for rank in RANKS:
            fresh, suspect = self._fresh[rank], self._suspect[rank]
            while len(taken) < limit:
                only_fresh = suspects <= 0 or not suspect
                heap = fresh if only_fresh or (fresh and fresh[0] < suspect[0]) else suspect
                if not heap or heap[0][0] > now:
                    break
                entry = heap[0][3]
                if heapq.heappop(heap)[2] != entry.place:
                    continue
                if entry.expires_at is not None and entry.expires_at <= now:
                    self.remove(entry)
                    expired.append(entry)
                    continue
                suspects -= heap is suspect
                entry.attempt += 1
                taken.append(entry)
        for entry in taken:
            entry.visible_at = until
            entry.place += 1
            heapq.heappush(self._leases, (until, entry.serial, entry.place, entry))
        return taken, expired

    def renew(self, entry: Entry, until: float) -> None:
        """Move the end of a claim."""
        entry.visible_at = until
        self._push(self._leases, entry)
        self._outdate()

    def give_back(self, entry: Entry, visible_at: float) -> None:
        """End a claim: the entry waits again."""
        entry.visible_at = visible_at
        self.add(entry)
        self._outdate()

    def remove(self, entry: Entry) -> None:
        """Forget an entry."""
        del self.entries[entry.serial]
        entry.place = -1
        self._outdated += 1
        if self._outdated > SLACK + 2 * len(self.entries):
            self._rebuild()

    def sweep(self, now: float) -> list[Entry]:
        """Drop what expired and is not claimed."""
        return self._drop(
            [e for e in self.entries.values() if e.expires_at is not None and e.expires_at <= now], now
        )

    def purge(self, now: float) -> list[Entry]:
        """Drop everything that is not claimed."""
        return self._drop(list(self.entries.values()), now)

    def size(self, now: float) -> QueueSize:
        """Entries by what keeps them."""
        due = sum(entry.visible_at <= now for entry in self.entries.values())
        leased = sum(entry.token is not None and entry.visible_at > now for entry in self.entries.values())
        return QueueSize(due, leased, len(self.entries) - due - leased, len(self.dead))

    def next_due(self, after: float) -> float:
        """The earliest time later than ``after`` at which an entry becomes available."""
        heaps = [*self._fresh, *self._suspect, self._leases]
        return min([heap[0][0] for heap in heaps if heap and heap[0][0] > after], default=FOREVER)

    def _drop(self, entries: Iterable[Entry], now: float) -> list[Entry]:
        dropped = [entry for entry in entries if entry.token is None or entry.visible_at <= now]
        for entry in dropped:
            self.remove(entry)
        return dropped

    def _end_leases(self, now: float) -> None:
        """Entries whose lease ran out wait again, still under their old token until someone claims them."""
        while self._leases and self._leases[0][0] <= now:
            _, _, place, entry = heapq.heappop(self._leases)
            if place == entry.place:
                self._push(self._suspect[entry.rank], entry)

    def _push(self, heap: list[Item], entry: Entry) -> None:
        entry.place += 1
        heapq.heappush(heap, (entry.visible_at, entry.serial, entry.place, entry))

    def _outdate(self) -> None:
        self._outdated += 1
        if self._outdated > SLACK + 2 * len(self.entries):
            self._rebuild()

    def _rebuild(self) -> None:
        """Leave out outdated items; each rebuild is paid for by the removals before it."""
        for heap in (*self._fresh, *self._suspect, self._leases):
            heap[:] = [item for item in heap if item[2] == item[3].place]
            heapq.heapify(heap)
        self._outdated = 0

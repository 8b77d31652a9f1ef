"""When to replace what died. Pure: times are passed in (monotonic seconds)."""

from __future__ import annotations

from collections import deque

#: An executor that dies younger than this, without having begun a job, failed to start.
YOUNG = 1.0
#: The first wait of a back-off and the longest ones, in seconds.
FIRST, LONGEST_EXECUTOR, LONGEST_CONSUMER = 0.1, 30.0, 5.0
#: So many deaths of the consumer within so many seconds, and it is given up.
DEATHS, SPAN = 10, 60.0


class ExecutorBackOff:
    """Waits before executors are replaced: none, unless they die before they have begun anything."""

    def __init__(self) -> None:
        self.failures = 0

    def died(self, lived: float, *, worked: bool) -> float:
        """Seconds to wait after this death."""
        if worked or lived >= YOUNG:
            self.failures = 0
            return 0.0
        self.failures += 1
        return min(FIRST * 2.0 ** min(self.failures - 1, 20), LONGEST_EXECUTOR)


class ConsumerBackOff:
    """Waits before the consumer is replaced, and when to give up."""

    def __init__(self) -> None:
        self._deaths: deque[float] = deque(maxlen=DEATHS)

    def died(self, now: float) -> float | None:
        """Seconds to wait after this death; None when it dies too often."""
        self._deaths.append(now)
        recent = sum(1 for death in self._deaths if now - death < SPAN)
        if recent >= DEATHS:
            return None
        return min(FIRST * 2.0 ** (recent - 1), LONGEST_CONSUMER)

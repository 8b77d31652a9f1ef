"""How often and how fast to try again after a failure that may pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

from .errors import MisuseError, RetryableError
from .near import reject_unknown

T = TypeVar("T")

#: Called before each new attempt with the error and the seconds until then.
Errback = Callable[[Exception, float], object]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The names are those of Celery's ``task_publish_retry_policy`` (wire-compat section 10.2).

    Waits are ``interval_start``, then each ``interval_step`` seconds longer, up to ``interval_max``.
    ``max_retries`` None: as often as it takes. ``timeout``: seconds after which no new attempt begins,
    None for no bound.
    """

    max_retries: int | None = 3
    interval_start: float = 0.0
    interval_step: float = 0.2
    interval_max: float = 1.0
    timeout: float | None = None
    errback: Errback | None = None

    def __post_init__(self) -> None:
        for name in ("max_retries", "interval_start", "interval_step", "interval_max", "timeout"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise MisuseError(f"the retry policy's {name} is negative")

    @classmethod
    def of(cls, options: Mapping[str, Any] | None) -> Self:
        """From a mapping of the field names. Raises UnknownOption with the near name."""
        options = options or {}
        reject_unknown("a retry policy", options, [field.name for field in fields(cls)])
        return cls(**options)

    def run(
        self,
        call: Callable[[], T],
        *,
        errors: tuple[type[Exception], ...] = (RetryableError,),
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> T:
        """The result of ``call``; its last error if the policy is used up."""
        started, tried = clock(), 0
        while True:
            try:
                return call()
            except errors as exc:
                wait = min(self.interval_start + tried * self.interval_step, self.interval_max)
                late = self.timeout is not None and clock() - started + wait > self.timeout
                if late or (self.max_retries is not None and tried >= self.max_retries):
                    raise
                if self.errback is not None:
                    self.errback(exc, wait)
            tried += 1
            sleep(wait)

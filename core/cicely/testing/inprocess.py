"""Running messages in the calling thread, one by one: for tests that own every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from cicely.execution import Execution
from cicely_transports.spi import Settlement

if TYPE_CHECKING:
    from cicely.outcome import Outcome
    from cicely.ports import App
    from cicely_transports.spi import Delivery, Transport


class Drain:
    """Takes messages from the app's broker and carries their outcomes out, in a worker's order.

    ``transport`` is the app's, ``queues`` default to the app's own. Times are in seconds. A context
    manager; one thread uses it.
    """

    def __init__(
        self, app: App, transport: Transport, *, queues: Sequence[str] = (), hostname: str = "drain"
    ) -> None:
        self._app = app
        self._execution = Execution(app, hostname=hostname)
        self._receiver = transport.receiver(app.queues.select(queues), credit=1, lease=60.0)

    def run_one(self, wait: float = 0.0) -> Outcome | None:
        """Run the next message; None when there is none within ``wait``."""
        found = self._receiver.receive(1, wait)
        return self.carry_out(found[0]) if found else None

    def run_all(self, limit: int = 100) -> list[Outcome]:
        """Run messages until none is ready, but no more than ``limit``."""
        outcomes: list[Outcome] = []
        while len(outcomes) < limit and (outcome := self.run_one()) is not None:
            outcomes.append(outcome)
        return outcomes

    def carry_out(self, delivery: Delivery) -> Outcome:
        """Run a message, publish what follows, store what is known, settle: in this order, so that a
        failure in between loses nothing.
        """
        outcome = self._execution.run(delivery)
        if outcome.sends:
            self._app.publisher.publish(outcome.sends)
        if outcome.records:
            self._app.backend.put_many(outcome.records)
        self._receiver.settle(
            [
                Settlement(
                    delivery.tag,
                    outcome.verdict,
                    not_before=outcome.not_before,
                    counted=outcome.counted,
                    reason=outcome.reason,
                )
            ]
        )
        return outcome

    def close(self) -> None:
        """Stop receiving."""
        self._receiver.close()
        self._execution.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

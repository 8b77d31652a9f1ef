from __future__ import annotations

import time
from collections.abc import Sequence

from jobs import delivery

from cicely_transports.errors import OperationalError
from cicely_transports.spi import Tag
from cicely_worker.ledger import Ledger
from cicely_worker.renewal import AGAIN, Renewal
from cicely_worker.timers import Timers

LEASE = 30.0


class Broker:
    def __init__(self) -> None:
        self.asked: list[tuple[list[Tag], float]] = []
        self.lost: list[Tag] = []
        self.away = False

    def extend(self, tags: Sequence[Tag], lease: float) -> list[Tag]:
        self.asked.append((list(tags), lease))
        if self.away:
            raise OperationalError("connection reset")
        return self.lost


def test_asks_once_for_all_that_is_due() -> None:
    broker, ledger = Broker(), Ledger(LEASE)
    renewal = Renewal(ledger, broker.extend, LEASE)
    now = time.time()
    ledger.take(
        [delivery("a", until=now + 1), delivery("b", until=now + 2), delivery("c", until=now + LEASE)]
    )
    assert renewal.renew(5.0) == []
    assert broker.asked == [(["a", "b"], LEASE)]
    assert renewal.renew(5.0) == []
    assert len(broker.asked) == 1
    next_at = renewal.next_at(5.0)
    assert next_at is not None
    assert 5.0 < next_at <= 5.0 + LEASE / 3


def test_nothing_held_is_nothing_to_do() -> None:
    broker = Broker()
    renewal = Renewal(Ledger(LEASE), broker.extend, LEASE)
    assert renewal.next_at(5.0) is None
    assert renewal.renew(5.0) == renewal.confirm() == []
    assert broker.asked == []


def test_lost_claims_are_told_and_leave_the_ledger() -> None:
    broker, ledger = Broker(), Ledger(LEASE)
    broker.lost = ["b"]
    jobs = ledger.take([delivery("a", until=0.0), delivery("b", until=0.0)])
    assert Renewal(ledger, broker.extend, LEASE).renew(5.0) == [jobs[1]]
    assert list(ledger.numbers) == [1]


def test_a_broker_that_is_away_is_asked_again_later() -> None:
    broker, ledger = Broker(), Ledger(LEASE)
    renewal = Renewal(ledger, broker.extend, LEASE)
    ledger.take([delivery("a", until=time.time() + 1)])
    broker.away = True
    assert renewal.renew(5.0) == []
    assert renewal.confirm() is None
    assert renewal.next_at(5.0) == 5.0 + AGAIN
    asked = len(broker.asked)
    assert renewal.renew(5.0 + AGAIN / 2) == []
    assert len(broker.asked) == asked
    broker.away = False
    renewal.renew(5.0 + AGAIN)
    assert len(broker.asked) == asked + 1
    assert list(ledger.numbers) == [1]


def test_timers_run_once_in_order_and_what_they_add_waits() -> None:
    timers, ran = Timers(), list[str]()
    assert timers.next_at() is None

    def first(now: float) -> None:
        ran.append(f"first {now}")
        timers.at(0.0, lambda _: ran.append("added"))

    timers.at(2.0, lambda now: ran.append(f"second {now}"))
    timers.at(1.0, first)
    timers.at(9.0, lambda _: ran.append("later"))
    timers.run(3.0)
    assert ran == ["first 3.0", "second 3.0"]
    assert timers.next_at() == 0.0
    timers.run(3.0)
    timers.run(3.0)
    assert ran == ["first 3.0", "second 3.0", "added"]

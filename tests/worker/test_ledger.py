from __future__ import annotations

import pytest
from jobs import delivery, finished

from cicely_transports.spi import Verdict
from cicely_worker.ledger import Ledger, crash_verdict
from cicely_worker.pools.spi import ExecutorLost

LEASE = 30.0


def test_numbers_increase_over_batches() -> None:
    ledger = Ledger(LEASE)
    assert [job.number for job in ledger.take([delivery(1), delivery(2)])] == [1, 2]
    assert [job.number for job in ledger.take([delivery(3)])] == [3]
    assert len(ledger) == 3


def test_renewal_after_a_third_of_the_lease() -> None:
    ledger = Ledger(LEASE)
    assert ledger.renewal_at() is None
    jobs = ledger.take([delivery(1, until=130.0), delivery(2, until=130.0)])
    assert ledger.renewal_at() == 110.0
    assert ledger.due(109.9) == []
    assert ledger.due(110.0) == jobs


def test_what_is_due_stays_due_until_the_broker_has_answered() -> None:
    ledger = Ledger(LEASE)
    ledger.take([delivery(1, until=130.0)])
    assert len(ledger.due(111.0)) == 1
    assert len(ledger.due(112.0)) == 1
    assert not ledger.overdue(129.9)
    assert ledger.overdue(130.0)
    assert ledger.renewed(ledger.due(131.0), set(), 161.0) == []
    assert not ledger.overdue(131.0)
    assert ledger.renewal_at() == 141.0


def test_settled_jobs_are_not_renewed() -> None:
    ledger = Ledger(LEASE)
    one, two = ledger.take([delivery(1, until=130.0), delivery(2, until=130.0)])
    ledger.release([one.number])
    assert ledger.due(115.0) == [two]
    ledger.release([two.number])
    assert ledger.renewed(ledger.due(116.0), set(), 146.0) == []
    assert ledger.renewal_at() is None


def test_batches_with_other_ends_keep_their_own_time() -> None:
    ledger = Ledger(LEASE)
    (one,) = ledger.take([delivery(1, until=130.0)])
    (two,) = ledger.take([delivery(2, until=140.0)])
    assert ledger.due(111.0) == [one]
    ledger.renewed([one], set(), 141.0)
    assert ledger.due(120.5) == [two]
    assert ledger.due(121.0) == [two, one]


def test_claims_of_a_connection_have_no_lease() -> None:
    ledger = Ledger(LEASE)
    ledger.take([delivery(1, until=None)])
    assert ledger.renewal_at() is None


def test_an_acknowledged_job_has_no_lease_left() -> None:
    ledger = Ledger(LEASE)
    one, two = ledger.take([delivery(1, until=130.0), delivery(2, until=130.0)])
    ledger.acknowledged([one])
    assert ledger.due(120.0) == [two]


def test_outcome_of_a_lost_claim_is_late() -> None:
    ledger = Ledger(LEASE)
    one, two = ledger.take([delivery("a", until=130.0), delivery("b", until=130.0)])
    ledger.dispatched(0, [one, two])
    assert ledger.renewed(ledger.due(131.0), {"a"}, 161.0) == [one]
    first, second = finished(1), finished(2)
    ours, late = ledger.ended([first, second])
    assert ours == [(two, second.outcome)]
    assert late == [first]


def test_an_outcome_counts_once() -> None:
    ledger = Ledger(LEASE)
    jobs = ledger.take([delivery(1)])
    ledger.dispatched(0, jobs)
    assert len(ledger.ended([finished(1)])[0]) == 1
    assert ledger.ended([finished(1)]) == ([], [finished(1)])


def test_a_death_is_attributed_to_what_had_begun() -> None:
    ledger = Ledger(LEASE)
    jobs = ledger.take([delivery(n) for n in range(4)])
    ledger.dispatched(0, jobs[:3])
    ledger.dispatched(1, jobs[3:])
    crash = ledger.crashed(ExecutorLost(0, 99, 1, (3,), "signal 9"))
    # number 2 was neither running nor unread: it ran, and its outcome is lost with the process
    assert crash.begun == (jobs[0], jobs[1])
    assert crash.unread == (jobs[2],)
    assert ledger.running() == [jobs[3]]


def test_what_came_back_is_in_no_executor() -> None:
    ledger = Ledger(LEASE)
    jobs = ledger.take([delivery(1), delivery(2)])
    ledger.dispatched(0, jobs)
    assert ledger.taken_back([2]) == [jobs[1]]
    assert ledger.running() == [jobs[0]]
    assert 2 in ledger


class TestAdoption:
    def test_of_a_running_job_whose_claim_was_lost(self) -> None:
        ledger = Ledger(LEASE)
        jobs = ledger.take([delivery("old", until=130.0, id="x")])
        ledger.dispatched(0, jobs)
        ledger.renewed(ledger.due(131.0), {"old"}, 161.0)
        assert ledger.adopt(delivery("new", attempt=2, until=165.0, id="x"))
        assert [d.tag for d in ledger.deliveries([1])] == ["new"]
        assert len(ledger.ended([finished(1)])[0]) == 1
        assert ledger.renewal_at() == 145.0

    def test_not_of_another_message_with_the_same_id(self) -> None:
        ledger = Ledger(LEASE)
        ledger.dispatched(0, ledger.take([delivery("old", id="x", retries=0)]))
        assert not ledger.adopt(delivery("new", attempt=2, id="x", retries=1))

    def test_not_of_one_that_has_ended_late(self) -> None:
        ledger = Ledger(LEASE)
        jobs = ledger.take([delivery("old", until=130.0, id="x")])
        ledger.dispatched(0, jobs)
        ledger.renewed(ledger.due(131.0), {"old"}, 161.0)
        assert len(ledger.ended([finished(1)])[1]) == 1
        assert not ledger.adopt(delivery("new", attempt=2, id="x"))

    def test_not_of_one_that_went_down_with_its_executor(self) -> None:
        ledger = Ledger(LEASE)
        jobs = ledger.take([delivery("old", until=130.0, id="x")])
        ledger.dispatched(0, jobs)
        ledger.renewed(ledger.due(131.0), {"old"}, 161.0)
        assert ledger.crashed(ExecutorLost(0, 99, 1, (), "signal 9")).begun == ()
        assert not ledger.adopt(delivery("new", attempt=2, id="x"))


@pytest.mark.parametrize(
    ("attempt", "requeue", "verdict"),
    [(1, True, Verdict.RETURN), (4, True, Verdict.RETURN), (5, True, Verdict.DEAD), (1, False, Verdict.DONE)],
)
def test_verdict_after_a_crash(attempt: int, requeue: bool, verdict: Verdict) -> None:
    assert crash_verdict(attempt, 5, requeue=requeue) is verdict

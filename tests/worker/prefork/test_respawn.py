from __future__ import annotations

from cicely_worker.prefork.respawn import DEATHS, SPAN, ConsumerBackOff, ExecutorBackOff


def test_an_executor_that_worked_is_replaced_at_once() -> None:
    assert ExecutorBackOff().died(0.01, worked=True) == 0.0
    assert ExecutorBackOff().died(60.0, worked=False) == 0.0


def test_executors_that_fail_to_start_are_replaced_ever_more_slowly() -> None:
    back_off = ExecutorBackOff()
    assert [back_off.died(0.1, worked=False) for _ in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert max(back_off.died(0.1, worked=False) for _ in range(100)) == 30.0
    assert back_off.died(0.1, worked=True) == 0.0
    assert back_off.died(0.1, worked=False) == 0.1


def test_a_consumer_that_keeps_dying_is_given_up() -> None:
    back_off = ConsumerBackOff()
    delays = [back_off.died(float(second)) for second in range(DEATHS)]
    assert delays[:3] == [0.1, 0.2, 0.4]
    assert delays[-2] == 5.0
    assert delays[-1] is None


def test_old_deaths_of_the_consumer_do_not_count() -> None:
    back_off = ConsumerBackOff()
    assert all(back_off.died(number * SPAN) == 0.1 for number in range(3 * DEATHS))

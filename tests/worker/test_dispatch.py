from __future__ import annotations

from jobs import finished, job

from cicely_worker.dispatch import BATCH, SPAN, STALE, STUCK, Dispatch
from cicely_worker.pools.spi import Job


def dispatch(*, slots: int = 1, learned: dict[str, float] | None = None) -> Dispatch:
    made = Dispatch()
    for slot in range(slots):
        made.opened(slot)
    for name, runtime in (learned or {}).items():
        made.averages.learn([finished(0, runtime=runtime, task=name) for _ in range(100)])
    return made


def end(made: Dispatch, slot: int, numbers: list[int], now: float = 0.0, runtime: float = 0.0001) -> None:
    made.finished([finished(number, slot, runtime) for number in numbers], now)


def numbers(plan: list[tuple[int, list[Job]]]) -> dict[int, list[int]]:
    return {slot: [one.number for one in jobs] for slot, jobs in plan}


def test_unknown_tasks_travel_singly_and_nothing_follows() -> None:
    made = dispatch(slots=2)
    made.add([job(n) for n in range(1, 6)])
    assert numbers(made.plan(0.0)) == {0: [1], 1: [2]}
    assert made.plan(0.0) == []
    end(made, 1, [2])
    assert numbers(made.plan(0.0)) == {1: [3]}


def test_slow_tasks_travel_singly() -> None:
    made = dispatch(learned={"add": 0.5})
    made.add([job(1), job(2)])
    assert numbers(made.plan(0.0)) == {0: [1]}
    assert made.plan(0.0) == []


def test_quick_tasks_travel_in_full_batches() -> None:
    made = dispatch(learned={"add": 0.00001})
    made.add([job(n) for n in range(200)])
    ((_, jobs),) = made.plan(0.0)
    assert [one.number for one in jobs] == list(range(BATCH))


def test_batch_is_worth_the_span() -> None:
    made = dispatch(learned={"add": 0.001})
    made.add([job(n) for n in range(200)])
    ((_, jobs),) = made.plan(0.0)
    assert len(jobs) == 10
    assert made.plan(0.0) == []  # it holds the span's worth of work
    end(made, 0, [one.number for one in jobs][:5], runtime=0.001)
    assert len(made.plan(0.0)[0][1]) == 5


def test_few_jobs_are_shared_among_executors() -> None:
    made = dispatch(slots=4, learned={"add": 0.0005})
    made.add([job(n) for n in range(10)])
    assert sorted(len(jobs) for _, jobs in made.plan(0.0)) == [2, 2, 3, 3]


def test_slow_job_ends_a_batch_and_closes_its_executor() -> None:
    made = dispatch(learned={"add": 0.0001, "slow": 1.0})
    made.add([job(1), job(2), job(3, task="slow"), job(4)])
    assert numbers(made.plan(0.0)) == {0: [1, 2]}
    assert numbers(made.plan(0.0)) == {0: [3]}
    assert made.plan(0.0) == []


def test_one_quick_run_does_not_make_a_task_quick() -> None:
    made = dispatch()
    made.add([job(1)])
    made.plan(0.0)
    end(made, 0, [1], runtime=0.00001)
    made.add([job(n) for n in range(2, 70)])
    assert numbers(made.plan(0.0)) == {0: [2]}


class TestSuspects:
    def test_travel_alone_to_an_idle_executor(self) -> None:
        made = dispatch(slots=2, learned={"add": 0.0001})
        made.add([job(1), job(2, attempt=2), job(3)])
        assert numbers(made.plan(0.0)) == {0: [2], 1: [1, 3]}
        made.add([job(4)])
        assert numbers(made.plan(0.0)) == {1: [4]}

    def test_get_an_executor_that_drains(self) -> None:
        made = dispatch(learned={"add": 0.0001})
        made.add([job(1)])
        made.plan(0.0)
        made.add([job(2, attempt=3), job(3)])
        assert made.plan(0.0) == []
        end(made, 0, [1])
        assert numbers(made.plan(0.0)) == {0: [2]}
        assert made.plan(0.0) == []
        end(made, 0, [2])
        assert numbers(made.plan(0.0)) == {0: [3]}

    def test_hold_no_more_executors_than_they_need(self) -> None:
        made = dispatch(slots=3, learned={"add": 0.0001})
        made.add([job(n) for n in range(1, 4)])
        made.plan(0.0)
        made.add([job(8, attempt=2), job(9), job(10)])
        assert sorted(numbers(made.plan(0.0))) == [1, 2]

    def test_are_asked_for_as_executors_are_idle(self) -> None:
        made = dispatch(slots=3, learned={"add": 0.0001})
        assert made.wanted(0.0)[1] == 3
        made.add([job(1, attempt=2)])
        assert made.wanted(0.0)[1] == 2

    def test_one_is_asked_for_even_under_full_load(self) -> None:
        made = dispatch(learned={"add": 0.0001})
        made.add([job(1)])
        made.plan(0.0)
        assert made.wanted(0.0)[1] == 1


class TestCredit:
    def test_is_the_idle_executors_while_nothing_is_known(self) -> None:
        made = dispatch(slots=3)
        assert made.wanted(0.0)[0] == 3
        made.add([job(1)])
        assert made.wanted(0.0)[0] == 2
        made.plan(0.0)
        assert made.wanted(0.0)[0] == 2

    def test_of_slow_tasks_is_never_more_than_can_start(self) -> None:
        made = dispatch(slots=2, learned={"add": 60.0})
        made.add([job(1), job(2)])
        made.plan(0.0)
        assert made.wanted(0.0) == (0, 0)

    def test_of_quick_tasks_is_two_windows_each(self) -> None:
        made = dispatch(slots=2, learned={"add": 0.00001})
        assert made.window == BATCH
        assert made.wanted(0.0)[0] == 4 * BATCH

    def test_without_prefetch_is_the_idle_executors(self) -> None:
        made = Dispatch(prefetch=False)
        made.opened(0)
        made.averages.learn([finished(0, runtime=0.00001) for _ in range(100)])
        assert made.wanted(0.0)[0] == 1
        made.add([job(1)])
        made.plan(0.0)
        assert made.wanted(0.0)[0] == 0

    def test_comes_in_windows(self) -> None:
        made = dispatch(learned={"add": 0.00001})
        made.add([job(n) for n in range(BATCH + 1)])
        assert made.wanted(0.0)[0] == 0

    def test_excludes_an_executor_in_a_long_task(self) -> None:
        made = dispatch(slots=2, learned={"add": 0.00001})
        made.add([job(1), job(2)])
        made.plan(0.0)
        end(made, 1, [2], now=1.0)
        assert made.wanted(1.0)[0] == 2 * BATCH


class TestTakingBack:
    def test_from_an_executor_stuck_while_another_could_run(self) -> None:
        made = dispatch(slots=2, learned={"add": 0.0001})
        made.add([job(n) for n in range(1, 7)])
        made.plan(0.0)
        end(made, 1, [4, 5, 6], now=STUCK)
        assert made.stuck(STUCK) == []
        assert made.stuck(STUCK * 1.1) == [0]

    def test_not_when_nothing_waits_behind(self) -> None:
        made = dispatch(slots=2)
        made.add([job(1)])
        made.plan(0.0)
        assert made.stuck(100.0) == []
        assert not made.held_back

    def test_later_when_nobody_else_could_run_it(self) -> None:
        made = dispatch(learned={"add": 0.0001})
        made.add([job(1), job(2)])
        made.plan(0.0)
        assert made.stuck(STALE * 0.9) == []
        assert made.stuck(STALE * 1.1) == [0]

    def test_jobs_come_first_again(self) -> None:
        made = dispatch(slots=2, learned={"add": 0.0001})
        made.add([job(1), job(2), job(3), job(4)])
        made.plan(0.0)
        end(made, 1, [3, 4], now=1.0)
        made.add([job(5)])
        made.unsent(0, [2])
        made.close(0)
        made.put_back([job(2)])
        assert numbers(made.plan(1.0)) == {1: [2, 5]}

    def test_waiting_jobs_are_for_others_when_all_are_in_long_tasks(self) -> None:
        made = dispatch(slots=2)
        made.add([job(1), job(2), job(3)])
        made.plan(0.0)
        assert made.stale(STALE * 0.9) == []
        assert [one.number for one in made.stale(STALE * 1.1)] == [3]
        assert made.waiting == 0


def test_a_lost_executor_gets_nothing() -> None:
    made = dispatch(slots=2)
    made.lost(0)
    made.add([job(1), job(2)])
    assert numbers(made.plan(0.0)) == {1: [1]}


def test_forgotten_jobs_do_not_run() -> None:
    made = dispatch(slots=1)
    made.add([job(1), job(2, attempt=2)])
    made.forget([1, 2])
    assert made.plan(0.0) == []


def test_average_follows_slowly() -> None:
    made = dispatch(learned={"add": 0.0001})
    made.averages.learn([finished(0, runtime=1.0)])
    assert made.averages.by_name["add"] > SPAN
    made.averages.learn([finished(0, runtime=0.0001) for _ in range(3)])
    assert made.averages.by_name["add"] > SPAN

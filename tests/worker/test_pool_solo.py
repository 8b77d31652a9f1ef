from __future__ import annotations

import threading

from jobs import job, outcome
from processes import until

from cicely.outcome import Outcome
from cicely_transports.spi import Delivery
from cicely_worker.pools.solo import SoloPool
from cicely_worker.pools.spi import Finished, Report, SlotReady


def test_runs_in_the_thread_that_works_until_stopped() -> None:
    where: list[threading.Thread] = []
    reports: list[Report] = []

    def run(delivery: Delivery) -> Outcome:
        where.append(threading.current_thread())
        return outcome(str(delivery.tag))

    pool = SoloPool(lambda: run, 4)

    def collect(count: int) -> None:
        def arrived() -> bool:
            reports.extend(pool.poll())
            return len(reports) >= count

        until(arrived, f"{count} reports")

    def consume() -> None:
        pool.start()
        collect(1)
        assert isinstance(reports[0], SlotReady)
        pool.dispatch(0, [job(1), job(2)])
        collect(3)
        pool.stop(kill=False)

    consumer = threading.Thread(target=consume)
    consumer.start()
    pool.work()
    consumer.join(10)
    assert [one.number for one in reports if isinstance(one, Finished)] == [1, 2]
    assert set(where) == {threading.current_thread()}
    assert pool.join(0)


def test_has_one_slot_whatever_is_asked() -> None:
    pool = SoloPool(lambda: lambda _: outcome(), 8)
    threading.Timer(0, pool.stop, kwargs={"kill": False}).start()
    pool.work()
    assert [one.slot for one in pool.poll()] == [0]
    assert pool.join(0)

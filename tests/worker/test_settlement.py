from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from jobs import delivery, outcome

from cicely import states
from cicely.backends.spi import StoredRecord
from cicely.exceptions import BackendStoreError
from cicely.outcome import Outcome
from cicely_transports.errors import NotSupported, OperationalError, PartialPublish
from cicely_transports.message import Message
from cicely_transports.spi import Delivery, Send, Settlement, Tag, Verdict
from cicely_worker.ledger import Ledger
from cicely_worker.settlement import FLUSH_AFTER, FLUSH_AT, STORE_TRIES, Ports
from cicely_worker.settlement import Settlement as Settling

WALL = 100.0


class World:
    """The outside of a settlement: remembers what was done, in order, and fails as it is told."""

    def __init__(self) -> None:
        self.done: list[tuple[str, Any]] = []
        self.publish_error: Exception | None = None
        self.unpublishable: set[str] = set()
        self.store_error: Exception | None = None
        self.unstorable: set[str] = set()
        self.settle_error: Exception | None = None
        self.refused: list[Tag] = []
        self.reachable = True
        self.now = WALL
        self.lost: set[Tag] = set()
        self.ledger = Ledger(30.0)
        self.settling = Settling(
            self.ledger, Ports(self.publish, self.store, self.settle, self.confirm, self.failed, self.clock)
        )

    def clock(self) -> float:
        return self.now

    def publish(self, sends: Sequence[Send]) -> None:
        keys = [send.routing_key for send in sends]
        if self.unpublishable.intersection(keys):
            raise NotSupported("the body is over the limit")
        if self.publish_error:
            raise self.publish_error
        self.done.append(("publish", keys))

    def store(self, records: Sequence[StoredRecord]) -> None:
        ids = [record.task_id for record in records]
        if self.store_error or self.unstorable.intersection(ids):
            raise self.store_error or BackendStoreError("too large")
        self.done.append(("store", ids))

    def settle(self, items: Sequence[Settlement]) -> list[Tag]:
        if self.settle_error:
            raise self.settle_error
        self.done.append(("settle", [(item.tag, item.verdict) for item in items]))
        self.items = items
        return self.refused

    def confirm(self) -> bool:
        if not self.reachable:
            return False
        self.ledger.renewed(self.ledger.due(self.now), self.lost, self.now + 30.0)
        return True

    def failed(self, _: Delivery, error: Exception) -> Outcome:
        return outcome("failed", state=states.FAILURE, verdict=Verdict.DEAD, reason=str(error))

    def end(self, *outcomes: Outcome, now: float = 0.0, until: float = WALL + 30.0) -> None:
        jobs = self.ledger.take([delivery(one.task_id, until=until) for one in outcomes])
        self.settling.add(list(zip(jobs, outcomes, strict=True)), now)


def send(key: str) -> Send:
    return Send(Message(b""), key)


@pytest.fixture
def world() -> World:
    return World()


def test_order_is_publish_store_settle_each_once(world: World) -> None:
    world.end(outcome("a", sends=[send("next")]), outcome("b"), outcome("c", stored=False))
    world.settling.flush(0.0)
    assert world.done == [
        ("publish", ["next"]),
        ("store", ["a", "b"]),
        ("settle", [("a", Verdict.DONE), ("b", Verdict.DONE), ("c", Verdict.DONE)]),
    ]
    assert len(world.ledger) == len(world.settling) == 0


def test_records_of_tasks_that_end_with_this_one_are_stored(world: World) -> None:
    rest = (StoredRecord("rest-1", states.FAILURE, b"1"), StoredRecord("rest-2", states.FAILURE, b"2"))
    world.end(outcome("a", stored=False, records=rest))
    world.settling.flush(0.0)
    assert world.done[0] == ("store", ["rest-1", "rest-2"])


def test_is_due_at_a_number_a_time_or_when_idle(world: World) -> None:
    settling = world.settling
    assert settling.due_at(idle=True) is None
    world.end(outcome("a"), now=5.0)
    assert settling.due_at(idle=False) == 5.0 + FLUSH_AFTER
    assert settling.due_at(idle=True) == 5.0
    world.end(*[outcome(str(n)) for n in range(FLUSH_AT - 1)], now=5.001)
    assert settling.due_at(idle=False) == 5.0


def test_settlement_carries_the_whole_verdict(world: World) -> None:
    world.end(outcome("a", verdict=Verdict.RETURN, not_before=7.0, counted=False, reason="why", stored=False))
    world.settling.flush(0.0)
    assert world.items == [Settlement("a", Verdict.RETURN, 7.0, False, "why")]


class TestPublishing:
    def test_a_broken_broker_holds_back_those_with_follow_ups(self, world: World, caplog: Any) -> None:
        world.publish_error = OperationalError("gone")
        world.end(outcome("a", sends=[send("next")]), outcome("b"))
        world.settling.flush(0.0)
        assert world.done == [("store", ["b"]), ("settle", [("b", Verdict.DONE)])]
        assert "gone" in caplog.text
        again = world.settling.due_at(idle=True)
        assert again is not None
        assert again > 0.0
        world.settling.flush(again / 2)
        assert len(world.settling) == 1
        world.publish_error = None
        world.settling.flush(again)
        assert world.done[2:] == [
            ("publish", ["next"]),
            ("store", ["a"]),
            ("settle", [("a", Verdict.DONE)]),
        ]

    def test_those_without_follow_ups_pass_while_others_wait(self, world: World) -> None:
        world.publish_error = OperationalError("gone")
        world.end(outcome("a", sends=[send("next")]))
        world.settling.flush(0.0)
        world.end(outcome("b"), outcome("c", sends=[send("later")]), now=0.01)
        world.settling.flush(0.02)
        assert world.done == [("store", ["b"]), ("settle", [("b", Verdict.DONE)])]
        world.publish_error = None
        world.settling.flush(10.0)
        assert world.done[2] == ("publish", ["next", "later"])

    @pytest.mark.parametrize("wrapped", [False, True])
    def test_what_was_confirmed_is_not_sent_again(self, world: World, wrapped: bool) -> None:
        first, second, third = send("1"), send("2"), send("3")
        partial = PartialPublish([second], "full")
        world.publish_error = partial
        if wrapped:
            world.publish_error = OperationalError("full")
            world.publish_error.__cause__ = partial
        world.end(outcome("a", sends=[first]), outcome("b", sends=[second, third]))
        world.settling.flush(0.0)
        assert world.done[-1] == ("settle", [("a", Verdict.DONE)])
        world.publish_error = None
        world.settling.flush(world.settling.due_at(idle=True) or 0.0)
        assert world.done[2:] == [("publish", ["2"]), ("store", ["b"]), ("settle", [("b", Verdict.DONE)])]

    def test_a_claim_lost_while_its_follow_ups_wait_is_dropped(self, world: World, caplog: Any) -> None:
        world.publish_error = OperationalError("gone")
        world.end(outcome("a", sends=[send("next")]))
        world.settling.flush(0.0)
        world.publish_error, world.lost, world.now = None, {"a"}, WALL + 31.0
        world.settling.flush(10.0)
        assert world.done == []
        assert "late ack refused" in caplog.text

    def test_what_can_never_be_published_fails_its_task_alone(self, world: World, caplog: Any) -> None:
        world.unpublishable = {"huge"}
        world.end(outcome("a", sends=[send("huge")]), outcome("b", sends=[send("fine")]))
        world.settling.flush(0.0)
        assert world.done == [
            ("publish", ["fine"]),
            ("store", ["failed", "b"]),
            ("settle", [("a", Verdict.DEAD), ("b", Verdict.DONE)]),
        ]
        assert "over the limit" in caplog.text


class TestStoring:
    def test_a_broken_backend_is_tried_again_and_nothing_is_settled(self, world: World) -> None:
        world.store_error = BackendStoreError("away")
        world.end(outcome("a"))
        world.settling.flush(0.0)
        assert world.done == []
        assert len(world.ledger) == 1
        again = world.settling.due_at(idle=True)
        assert again is not None
        assert again > 0.0
        world.settling.flush(again / 2)
        assert world.done == []
        world.store_error = None
        world.settling.flush(again)
        assert world.done == [("store", ["a"]), ("settle", [("a", Verdict.DONE)])]

    def test_what_needs_no_result_does_not_wait_for_the_backend(self, world: World) -> None:
        world.store_error = BackendStoreError("away")
        world.end(outcome("a"), outcome("b", stored=False))
        world.settling.flush(0.0)
        assert world.done == [("settle", [("b", Verdict.DONE)])]

    def test_a_backend_that_stays_away_is_waited_for(self, world: World, caplog: Any) -> None:
        world.store_error = BackendStoreError("away")
        world.end(outcome("a"), outcome("b"))
        for _ in range(3 * STORE_TRIES):
            world.settling.flush(world.settling.due_at(idle=True) or 0.0)
        assert world.done == []
        assert "away" in caplog.text
        world.store_error = None
        world.settling.flush(world.settling.due_at(idle=True) or 0.0)
        assert world.done[-1] == ("settle", [("a", Verdict.DONE), ("b", Verdict.DONE)])

    def test_one_bad_record_becomes_a_dead_letter_alone(self, world: World, caplog: Any) -> None:
        world.unstorable = {"b"}
        world.end(outcome("a"), outcome("b"), outcome("c"))
        for _ in range(STORE_TRIES):
            world.settling.flush(world.settling.due_at(idle=True) or 0.0)
        settled = {tag: verdict for what, items in world.done if what == "settle" for tag, verdict in items}
        assert settled == {"a": Verdict.DONE, "b": Verdict.DEAD, "c": Verdict.DONE}
        assert world.items[0].reason == "its result cannot be stored: too large"


class TestSettling:
    def test_is_tried_again_without_storing_again(self, world: World) -> None:
        world.settle_error = OperationalError("gone")
        world.end(outcome("a"))
        world.settling.flush(0.0)
        world.settle_error = None
        again = world.settling.due_at(idle=True)
        assert again is not None
        world.settling.flush(again)
        assert world.done == [("store", ["a"]), ("settle", [("a", Verdict.DONE)])]

    def test_refused_tags_are_reported_and_forgotten(self, world: World, caplog: Any) -> None:
        world.refused = ["a"]
        world.end(outcome("a"))
        world.settling.flush(0.0)
        assert "late ack refused" in caplog.text
        assert len(world.ledger) == 0

    def test_acknowledged_before_its_run_is_stored_and_not_settled(self, world: World) -> None:
        (one,) = world.ledger.take([delivery("a")])
        world.ledger.acknowledged([one])
        world.settling.add([(one, outcome("a"))], 0.0)
        world.settling.flush(0.0)
        assert world.done == [("store", ["a"])]
        assert len(world.ledger) == 0

    def test_an_adopted_job_is_settled_under_its_new_claim(self, world: World) -> None:
        (one,) = world.ledger.take([delivery("old", id="x")])
        world.settling.add([(one, outcome("x"))], 0.0)
        assert world.ledger.adopt(delivery("new", attempt=2, id="x"))
        world.settling.flush(0.0)
        assert world.done[-1] == ("settle", [("new", Verdict.DONE)])


class TestFencing:
    def test_a_claim_past_its_lease_is_confirmed_first(self, world: World, caplog: Any) -> None:
        world.end(outcome("a", sends=[send("next")]), outcome("b"), until=WALL + 30.0)
        world.now, world.lost = WALL + 31.0, {"a"}
        with caplog.at_level(logging.WARNING):
            world.settling.flush(0.0)
        assert world.done == [("store", ["b"]), ("settle", [("b", Verdict.DONE)])]
        assert "late ack refused" in caplog.text

    def test_nothing_happens_while_the_broker_cannot_be_asked(self, world: World) -> None:
        world.end(outcome("a"))
        world.now, world.reachable = WALL + 31.0, False
        world.settling.flush(0.0)
        assert world.done == []
        again = world.settling.due_at(idle=True)
        assert again is not None
        assert again > 0.0
        world.reachable = True
        world.settling.flush(again)
        assert world.done[-1] == ("settle", [("a", Verdict.DONE)])

    def test_a_claim_lost_while_its_result_waits_is_dropped(self, world: World) -> None:
        world.store_error = BackendStoreError("away")
        world.end(outcome("a"))
        world.settling.flush(0.0)
        world.store_error = None
        world.now, world.lost = WALL + 31.0, {"a"}
        world.settling.flush(world.settling.due_at(idle=True) or 0.0)
        assert world.done == []
        assert len(world.settling) == 0

"""Running a task again (features TK2, wire-compat section 1.8)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely import Cicely, Task, signals, states
from cicely.exceptions import MaxRetriesExceededError, Reject, Retry
from cicely.execution import Execution
from cicely.outcome import Outcome
from cicely.protocol import decode_task
from cicely.retry import backoff
from cicely.testing.inprocess import Drain
from cicely_transports.spi import Delivery, Verdict


def take(app: Cicely, queue: str = "celery") -> Delivery:
    receiver = app.transport.receiver([queue], credit=1, lease=60)
    (found,) = receiver.receive(1, 1.0)
    return found


def run(app: Cicely, delivery: Delivery) -> Outcome:
    return Execution(app, hostname="w").run(delivery)


def test_a_retry_is_the_same_task_once_more(app: Cicely) -> None:
    @app.task(name="again", bind=True)
    def again(self: Task[..., Any], *args: int, **kwargs: int) -> None:
        try:
            raise KeyError("k")
        except KeyError as exc:
            raise self.retry(exc=exc, countdown=60) from exc

    result = again.apply_async(
        (1,),
        {"a": 2},
        queue="q2",
        priority=3,
        headers={"tenant": "a"},
        group_id="g",
        group_index=1,
        shadow="s",
        time_limit=30,
        soft_time_limit=20,
        link=again.s(),
        link_error=again.s(),
        reply_to="me",
        stamped_headers=["color"],
        color="red",
        expires=3600,
        root_id="root",
    )
    delivery = take(app, "q2")
    before = datetime.now(UTC).timestamp()
    outcome = run(app, delivery)
    assert (outcome.state, outcome.verdict) == (states.RETRY, Verdict.DONE)
    (send,) = outcome.sends
    assert (send.exchange, send.routing_key) == ("", "q2")
    assert send.not_before is not None
    assert before + 60 <= send.not_before < before + 65
    old, new = delivery.message.headers, send.message.headers
    changed = {name for name in new if new[name] != old.get(name)}
    assert changed == {"retries", "eta", "parent_id"}
    assert new["retries"] == 1
    assert new["parent_id"] == new["id"] == result.id
    assert datetime.fromisoformat(new["eta"]).timestamp() == pytest.approx(send.not_before)
    assert send.message.body == delivery.message.body
    assert send.message.properties.priority == 3
    assert send.message.properties.reply_to == "me"
    assert outcome.summary == "Retry in 60s: KeyError('k')"


def test_the_state_says_why(app: Cicely, drain: Drain) -> None:
    @app.task(name="again", bind=True)
    def again(self: Task[..., Any]) -> None:
        raise self.retry(exc=KeyError("k"), countdown=60)

    result = again.delay()
    drain.run_one()
    assert result.state == states.RETRY
    assert isinstance(result.result, KeyError)
    assert "Retry in 60s" in (result.traceback or "")
    assert app.transport.sizes(["celery"])["celery"].delayed == 1


def test_until_it_works(app: Cicely, drain: Drain) -> None:
    @app.task(name="third", bind=True)
    def third(self: Task[..., Any]) -> int:
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        return self.request.retries

    result = third.delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "RETRY", "SUCCESS"]
    assert result.get(timeout=1) == 2


def test_the_default_delay(app: Cicely) -> None:
    @app.task(name="again", bind=True, default_retry_delay=77)
    def again(self: Task[..., Any]) -> None:
        self.retry()

    again.delay()
    outcome = run(app, take(app))
    assert outcome.summary == "Retry in 77s"
    assert outcome.sends[0].not_before == pytest.approx(datetime.now(UTC).timestamp() + 77, abs=5)


def test_an_eta(app: Cicely) -> None:
    moment = datetime(2040, 1, 1, tzinfo=UTC)

    @app.task(name="again", bind=True)
    def again(self: Task[..., Any]) -> None:
        self.retry(eta=moment)

    again.delay()
    outcome = run(app, take(app))
    assert outcome.sends[0].not_before == moment.timestamp()
    assert outcome.sends[0].message.headers["eta"] == moment.isoformat()


def test_other_arguments_and_options(app: Cicely) -> None:
    @app.task(name="again", bind=True)
    def again(self: Task[..., Any], *args: int, **kwargs: int) -> None:
        self.retry(args=(9,), kwargs={"b": 1}, queue="other", priority=8, countdown=0)

    again.delay(1)
    (send,) = run(app, take(app)).sends
    read = decode_task(send.message, ("json",))
    assert (read.args, read.kwargs) == ([9], {"b": 1})
    assert (send.routing_key, send.message.properties.priority) == ("other", 8)


def test_without_throwing_the_message_goes_out_all_the_same(app: Cicely) -> None:
    @app.task(name="again", bind=True)
    def again(self: Task[..., Any]) -> str:
        answer = self.retry(throw=False, countdown=1)
        assert isinstance(answer, Retry)
        return "done"

    again.delay()
    outcome = run(app, take(app))
    assert outcome.state == states.SUCCESS
    assert [send.message.headers["retries"] for send in outcome.sends] == [1]


def test_a_swallowed_retry_goes_out_all_the_same(app: Cicely) -> None:
    @app.task(name="again", bind=True)
    def again(self: Task[..., Any]) -> str:
        try:
            self.retry(countdown=1)
        except Exception:  # noqa: BLE001 - as users write
            return "swallowed"
        return "never"

    again.delay()
    outcome = run(app, take(app))
    assert outcome.summary == "'swallowed'"
    assert len(outcome.sends) == 1


@pytest.mark.parametrize(("exc", "expected"), [(KeyError("why"), KeyError), (None, MaxRetriesExceededError)])
def test_when_retries_are_used_up(
    app: Cicely, drain: Drain, exc: Exception | None, expected: type[Exception]
) -> None:
    @app.task(name="again", bind=True, max_retries=1)
    def again(self: Task[..., Any]) -> None:
        raise self.retry(exc=exc, countdown=0)

    result = again.delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "FAILURE"]
    assert isinstance(result.result, expected)


def test_the_call_may_allow_more(app: Cicely, drain: Drain) -> None:
    @app.task(name="again", bind=True, max_retries=0)
    def again(self: Task[..., Any]) -> None:
        raise self.retry(countdown=0, max_retries=2)

    again.delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "RETRY", "FAILURE"]


def test_none_retries_for_ever(app: Cicely, drain: Drain) -> None:
    @app.task(name="again", bind=True, max_retries=None)
    def again(self: Task[..., Any]) -> None:
        raise self.retry(countdown=0)

    again.delay()
    assert {outcome.state for outcome in drain.run_all(limit=20)} == {"RETRY"}


def test_called_as_a_function_there_is_nothing_to_retry(app: Cicely) -> None:
    @app.task(name="again", bind=True)
    def again(self: Task[..., Any], exc: Exception | None = None) -> None:
        self.retry(exc=exc)

    with pytest.raises(KeyError):
        again(KeyError("x"))
    with pytest.raises(Retry):
        again()


def test_a_retry_that_cannot_be_sent_rejects_the_message(app: Cicely) -> None:
    @app.task(name="again", bind=True)
    def again(self: Task[..., Any], *args: Any) -> None:
        self.retry(args=(object(),))

    again.delay()
    outcome = run(app, take(app))
    assert (outcome.state, outcome.verdict) == (states.REJECTED, Verdict.DEAD)
    assert "args[0]" in (outcome.reason or "")


def test_retry_raised_by_hand_means_what_it_says(app: Cicely) -> None:
    @app.task(name="again")
    def again() -> None:
        raise Retry(when=5)

    again.delay()
    outcome = run(app, take(app))
    assert outcome.state == states.RETRY
    assert outcome.sends[0].not_before == pytest.approx(datetime.now(UTC).timestamp() + 5, abs=3)


def test_retry_raised_by_hand_ends_too(app: Cicely, drain: Drain) -> None:
    @app.task(name="again", max_retries=2)
    def again() -> None:
        raise Retry(when=0)

    again.delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "RETRY", "FAILURE"]


def test_an_exception_without_repr_can_be_the_reason(app: Cicely) -> None:
    class NoRepr(Exception):
        def __repr__(self) -> str:
            raise ValueError

    @app.task(name="again", bind=True)
    def again(self: Task[..., Any]) -> None:
        self.retry(exc=NoRepr())

    again.delay()
    outcome = run(app, take(app))
    assert outcome.state == states.RETRY
    assert len(outcome.sends) == 1


def test_hook_and_signal(app: Cicely) -> None:
    seen: list[Any] = []

    class Noted(Task[..., Any]):
        def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
            seen.append(("on_retry", exc))

    error = KeyError("k")

    @app.task(name="again", bind=True, base=Noted)
    def again(self: Task[..., Any]) -> None:
        self.retry(exc=error)

    def listen(**named: Any) -> None:
        seen.append(("task_retry", named["reason"].exc, named["request"].retries))

    signals.task_retry.connect(listen)
    try:
        again.delay()
        run(app, take(app))
    finally:
        signals.task_retry.disconnect(listen)
    assert seen == [("on_retry", error), ("task_retry", error, 0)]


# --- automatic retries


def test_autoretry(app: Cicely, drain: Drain) -> None:
    @app.task(
        name="auto", bind=True, autoretry_for=(OSError,), retry_kwargs={"countdown": 0, "max_retries": 2}
    )
    def auto(self: Task[..., Any]) -> int:
        if self.request.retries < 2:
            raise ConnectionError("again")
        return self.request.retries

    result = auto.delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "RETRY", "SUCCESS"]
    assert result.get(timeout=1) == 2


def test_autoretry_gives_up_with_the_exception(app: Cicely, drain: Drain) -> None:
    @app.task(name="auto", autoretry_for=(OSError,), retry_kwargs={"countdown": 0}, max_retries=1)
    def auto() -> None:
        raise ConnectionError("for ever")

    result = auto.delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "FAILURE"]
    assert isinstance(result.result, ConnectionError)


@pytest.mark.parametrize(
    ("error", "state"), [(ValueError(), "FAILURE"), (TimeoutError(), "FAILURE"), (OSError(), "RETRY")]
)
def test_what_is_not_retried(app: Cicely, error: Exception, state: str) -> None:
    @app.task(name="auto", autoretry_for=(OSError,), dont_autoretry_for=(TimeoutError,))
    def auto() -> None:
        raise error

    auto.delay()
    assert run(app, take(app)).state == state


def test_autoretry_leaves_control_flow_alone(app: Cicely) -> None:
    @app.task(name="auto", autoretry_for=(Exception,))
    def auto() -> None:
        raise Reject("no", requeue=False)

    auto.delay()
    assert run(app, take(app)).state == states.REJECTED


def test_autoretry_of_coroutines(app: Cicely, drain: Drain) -> None:
    @app.task(name="auto", bind=True, autoretry_for=(OSError,), retry_kwargs={"countdown": 0})
    async def auto(self: Task[..., Any]) -> int:
        await asyncio.sleep(0)
        if self.request.retries < 1:
            raise OSError
        return 1

    auto.delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "SUCCESS"]


def test_autoretry_of_a_task_class(app: Cicely, drain: Drain) -> None:
    class Auto(Task[..., Any]):
        name = "auto"
        autoretry_for = (OSError,)
        retry_kwargs = {"countdown": 0}

        def run(self) -> int:
            if self.request.retries < 1:
                raise OSError
            return 1

    app.register_task(Auto()).delay()
    assert [outcome.state for outcome in drain.run_all()] == ["RETRY", "SUCCESS"]


def test_backoff_doubles_up_to_the_maximum(app: Cicely) -> None:
    delays = [backoff(2, retries, 100, jitter=False) for retries in range(8)]
    assert delays == [2, 4, 8, 16, 32, 64, 100, 100]


@given(st.floats(0.1, 100), st.integers(0, 10_000), st.floats(0, 1e6))
def test_backoff_with_jitter_is_within_bounds(factor: float, retries: int, maximum: float) -> None:
    assert 0 <= backoff(factor, retries, maximum, jitter=True) <= maximum


def test_retry_backoff_sets_the_delay(app: Cicely) -> None:
    @app.task(name="auto", autoretry_for=(OSError,), retry_backoff=5, retry_jitter=False)
    def auto() -> None:
        raise OSError

    auto.apply_async(retries=2)
    outcome = run(app, take(app))
    assert outcome.summary.startswith("Retry in 20")


def test_what_was_hidden_stays_hidden_and_what_was_pickled_pickled(app: Cicely) -> None:
    app.conf.accept_content = ["json", "pickle"]

    @app.task(name="again", bind=True)
    def again(self: Task[..., Any], secret: Any) -> None:
        self.retry()

    again.apply_async(({1, 2},), argsrepr="(***)", serializer="pickle")
    (send,) = run(app, take(app)).sends
    assert send.message.headers["argsrepr"] == "(***)"
    assert send.message.properties.content_type == "application/x-python-serialize"

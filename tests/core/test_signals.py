from __future__ import annotations

import gc
import logging
from typing import Any

import pytest

from cicely import signals
from cicely.signals import Signal
from cicely.utils.proxy import Proxy


@pytest.fixture
def signal() -> Signal:
    return Signal({"value"}, name="probe")


def test_send_calls_receivers_in_order_and_collects_answers(signal: Signal) -> None:
    @signal.connect
    def first(value: int, **_: Any) -> int:
        return value + 1

    @signal.connect()
    def second(sender: object, signal: Signal, **_: Any) -> tuple[object, Signal]:
        return sender, signal

    assert signal.send("me", value=1) == [(first, 2), (second, ("me", signal))]


def test_nobody_listening_is_a_falsy_tuple(signal: Signal) -> None:
    def receiver(**_: Any) -> None: ...

    assert not signal.receivers
    assert not signal.has_listeners()
    signal.connect(receiver)
    assert signal.receivers
    assert signal.disconnect(receiver)
    assert not signal.receivers
    assert not signal.disconnect(receiver)


def test_connecting_twice_calls_once(signal: Signal) -> None:
    calls: list[int] = []

    def receiver(**_: Any) -> None:
        calls.append(1)

    signal.connect(receiver)
    signal.connect(receiver)
    signal.send(None)
    assert calls == [1]


def test_dispatch_uid_identifies_the_receiver(signal: Signal) -> None:
    calls: list[str] = []
    signal.connect(lambda **_: calls.append("a"), weak=False, dispatch_uid="uid")
    signal.connect(lambda **_: calls.append("b"), weak=False, dispatch_uid="uid")
    signal.send(None)
    assert calls == ["a"]
    assert signal.disconnect(dispatch_uid="uid")


class Named:
    name = "proj.add"


@pytest.mark.parametrize(
    ("wanted", "sender", "called"),
    [
        (None, "anything", True),
        ("proj.add", "proj.add", True),
        ("proj.add", "proj.sub", False),
        ("proj.add", Named(), True),
        ("proj.sub", Named(), False),
        (Named, Named, True),
        (Proxy(lambda: Named), Named, True),
        (Proxy(lambda: Named), Signal, False),
    ],
)
def test_sender_filter(signal: Signal, wanted: object, sender: object, called: bool) -> None:
    def receiver(**_: Any) -> str:
        return "called"

    signal.connect(receiver, sender=wanted)
    assert bool(signal.send(sender)) is called
    assert signal.has_listeners(sender) is called


def test_receivers_are_weak_unless_told(signal: Signal) -> None:
    class Listener:
        def hear(self, **_: Any) -> None: ...

    listener = Listener()
    signal.connect(listener.hear)
    assert len(signal.send(None)) == 1
    del listener
    gc.collect()
    assert signal.receivers == ()

    signal.connect(Listener().hear, weak=False)
    gc.collect()
    assert len(signal.send(None)) == 1


def test_exceptions_are_logged_and_returned(signal: Signal, caplog: pytest.LogCaptureFixture) -> None:
    boom = RuntimeError("boom")

    @signal.connect
    def bad(**_: Any) -> None:
        raise boom

    @signal.connect
    def good(**_: Any) -> str:
        return "ok"

    with caplog.at_level(logging.ERROR, logger="cicely.signals"):
        assert signal.send(None) == [(bad, boom), (good, "ok")]
    assert "boom" in caplog.text


def test_system_exit_gets_through(signal: Signal) -> None:
    @signal.connect
    def stop(**_: Any) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        signal.send(None)


def test_receiver_without_kwargs_is_refused(signal: Signal) -> None:
    with pytest.raises(ValueError, match=r"\*\*kwargs"):
        signal.connect(lambda sender: None)
    with pytest.raises(TypeError, match="callable"):
        signal.connect(Named())  # type: ignore[call-overload]  # the mistake is the point


def test_every_exported_signal_knows_its_own_name() -> None:
    for name in set(signals.__all__) - {"Signal"}:
        assert getattr(signals, name).name == name
    assert signals.before_task_publish.providing_args >= {"headers", "retry_policy"}

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from cicely_worker.prefork.control import (
    BACKLOG,
    Bye,
    Channel,
    ControlError,
    Leaving,
    Message,
    SlotDown,
    SlotUp,
    Stop,
    channel_pair,
)

Pair = tuple[Channel, Channel]


@pytest.fixture(params=[True, False], ids=["packets", "stream"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    before = open_descriptors()
    one, other = channel_pair(packets=request.param)
    yield one, other
    one.close()
    other.close()
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


MESSAGES: list[Message] = [
    SlotDown(3, 4_000_000, 9, 2**60),
    SlotDown(0, 1, 0, None),
    Stop("warm"),
    Stop("cold"),
    Leaving(),
    Bye(),
]


def test_messages_arrive_in_order(pair: Pair) -> None:
    one, other = pair
    for message in MESSAGES:
        one.send(message)
    assert other.receive() == MESSAGES
    assert other.receive() == []
    assert not other.ended


@pytest.mark.parametrize("count", [2, 3])
def test_descriptors_change_their_owner(pair: Pair, count: int) -> None:
    one, other = pair
    before = open_descriptors()
    pipes = [os.pipe() for _ in range(count)]
    one.send(SlotUp(5, 77, tuple(reader for reader, _ in pipes)))
    assert open_descriptors() == before + count
    (up,) = other.receive()
    assert isinstance(up, SlotUp)
    assert (up.slot, up.pid, len(up.fds)) == (5, 77, count)
    for number, (reader, (_, writer)) in enumerate(zip(up.fds, pipes, strict=True)):
        os.write(writer, b"%d" % number)
        assert os.read(reader, 9) == b"%d" % number
        assert not os.get_inheritable(reader)
        os.close(reader)
        os.close(writer)


def test_messages_wait_for_a_reader_that_is_busy(pair: Pair) -> None:
    one, other = pair
    one._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sent = 0
    while not one.blocked:
        one.send(SlotDown(sent, 1, 0, None))
        sent += 1
    up = SlotUp(sent, 1, (os.dup(0), os.dup(0)))
    one.send(up)
    arrived: list[Message] = []
    while len(arrived) < sent + 1:
        one.flush()
        arrived += other.receive()
    assert [message.slot for message in arrived if isinstance(message, SlotDown)] == list(range(sent))
    last = arrived[-1]
    assert isinstance(last, SlotUp)
    for fd in last.fds:
        os.close(fd)
    assert not one.blocked


def test_a_reader_that_never_reads_is_noticed(pair: Pair) -> None:
    one, _ = pair
    before = open_descriptors()
    while not one.blocked:
        one.send(Leaving())
    for _ in range(BACKLOG - 1):
        one.send(Leaving())
    up = SlotUp(0, 1, (os.dup(0), os.dup(0)))
    with pytest.raises(ControlError, match=f"{BACKLOG} messages wait"):
        one.send(up)
    assert open_descriptors() == before
    one.flush_within(0.01)
    assert one.blocked


def test_what_is_not_sent_is_closed() -> None:
    before = open_descriptors()
    one, other = channel_pair()
    one._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    while not one.blocked:
        one.send(SlotUp(0, 1, (os.dup(0), os.dup(0))))
    one.close()
    other.close()
    assert open_descriptors() == before


def test_the_end_is_told(pair: Pair) -> None:
    one, other = pair
    one.send(Bye())
    one.close()
    assert other.receive() == [Bye()]
    assert other.ended
    assert other.receive() == []


def test_last_words_are_heard_by_one_who_tried_to_answer(pair: Pair) -> None:
    one, other = pair
    one.send(Stop("warm"))
    one.flush()
    other.send(Bye())
    other.close()  # with the stop unread
    one.send(Leaving())
    assert one.receive() == [Bye()]
    assert one.ended


def test_sending_to_nobody_is_harmless(pair: Pair) -> None:
    one, other = pair
    other.close()
    before = open_descriptors()
    one.send(SlotUp(0, 1, (os.dup(0), os.dup(0))))
    one.send(Leaving())
    one.flush_within(1.0)
    assert one.receive() == []
    assert one.ended
    assert not one.blocked
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"short", "of 5 bytes"), (b"\x09" + bytes(20), "kind 9"), (b"\x01" + bytes(20), "kind 1 with 0 descr")],
)
def test_nonsense_is_refused(data: bytes, text: str) -> None:
    raw, sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    channel = Channel(sock)
    raw.send(data)
    with pytest.raises(ControlError, match=text):
        channel.receive()
    raw.close()
    channel.close()

from __future__ import annotations

import errno
import os
import resource
import socket
import threading
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cicely_worker.prefork.descriptors import read_payload, write_payload
from cicely_worker.prefork.frames import FrameError
from cicely_worker.prefork.links import PACKET, Link, PacketLink, StreamLink, adopt, link_pair

Pair = tuple[Link, Link]


@pytest.fixture(params=[True, False], ids=["packets", "stream"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    before = open_descriptors()
    near, far = link_pair(packets=request.param)
    yield near, far
    near.close()
    far.close()
    assert open_descriptors() == before


@pytest.fixture
def packets() -> Iterator[Pair]:
    near, far = link_pair(packets=True)
    yield near, far
    near.close()
    far.close()


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def drain(link: Link, most: int = 1000) -> list[bytes]:
    into: list[bytes] = []
    link.drain(bytes, into, most)
    return into


def test_frames_arrive_in_order(pair: Pair) -> None:
    near, far = pair
    for text in (b"one", b"two", b"three"):
        assert near.send(text)
    assert far.receive(bytes) == b"one"
    assert drain(far) == [b"two", b"three"]
    assert drain(far) == []


@pytest.mark.parametrize("size", [1, PACKET // 4, PACKET - 1, PACKET, PACKET + 1, 1_000_000, 20_000_000])
def test_frames_of_any_size_arrive_both_ways(pair: Pair, size: int) -> None:
    near, far = pair
    frame = os.urandom(1000) * (size // 1000 + 1)
    frame = frame[:size]
    before = open_descriptors()
    assert near.offer([frame]) == 1
    assert far.receive(bytes) == frame
    assert far.send(frame)
    assert drain(near) == [frame]
    assert open_descriptors() == before


def test_a_full_link_takes_no_more_and_loses_nothing(packets: Pair) -> None:
    near, far = packets
    frames = [b"%06d" % number + b"x" * 5000 for number in range(1000)]
    taken = near.offer(frames)
    assert 0 < taken < 1000
    assert near.offer(frames[taken:]) == 0
    assert drain(far) == frames[:taken]
    assert near.offer(frames[taken:]) > 0


def test_one_large_frame_goes_per_call(packets: Pair) -> None:
    near, far = packets
    frames = [b"a", b"b" * 100_000, b"c"]
    assert near.offer(frames) == 2
    assert near.offer(frames[2:]) == 1
    assert drain(far) == frames


def test_a_stream_carries_one_job_at_a_time() -> None:
    near, far = link_pair(packets=False)
    assert near.window == 1
    assert near.offer([b"1", b"2"]) == 1
    assert near.offer([]) == 0
    assert drain(far) == [b"1"]
    near.close()
    far.close()


def test_no_more_than_asked_for_is_drained(pair: Pair) -> None:
    near, far = pair
    for text in (b"1", b"2", b"3"):
        near.send(text)
    assert drain(far, 2) == [b"1", b"2"]
    assert drain(far, 2) == [b"3"]


def test_a_full_link_makes_the_sender_wait(pair: Pair) -> None:
    near, far = pair
    frame = b"x" * 10_000
    sender = threading.Thread(target=lambda: [near.send(frame) for _ in range(200)])
    sender.start()
    assert [far.receive(len) for _ in range(200)] == [10_000] * 200
    sender.join(10)
    assert not sender.is_alive()


def test_the_reader_is_told_of_the_end(pair: Pair) -> None:
    near, far = pair
    near.send(b"last")
    near.end_sending()
    assert far.receive(bytes) == b"last"
    assert far.receive(bytes) is None
    assert far.drain(bytes, [], 5) is False
    assert near.offer([b"more"]) == 0
    assert far.send(b"outcome")
    assert near.receive(bytes) == b"outcome"


def test_a_reader_that_left_ends_sending(pair: Pair) -> None:
    near, far = pair
    far.end_receiving()
    assert near.offer([b"x"]) == 0
    assert not near.send(b"x")
    assert not near.send(b"x" * 1_000_000)
    assert far.receive(bytes) is None


def test_a_reader_that_closed_ends_sending_and_receiving(pair: Pair) -> None:
    near, far = pair
    near.send(b"unread")
    far.close()
    assert not near.send(b"x")
    assert near.receive(bytes) is None
    assert near.drain(bytes, [], 1) is False


def test_several_readers_share_whole_packets(packets: Pair) -> None:
    near, far = packets
    twin = adopt(os.dup(far.fileno()))
    assert isinstance(twin, PacketLink)
    near.offer([b"1", b"2", b"3"])
    assert far.receive(bytes) == b"1"
    assert drain(twin) == [b"2", b"3"]
    assert drain(far) == []
    twin.close()


def test_a_stream_is_recognised_too() -> None:
    near, far = link_pair(packets=False)
    taken_over = adopt(far.detach())
    assert isinstance(taken_over, StreamLink)
    taken_over.close()
    near.close()


def test_a_default_timeout_of_the_program_does_not_apply() -> None:
    socket.setdefaulttimeout(0.01)
    try:
        near, far = link_pair()
    finally:
        socket.setdefaulttimeout(None)
    timer = threading.Timer(0.05, near.send, [b"late"])
    timer.start()
    assert far.receive(bytes) == b"late"
    timer.join()
    near.close()
    far.close()


def refuse(_: Any) -> bytes:
    raise msgspec.DecodeError("not this")


def test_what_came_before_a_bad_frame_is_kept(pair: Pair) -> None:
    near, far = pair
    for frame in (b"good", b"bad", b"later"):
        near.send(frame)
    into: list[bytes] = []

    def decode(frame: Any) -> bytes:
        return bytes(frame) if bytes(frame) != b"bad" else refuse(frame)

    with pytest.raises(FrameError, match="cannot be read: not this"):
        far.drain(decode, into, 9)
    assert into == [b"good"]


def test_a_large_bad_frame_leaves_no_descriptor(pair: Pair) -> None:
    near, far = pair
    before = open_descriptors()
    near.send(b"x" * 1_000_000)
    with pytest.raises(FrameError, match="not this"):
        far.receive(refuse)
    assert open_descriptors() == before


def raw(link: Link) -> socket.socket:
    return socket.socket(fileno=os.dup(link.fileno()))


def test_a_packet_that_is_too_long_is_refused(packets: Pair) -> None:
    near, far = packets
    with raw(near) as sock:
        sock.send(b"x" * (PACKET + 2))
    with pytest.raises(FrameError, match="more than 65536 bytes"):
        far.receive(bytes)


def test_a_payload_of_another_size_is_refused(packets: Pair) -> None:
    near, far = packets
    fd = write_payload(b"12345")
    before = open_descriptors()
    with raw(near) as sock:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))]
        sock.sendmsg([(6).to_bytes(8, "little")], rights)
        with pytest.raises(FrameError, match="6 bytes were announced, the descriptor holds 5"):
            far.receive(bytes)
        sock.sendmsg([b"abc"], rights)
        with pytest.raises(FrameError, match="1 descriptors came with 3 bytes"):
            far.receive(bytes)
    assert open_descriptors() == before
    os.close(fd)


def test_a_stream_without_sense_is_refused() -> None:
    near, far = link_pair(packets=False)
    with raw(near) as sock:
        sock.send(b"\xff\xff\xff\x7f")
    with pytest.raises(FrameError, match="more than any has"):
        far.receive(bytes)
    far.close()
    near.close()


def test_half_a_frame_waits_for_its_rest() -> None:
    near, far = link_pair(packets=False)
    with raw(near) as sock:
        sock.send(b"\x03\x00\x00")
        assert drain(far) == []
        sock.send(b"\x00ab")
        assert drain(far) == []
        sock.send(b"c\x01\x00\x00\x00d")
        assert drain(far) == [b"abc", b"d"]
    near.close()
    far.close()


def test_a_payload_cannot_be_changed_under_its_reader() -> None:
    fd = write_payload(b"abc")
    with pytest.raises(PermissionError):
        os.ftruncate(fd, 1)
    with pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    assert read_payload(fd, 3, bytes) == b"abc"
    os.close(fd)


def test_too_many_open_descriptors_are_named(pair: Pair) -> None:
    near, far = pair
    near.send(b"x" * 1_000_000)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        with pytest.raises(FrameError, match="too many open"):
            far.receive(bytes)
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            near.offer([b"x" * 1_000_000])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

"""The codec of frames: jobs on their way to an executor, outcomes on their way back.

A frame is one MessagePack array. It never leaves the worker that made it, so there is no version in it, and
what MessagePack cannot carry (a header with an integer over 64 bits, a lone surrogate) travels pickled.
"""

from __future__ import annotations

import mmap
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from cicely.outcome import Outcome
from cicely_transports.message import Message
from cicely_transports.spi import Delivery

if TYPE_CHECKING:
    from cicely_worker.pools.spi import Job

#: Where a frame may lie.
Buffer = bytes | bytearray | memoryview | mmap.mmap


class FrameError(Exception):
    """A frame cannot be written, or what arrived is not one; the text says why."""


class JobFrame(msgspec.Struct, array_like=True, gc=False):
    """A job without its tag, which is the consumer's own. ``pickled`` stands in for ``message``."""

    number: int
    queue: str
    exchange: str
    routing_key: str
    attempt: int
    leased_until: float | None
    message: Message | None
    pickled: bytes | None = None


class JobHead(msgspec.Struct, array_like=True, gc=False):
    """The start of a :class:`JobFrame`, for those who want the number only."""

    number: int


class OutcomeFrame(msgspec.Struct, array_like=True, gc=False):
    """The outcome of job ``number``; ``pickled`` stands in for it. Number 0 is the executor's greeting."""

    number: int
    outcome: Outcome | None = None
    pickled: bytes | None = None


_encode: Callable[[Any], bytes] = msgspec.msgpack.Encoder().encode
_decode_job: Callable[[Buffer], JobFrame] = msgspec.msgpack.Decoder(JobFrame).decode
_decode_head: Callable[[Buffer], JobHead] = msgspec.msgpack.Decoder(JobHead).decode

#: Decodes an outcome frame in C. Raises msgspec.DecodeError.
decode_outcome: Callable[[Buffer], OutcomeFrame] = msgspec.msgpack.Decoder(OutcomeFrame).decode

#: What an executor sends when it can take jobs.
GREETING = _encode(OutcomeFrame(0))

#: What MessagePack says about values that it cannot carry.
_REFUSALS = (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError)


def encode_job(job: Job) -> bytes:
    """The frame of a job. Raises FrameError when its headers cannot be carried at all."""
    delivery = job.delivery
    try:
        return _encode(
            JobFrame(
                job.number,
                delivery.queue,
                delivery.exchange,
                delivery.routing_key,
                delivery.attempt,
                delivery.leased_until,
                delivery.message,
            )
        )
    except _REFUSALS:
        return _encode(
            JobFrame(
                job.number,
                delivery.queue,
                delivery.exchange,
                delivery.routing_key,
                delivery.attempt,
                delivery.leased_until,
                None,
                _pickled(delivery.message),
            )
        )


def decode_job(frame: Buffer) -> tuple[int, Delivery]:
    """Number and delivery of a job frame; the tag of the delivery is the number.

    Raises msgspec.DecodeError.
    """
    job = _decode_job(frame)
    message = job.message
    if message is None:
        message = pickle.loads(job.pickled or b"")
    return job.number, Delivery(
        job.number, job.queue, message, job.attempt, job.leased_until, job.exchange, job.routing_key
    )


def decode_number(frame: Buffer) -> int:
    """The number of a job frame. Raises msgspec.DecodeError."""
    return _decode_head(frame).number


def encode_outcome(number: int, outcome: Outcome) -> bytes:
    """The frame of an outcome. Raises FrameError when its sends cannot be carried at all."""
    try:
        return _encode(OutcomeFrame(number, outcome))
    except _REFUSALS:
        return _encode(OutcomeFrame(number, None, _pickled(outcome)))


def unpickle_outcome(frame: OutcomeFrame) -> Outcome:
    """The outcome of a frame that carries it pickled. Raises FrameError if it carries none."""
    if frame.pickled is None:
        raise FrameError(f"the frame of job {frame.number} carries no outcome")
    outcome = pickle.loads(frame.pickled)
    if not isinstance(outcome, Outcome):
        raise FrameError(f"the frame of job {frame.number} carries a {type(outcome).__name__}")
    return outcome


def _pickled(value: Message | Outcome) -> bytes:
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise FrameError(
            f"{type(value).__name__} cannot travel between processes: {type(error).__name__}: {error}"
        ) from error

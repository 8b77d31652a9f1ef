"""One tree of errors, split by what the caller can do about them.

========================  ==========================================================
:class:`RetryableError`   the broker or the network failed: try again
:class:`MisuseError`      the call, the URL or the declaration is wrong: change it
:class:`LeaseLost`        somebody else owns the message now: stop working on it
:class:`PoisonError`      these bytes will never be readable: dead-letter them
========================  ==========================================================

Drivers translate the exceptions of their client library at their own boundary, so
that nothing above a driver ever sees them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class TransportError(Exception):
    """Base of everything that this package raises on purpose."""


class RetryableError(TransportError):
    """The operation failed for a reason that may pass."""


class OperationalError(RetryableError):
    """The broker cannot be reached, refused the connection or dropped it."""


class PublishTimeout(OperationalError):
    """Connecting, writing and confirming took longer than ``publish_timeout``."""


class StorageFull(OperationalError):
    """The broker has no room (disk, memory limit, queue length): nothing was stored."""


class PartialPublish(RetryableError):
    """Some messages of a batch were not confirmed; the :class:`~.spi.Send` objects in :attr:`unsent` can be
    published again.
    """

    def __init__(self, unsent: Sequence[Any], cause: str) -> None:
        self.unsent = tuple(unsent)
        super().__init__(f"{len(self.unsent)} messages were not confirmed: {cause}")


class MisuseError(TransportError):
    """The call can never succeed as it stands."""


class UnknownOption(MisuseError, TypeError):
    """A call carried an argument that does not exist; the text has the near name."""


class UnknownTransport(MisuseError):
    """No transport has this URL scheme."""


class MissingDependency(MisuseError):
    """A client library is not installed; the text names the extra that brings it."""


class InvalidURL(MisuseError):
    """The URL cannot be understood, or carries an option that the transport does not have."""


class NotSupported(MisuseError):
    """The transport's :class:`~cicely_transports.spi.Capabilities` exclude this."""


class Unroutable(MisuseError):
    """No queue is bound to receive a mandatory message."""


class TopologyConflict(MisuseError):
    """An exchange or queue exists already with other arguments."""


class ForkMisuse(MisuseError):
    """An object made in one process was used in another after a fork."""


class ClosedError(MisuseError):
    """The connection, sender or receiver was closed before."""


class CorruptStore(MisuseError):
    """The broker's own data cannot be read; the text says which file and what to do."""


class LeaseLost(TransportError):
    """A settlement came after the claim had passed to another consumer."""

    def __init__(self, tags: Sequence[Hashable]) -> None:
        self.tags = tuple(tags)
        super().__init__(f"{len(self.tags)} deliveries are no longer ours: their lease ran out")


class PoisonError(TransportError):
    """The message itself is at fault."""


class EncodeError(PoisonError):
    """A value cannot be written in the chosen serializer; the text gives its path."""


class DecodeError(PoisonError):
    """The bytes are not what their content type says."""


class ContentDisallowed(PoisonError):
    """The content type is not in the accepted set."""

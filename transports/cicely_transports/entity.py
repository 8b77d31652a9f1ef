"""What exchanges and queues have in common: a description, and perhaps a channel.

They are descriptions until bound: ``queue(channel)`` is a bound copy, which can be declared, deleted,
consumed from and published to. A description is converted to the plain specifications of
:mod:`cicely_transports.topology`; what a transport cannot honour it refuses there.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .channel import channel_of
from .errors import MisuseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .channel import Channel, HasChannel

TRANSIENT, PERSISTENT = 1, 2
DELIVERY_MODES: Mapping[Any, int] = {"transient": TRANSIENT, "persistent": PERSISTENT, 1: 1, 2: 2}


def delivery_mode(value: Any) -> int | None:
    """1 or 2 from a number or its name, None for None. Raises MisuseError."""
    if value is None:
        return None
    if value not in DELIVERY_MODES:
        raise MisuseError(f"delivery_mode {value!r} is neither 'transient' (1) nor 'persistent' (2)")
    return DELIVERY_MODES[value]


class Entity:
    """Attributes that make up its description, and perhaps a channel that it is bound to."""

    #: In the order of :meth:`as_dict`.
    ATTRIBUTES: ClassVar[tuple[str, ...]] = ()

    name: str
    _channel: Channel | None = None

    @property
    def is_bound(self) -> bool:
        """Whether there is a channel."""
        return self._channel is not None

    @property
    def channel(self) -> Channel:
        """The channel. Raises MisuseError if it is not bound."""
        if self._channel is None:
            raise MisuseError(f"{self!r} is not bound: call it with a channel or a connection first")
        return self._channel

    def bind(self, channel: Channel | HasChannel) -> Self:
        """A copy bound to the channel, or to the default one of a connection."""
        bound = copy(self)
        bound._channel = channel_of(channel)
        return bound

    def __call__(self, channel: Channel | HasChannel) -> Self:
        return self.bind(channel)

    def revive(self, channel: Channel | HasChannel) -> None:
        """Use another channel from now on."""
        self._channel = channel_of(channel)

    def as_dict(self, recurse: bool = False) -> dict[str, Any]:
        """The description; with ``recurse`` in plain maps and lists only (wire-compat section 8.6)."""
        return {name: _plain(getattr(self, name), recurse) for name in self.ATTRIBUTES}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.as_dict() == other.as_dict()

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_channel"}

    def _to(self, channel: Channel | HasChannel | None) -> Channel:
        return self.channel if channel is None else channel_of(channel)


def _plain(value: Any, recurse: bool) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item, recurse) for item in value]
    return value.as_dict(recurse) if recurse and hasattr(value, "as_dict") else value

"""Messages, exchanges, queues and brokers by URL.

Everything that is exported here is imported on its first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .channel import Channel as Channel
    from .connection import Connection as Connection
    from .consumer import Consumer as Consumer
    from .exchange import Exchange as Exchange
    from .exchange import binding as binding
    from .message import Message as Message
    from .message import Properties as Properties
    from .mixins import ConsumerMixin as ConsumerMixin
    from .mixins import ConsumerProducerMixin as ConsumerProducerMixin
    from .pools import ConnectionPool as ConnectionPool
    from .pools import ProducerPool as ProducerPool
    from .producer import Producer as Producer
    from .queue import Queue as Queue
    from .received import ReceivedMessage as ReceivedMessage
    from .registry import known_schemes as known_schemes
    from .registry import open_transport as open_transport
    from .registry import transport_class as transport_class
    from .simple import SimpleBuffer as SimpleBuffer
    from .simple import SimpleQueue as SimpleQueue
    from .spi import Delivery as Delivery
    from .spi import Send as Send
    from .spi import Settlement as Settlement
    from .spi import Transport as Transport
    from .spi import Verdict as Verdict
    from .url import BrokerURL as BrokerURL
    from .url import parse_url as parse_url
    from .url import parse_urls as parse_urls

    VERSION: version_info_t
    __version__: str

#: The module of each exported name.
_EXPORTS = {
    "BrokerURL": "url",
    "Channel": "channel",
    "Connection": "connection",
    "ConnectionPool": "pools",
    "Consumer": "consumer",
    "ConsumerMixin": "mixins",
    "ConsumerProducerMixin": "mixins",
    "Delivery": "spi",
    "Exchange": "exchange",
    "Message": "message",
    "Producer": "producer",
    "ProducerPool": "pools",
    "Properties": "message",
    "Queue": "queue",
    "ReceivedMessage": "received",
    "Send": "spi",
    "Settlement": "spi",
    "SimpleBuffer": "simple",
    "SimpleQueue": "simple",
    "Transport": "spi",
    "Verdict": "spi",
    "binding": "exchange",
    "known_schemes": "registry",
    "open_transport": "registry",
    "parse_url": "url",
    "parse_urls": "url",
    "transport_class": "registry",
}

__all__ = ["VERSION", "__version__", "version_info_t", *_EXPORTS]  # noqa: PLE0604  # names of _EXPORTS


class version_info_t(NamedTuple):  # noqa: N801  # the name that users know
    """The version in parts: ``releaselevel`` is empty for a release."""

    major: int
    minor: int
    micro: int
    releaselevel: str = ""
    serial: str = ""


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(import_module(f".{_EXPORTS[name]}", __name__), name)
    elif name == "__version__":
        value = import_module("importlib.metadata").version("cicely-transports")
    elif name == "VERSION":
        parts = __getattr__("__version__").split(".")
        value = version_info_t(int(parts[0]), int(parts[1]), int("".join(filter(str.isdigit, parts[2]))))
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

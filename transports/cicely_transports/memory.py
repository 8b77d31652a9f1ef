"""``memory://name``: a broker inside one process, for tests and for threads."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from .errors import InvalidURL
from .memory_store import MemoryStore
from .store_transport import StoreTransport
from .url_options import check_options

if TYPE_CHECKING:
    from .url import BrokerURL

__all__ = ["MemoryStore", "MemoryTransport"]


class SharedStores:
    """Stores by name, each for as long as some transport uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stores: weakref.WeakValueDictionary[str, MemoryStore] = weakref.WeakValueDictionary()

    def get(self, name: str) -> MemoryStore:
        """The store of that name, a new one if nobody uses any."""
        with self._lock:
            store = self._stores.get(name)
            if store is None:
                store = self._stores[name] = MemoryStore()
            return store


class MemoryTransport(StoreTransport):
    """Transports of one name in one process share one broker; it goes with the last of them.

    Nothing outlives the process, and other processes see nothing of it.
    """

    _shared = SharedStores()

    @classmethod
    def from_url(cls, url: BrokerURL, options: Mapping[str, Any]) -> Self:
        """``memory://`` or ``memory://name``; there are no options. Raises InvalidURL."""
        check_options(options, cls.options, "memory")
        if url.username is not None or url.port is not None:
            raise InvalidURL("a memory:// URL has nothing but a name: memory://name")
        return cls(cls._shared.get("/".join(filter(None, (url.host, url.path)))))

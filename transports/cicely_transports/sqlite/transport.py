"""The transport of ``sqlite://`` URLs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

from cicely_transports.store_transport import StoreTransport
from cicely_transports.url_options import check_options, float_option, text_option

from .location import database_path
from .store import SQLiteStore

if TYPE_CHECKING:
    from cicely_transports.url import BrokerURL


class SQLiteTransport(StoreTransport):
    """``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db``, ``sqlite:///~/path.db``.

    All processes that use one file share one broker. Needs SQLite 3.40 and a local file system.
    """

    options = {
        "publish_timeout": "seconds to wait for the write lock before PublishTimeout (5)",
        "synchronous": "normal: a power cut may undo the last moments, a crash of processes nothing; "
        "full: nor may a power cut (slower); off: for tests (normal)",
    }

    def __init__(
        self,
        path: str,
        *,
        publish_timeout: float = 5.0,
        synchronous: str = "normal",
        clock: Callable[[], float] = time.time,
    ) -> None:
        store = SQLiteStore(path, timeout=publish_timeout, synchronous=synchronous, clock=clock)
        super().__init__(store, clock=clock, publish_timeout=publish_timeout)

    @classmethod
    def from_url(cls, url: BrokerURL, options: Mapping[str, Any]) -> Self:
        """See the class. Opens nothing yet. Raises InvalidURL."""
        check_options(options, cls.options, "sqlite")
        return cls(
            database_path(url),
            publish_timeout=float_option(options, "publish_timeout", 5.0, minimum=0.001),
            synchronous=text_option(
                options, "synchronous", "normal", choices=("off", "normal", "full", "extra")
            ),
        )

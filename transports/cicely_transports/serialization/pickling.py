"""Pickle, protocol 4 (wire-compat section 2.1). Reading it runs code of the sender: off unless accepted."""

from __future__ import annotations

import pickle
from typing import Any

PROTOCOL = 4

#: Classes may raise anything while they are written or rebuilt.
PICKLE_ERRORS: tuple[type[Exception], ...] = (Exception,)


def pickle_encode(data: Any) -> bytes:
    """Protocol 4, which every supported Python reads."""
    return pickle.dumps(data, PROTOCOL)


def pickle_decode(body: bytes) -> Any:
    """Only for bodies from senders that are trusted with this process."""
    return pickle.loads(body)

"""Pickle, protocol 4 (wire-compat section 2.1). Reading it runs code of the sender: off unless accepted."""

from __future__ import annotations

from typing import Any

PROTOCOL = 4

#: Classes may raise anything while they are written or rebuilt.
PICKLE_ERRORS: tuple[type[Exception], ...] = (Exception,)


def pickle_encode(data: Any) -> bytes:
    """Protocol 4, which every supported Python reads."""
    import pickle  # late: few use it, and everybody would pay for the import

    return pickle.dumps(data, PROTOCOL)


def pickle_decode(body: bytes) -> Any:
    """Only for bodies from senders that are trusted with this process."""
    import pickle

    return pickle.loads(body)

"""Whether an object of a transport may still be used, and by this process."""

from __future__ import annotations

import os

from .errors import ClosedError, ForkMisuse


class Lifetime:
    """Open until :meth:`end`, and only in the process that made it."""

    __slots__ = ("_name", "_open", "_pid")

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid = os.getpid()
        self._open = True

    @property
    def over(self) -> bool:
        """Whether :meth:`end` was called."""
        return not self._open

    def check(self) -> None:
        """Raises ForkMisuse in another process than the maker's, ClosedError after the end."""
        if self._pid != os.getpid():
            raise ForkMisuse(
                f"this {self._name} was made by process {self._pid} and is used in process {os.getpid()}: "
                "open a new transport after a fork"
            )
        if not self._open:
            raise ClosedError(f"this {self._name} was closed before")

    def end(self) -> bool:
        """Whether there is something to release: True once, and never in a forked child."""
        ending = self._open and self._pid == os.getpid()
        self._open = False
        return ending

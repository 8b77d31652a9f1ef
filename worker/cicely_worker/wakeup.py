"""A pipe that makes a select return: how other threads and signal handlers wake a loop."""

from __future__ import annotations

import os
from contextlib import suppress


class Wakeup:
    """``set`` may be called from any thread and from signal handlers; ``clear`` belongs to the loop."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._set = False

    def fileno(self) -> int:
        """Readable after :meth:`set`."""
        return self._read

    def set(self) -> None:
        """Make :meth:`fileno` readable. Cheap when it is already."""
        if not self._set:
            self._set = True
            with suppress(BlockingIOError):  # a full pipe wakes, too
                os.write(self._write, b"\0")

    def clear(self) -> None:
        """Call before looking at what the wake-up was for, so that nothing set meanwhile is missed."""
        try:
            os.read(self._read, 4096)
        except BlockingIOError:
            return  # nothing was set
        self._set = False

    def close(self) -> None:
        """Release the pipe."""
        os.close(self._read)
        os.close(self._write)

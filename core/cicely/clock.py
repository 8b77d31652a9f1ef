"""The time zone of an app, and the present in it."""

from __future__ import annotations

import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cicely_transports.near import did_you_mean

from .exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from .settings.settings import Settings

_LOCALTIME = Path("/etc/localtime")


class Clock:
    """Times as the settings ``timezone`` and ``enable_utc`` say; follows their changes."""

    __slots__ = ("_conf", "_version", "_zone")

    def __init__(self, conf: Settings) -> None:
        self._conf = conf
        self._version = -1
        self._zone: tzinfo = UTC

    @property
    def timezone(self) -> tzinfo:
        """``timezone``; without it UTC, or the system's zone when ``enable_utc`` is off.

        Raises ImproperlyConfigured, with the near name, for a zone that does not exist.
        """
        conf = self._conf
        if self._version != conf.version:
            conf.load()
            version = conf.version
            self._zone = zone(conf.timezone) if conf.timezone else UTC if conf.enable_utc else system_zone()
            self._version = version
        return self._zone

    def now(self) -> datetime:
        """The present, aware."""
        return datetime.now(self.timezone)


def zone(name: str | tzinfo) -> tzinfo:
    """The zone of an IANA name. Raises ImproperlyConfigured, with the near name, if there is none."""
    if isinstance(name, tzinfo):
        return name
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        known = available_timezones()
        hint = (
            did_you_mean(name, known) if known else "; install the package tzdata, this system has no zones"
        )
        raise ImproperlyConfigured(f"timezone {name!r} is not in the IANA database{hint}") from exc


def system_zone(environ: dict[str, str] | None = None, localtime: Path = _LOCALTIME) -> tzinfo:
    """The zone that ``TZ`` or /etc/localtime names; where neither does, the present offset from UTC."""
    name = (os.environ if environ is None else environ).get("TZ", "").lstrip(":")
    if not name and localtime.is_symlink():
        name = str(localtime.resolve()).partition("zoneinfo/")[2]
    if name:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # a POSIX rule such as CET-1CEST: the C library knows it, zoneinfo does not
    if localtime.is_file():
        with localtime.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    offset = datetime.now().astimezone().tzinfo
    return UTC if offset is None else offset

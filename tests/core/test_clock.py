from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cicely.clock import Clock, system_zone, zone
from cicely.exceptions import ImproperlyConfigured
from cicely.settings import Settings


def test_zone_follows_the_settings() -> None:
    conf = Settings()
    clock = Clock(conf)
    assert clock.timezone is UTC
    conf.timezone = "Europe/Oslo"
    assert clock.timezone == ZoneInfo("Europe/Oslo")
    assert clock.now().tzinfo == ZoneInfo("Europe/Oslo")
    conf.timezone = None
    conf.enable_utc = False
    assert clock.timezone == system_zone()


def test_unknown_zone_has_the_near_name() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"'Europe/Osol' .*did you mean 'Europe/Oslo'"):
        zone("Europe/Osol")
    with pytest.raises(ImproperlyConfigured):
        zone("../../etc/passwd")


def test_zone_objects_are_taken_as_they_are() -> None:
    fixed = timezone(timedelta(hours=2))
    assert zone(fixed) is fixed
    assert zone("utc") is UTC


def test_system_zone(tmp_path: Path) -> None:
    nowhere = tmp_path / "localtime"
    assert system_zone({"TZ": ":Asia/Tokyo"}, nowhere) == ZoneInfo("Asia/Tokyo")
    offset = system_zone({"TZ": "NOT-A-ZONE"}, nowhere).utcoffset(datetime.now())  # noqa: DTZ005 - as argument
    assert offset is not None
    link = tmp_path / "link"
    link.symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    assert system_zone({}, link) == ZoneInfo("Asia/Tokyo")

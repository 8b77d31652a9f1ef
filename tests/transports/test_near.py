"""The near name in error texts."""

from __future__ import annotations

import pytest

from cicely_transports.errors import MisuseError, UnknownOption
from cicely_transports.near import did_you_mean, near, reject_unknown


def test_near() -> None:
    assert near("redsi", ["redis", "memory"]) == "redis"
    assert near("REDIS", ["Redis"]) == "Redis"
    assert near("zzz", ["redis", "memory"]) is None
    assert near("x", []) is None


def test_did_you_mean() -> None:
    assert did_you_mean("redsi", ["redis"]) == "; did you mean 'redis'?"
    assert did_you_mean("zzz", ["redis"]) == ""


def test_reject_unknown() -> None:
    reject_unknown("Queue()", ["durable"], ["durable"])
    with pytest.raises(
        UnknownOption, match=r"^Queue\(\) has no option 'durabel'; did you mean 'durable'\?$"
    ) as caught:
        reject_unknown("Queue()", ["durabel"], iter(["durable"]))
    assert isinstance(caught.value, MisuseError)
    assert isinstance(caught.value, TypeError)

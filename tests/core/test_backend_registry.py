"""From result_backend to a backend: schemes, class paths, near names, what comes later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

import pytest

from cicely.backends.disabled import DisabledBackend
from cicely.backends.filesystem import FilesystemBackend
from cicely.backends.memory import MemoryBackend
from cicely.backends.registry import FOR_EVER, Backends, known_backends, open_backend
from cicely.backends.spi import ResultBackend
from cicely.backends.sqlite import SQLiteBackend
from cicely.exceptions import ImproperlyConfigured


@dataclass
class Conf:
    result_expires: Any = 86400.0
    result_backend_transport_options: Mapping[str, Any] = field(default_factory=dict)
    override_backends: Mapping[str, str] = field(default_factory=dict)


class Custom(DisabledBackend):
    """A backend of the user's that tells what it was made with."""

    made_with: tuple[str, dict[str, Any]]

    @classmethod
    def from_url(cls, url: str, options: Mapping[str, Any]) -> Self:
        made = cls()
        made.made_with = (url, dict(options))
        return made


class Expiring(Custom):
    options: Mapping[str, str] = {"expires": "seconds"}


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sqlite:///x.db", SQLiteBackend),
        ("SQLite:///x.db", SQLiteBackend),
        ("memory://", MemoryBackend),
        ("cache+memory://", MemoryBackend),
        ("memory", MemoryBackend),
        ("file:///tmp/results", FilesystemBackend),
        ("disabled://", DisabledBackend),
        ("disabled", DisabledBackend),
        ("", DisabledBackend),
        (None, DisabledBackend),
    ],
)
def test_schemes(url: str | None, kind: type[ResultBackend]) -> None:
    assert type(open_backend(url, Conf())) is kind


def test_known_backends() -> None:
    assert {"sqlite", "memory", "cache+memory", "file", "disabled"} <= set(known_backends())


@pytest.mark.parametrize(
    ("url", "given"),
    [
        (f"{__name__}:Custom", f"{__name__}:Custom://"),
        (f"{__name__}.Custom", f"{__name__}.Custom://"),
        (f"{__name__}:Custom://host/x", f"{__name__}:Custom://host/x"),
        (f"{__name__}:Custom+my://user@host/x?a=1", "my://user@host/x?a=1"),
    ],
)
def test_class_paths(url: str, given: str) -> None:
    backend = open_backend(url, Conf(result_backend_transport_options={"b": 2}))
    assert isinstance(backend, Custom)
    assert backend.made_with == (given, {"b": 2})


@pytest.mark.parametrize(
    ("expires", "given"),
    [(60, 60), (timedelta(minutes=2), 120.0), (None, FOR_EVER), (0, FOR_EVER)],
)
def test_a_backend_that_wants_it_gets_the_lifetime(expires: Any, given: float) -> None:
    backend = open_backend(f"{__name__}:Expiring", Conf(result_expires=expires))
    assert isinstance(backend, Expiring)
    assert backend.made_with[1] == {"expires": given}


def test_override_backends() -> None:
    conf = Conf(override_backends={"sqlite": f"{__name__}:Custom"})
    backend = open_backend("sqlite:///x.db", conf)
    assert isinstance(backend, Custom)
    assert backend.made_with == ("sqlite:///x.db", {})


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("redis://localhost", "redis"),
        ("redis+socket:///x", "redis"),
        ("db+sqlite:///x.db", "sqlalchemy"),
        ("db+postgresql://u:secret@h/d", "sqlalchemy"),
        ("rpc://", "amqp"),
        ("mongodb+srv://h/d", "mongodb"),
        ("cache+memcached://h:1/", "memcached"),
    ],
)
def test_what_comes_later_names_its_extra(url: str, extra: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"cicely\[{extra}\].*sqlite") as error:
        open_backend(url, Conf())
    assert "secret" not in str(error.value)


def test_a_near_name_is_told() -> None:
    with pytest.raises(ImproperlyConfigured, match="did you mean 'sqlite'"):
        open_backend("sqllite:///x.db", Conf())
    with pytest.raises(ImproperlyConfigured, match=r"there are: .*memory"):
        open_backend("zzzzz://u:secret@h", Conf())


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("no.such.module:Backend", "cannot be imported"),
        (f"{__name__}:Missing", "does not exist"),
        (f"{__name__}:Conf", "is not a subclass"),
    ],
)
def test_bad_class_paths(url: str, text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=text):
        open_backend(url, Conf())


def test_our_own_entry_points_win() -> None:
    points: Sequence[EntryPoint] = [
        EntryPoint("memory", f"{__name__}:Custom", "cicely.backends"),
        EntryPoint("memory", "cicely.backends.memory:MemoryBackend", "cicely.backends"),
        EntryPoint("mine", f"{__name__}:Custom", "cicely.backends"),
    ]
    backends = Backends(lambda: points)
    assert type(backends.open("memory://", Conf())) is MemoryBackend
    assert type(backends.open("mine://", Conf())) is Custom


def test_an_unknown_option_is_an_error(tmp_path: Path) -> None:
    conf = Conf(result_backend_transport_options={"timeuot": 3})
    with pytest.raises(ImproperlyConfigured, match="did you mean 'timeout'"):
        open_backend(f"sqlite:///{tmp_path}/x.db", conf)


def test_the_disabled_backend_names_the_setting() -> None:
    backend = open_backend(None, Conf())
    assert not backend.enabled
    backend.put_many([])
    backend.forget(["a"])
    for read in (backend.get_many, backend.watch):
        with pytest.raises(ImproperlyConfigured, match=r"result_backend.*sqlite:///results\.db"):
            read(["a"])
    with pytest.raises(NotImplementedError):
        backend.load_group("g")

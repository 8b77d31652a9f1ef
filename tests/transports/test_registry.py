"""Schemes to transport classes: entry points, class paths, errors that say what to install."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

import pytest

from cicely_transports.errors import InvalidURL, MissingDependency, UnknownTransport
from cicely_transports.registry import GROUP, Transports, known_schemes, open_transport, transport_class
from cicely_transports.spi import Transport
from cicely_transports.url import BrokerURL, parse_url

PLUGIN = """
from cicely_transports.spi import Transport

class Plugin(Transport):
    @classmethod
    def from_url(cls, url, options):
        made = object.__new__(Recorded)
        made.seen = (url, options)
        return made

Recorded = type("Recorded", (Plugin,), {name: None for name in Transport.__abstractmethods__})

class Failover(Plugin):
    @classmethod
    def from_urls(cls, urls, options):
        return cls.from_url(list(urls), options)

NotATransport = int
"""


class FakePoints:
    """Entry points as given, and how often they were looked up."""

    def __init__(self, **points: str) -> None:
        self.points = points
        self.calls = 0

    def __call__(self) -> list[EntryPoint]:
        self.calls += 1
        return [EntryPoint(name, value, GROUP) for name, value in self.points.items()]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"plugin_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(PLUGIN)
    (tmp_path / f"{name}_broken.py").write_text("import a_client_library_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def seen(transport: Transport) -> tuple[Any, dict[str, Any]]:
    found: tuple[Any, dict[str, Any]] = transport.seen  # type: ignore[attr-defined]  # the plugin's own
    return found


def test_by_scheme_is_looked_up_once(plugin: str) -> None:
    points = FakePoints(plug=f"{plugin}:Plugin", broken=f"{plugin}_broken:X")
    transports = Transports(points)
    first, second = transports.find("plug"), transports.find("PLUG")
    assert first is second
    assert transports.schemes() == ["broken", "plug"]
    assert points.calls == 1


def test_a_broken_plugin_hurts_only_its_users(plugin: str) -> None:
    transports = Transports(FakePoints(plug=f"{plugin}:Plugin", broken=f"{plugin}_broken:X"))
    assert transports.find("plug").__name__ == "Plugin"
    with pytest.raises(MissingDependency, match="a_client_library_that_is_missing"):
        transports.find("broken")


def test_missing_client_library_names_the_extra(plugin: str) -> None:
    transports = Transports(FakePoints(rediss=f"{plugin}_broken:X"))
    with pytest.raises(MissingDependency, match=r"pip install 'cicely\[redis\]'"):
        transports.find("rediss")


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        ("redis", r"no transport is installed for redis://; install it: pip install 'cicely\[redis\]'"),
        ("sqs", r"cicely\[sqs\]"),
        ("amqps", r"cicely\[amqp\]"),
        ("plgu", r"did you mean 'plug'\?"),
        ("redsi", r"did you mean 'redis'\?"),
        ("zzzzz", "installed: plug"),
    ],
)
def test_unknown_scheme(plugin: str, scheme: str, text: str) -> None:
    with pytest.raises(UnknownTransport, match=text):
        Transports(FakePoints(plug=f"{plugin}:Plugin")).find(scheme)


def test_class_path_instead_of_a_scheme(plugin: str) -> None:
    transports = Transports(FakePoints())
    url, options = seen(transports.open(f"{plugin}:Plugin://h/x?a=1", {"b": 2}))
    assert url == parse_url(f"{plugin}:Plugin://h/x?a=1")
    assert options == {"a": "1", "b": 2}
    assert transports.find(f"{plugin}.Plugin").__name__ == "Plugin"


def test_transport_given_beside_the_url(plugin: str) -> None:
    transports = Transports(FakePoints())
    assert seen(transports.open("any://h", transport=f"{plugin}:Plugin"))[0] == BrokerURL("any", host="h")
    assert seen(transports.open("any://h", transport=transports.find(f"{plugin}:Plugin")))


def test_options_of_the_url_win(plugin: str) -> None:
    transports = Transports(FakePoints(plug=f"{plugin}:Plugin"))
    assert seen(transports.open("plug://h?a=url", {"a": "caller", "b": 1}))[1] == {"a": "url", "b": 1}


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        (":NotATransport", UnknownTransport, "is not a subclass"),
        (":Nothing", UnknownTransport, "does not exist"),
        (".sub:Nothing", MissingDependency, "cannot be imported"),
        ("_broken:X", MissingDependency, "a_client_library"),
    ],
)
def test_bad_class_path(plugin: str, name: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Transports(FakePoints()).find(plugin + name)


def test_several_urls_need_a_driver_with_failover(plugin: str) -> None:
    transports = Transports(FakePoints(plug=f"{plugin}:Plugin", over=f"{plugin}:Failover"))
    urls, options = seen(transports.open("over://a?x=1;over://b", {"y": 2}))
    assert urls == [parse_url("over://a?x=1"), parse_url("over://b")]
    assert options == {"x": "1", "y": 2}
    with pytest.raises(InvalidURL, match="plug transport takes one URL, 2 were given"):
        transports.open(["plug://a", "plug://b"])
    with pytest.raises(InvalidURL, match=r"several schemes \(over, plug\)"):
        transports.open(["over://a", "plug://b"])


def test_our_own_distribution_wins_a_scheme() -> None:
    points = [
        EntryPoint("plug", "aaa:Other", GROUP),
        EntryPoint("plug", "cicely_transports.spi:Transport", GROUP),
        EntryPoint("plug", "zzz:Other", GROUP),
    ]
    assert Transports(lambda: points).find("plug") is Transport


def test_installed_transports() -> None:
    assert {"memory", "sqlite"} <= set(known_schemes())
    with pytest.raises(UnknownTransport, match="did you mean 'memory'"):
        open_transport("memroy://")


class Counted(Transport):
    """Found by its path in this very module."""

    @classmethod
    def from_url(cls, url: BrokerURL, options: Mapping[str, Any]) -> Self:
        raise InvalidURL(f"{url.scheme} {sorted(options)}")

    @classmethod
    def from_urls(cls, urls: Sequence[BrokerURL], options: Mapping[str, Any]) -> Self:
        raise InvalidURL(f"{len(urls)} {sorted(options)}")


def test_errors_of_the_driver_pass() -> None:
    with pytest.raises(InvalidURL, match="any"):
        open_transport("any://?a=1", transport=Counted)
    with pytest.raises(InvalidURL, match=r"2 \['a'\]"):
        open_transport("any://a;any://b?a=1", transport=Counted)


def test_transport_class_takes_a_url_too() -> None:
    assert transport_class("cicely_transports.spi:Transport") is Transport
    assert transport_class("cicely_transports.spi:Transport://host") is Transport

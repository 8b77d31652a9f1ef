"""URLs: parsed, printed without secrets, options checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicely_transports.errors import InvalidURL
from cicely_transports.url import BrokerURL, mask, parse_url, parse_urls


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory://", BrokerURL("memory")),
        ("memory://Name", BrokerURL("memory", host="Name")),
        ("REDIS://h:6379/0", BrokerURL("redis", host="h", port=6379, path="0")),
        ("redis://:p%40ss@h/1", BrokerURL("redis", password="p@ss", host="h", path="1")),
        ("redis://u:@h", BrokerURL("redis", username="u", password="", host="h")),
        ("redis://[::1]:6380/2", BrokerURL("redis", host="::1", port=6380, path="2")),
        ("redis://[fe80::1]", BrokerURL("redis", host="fe80::1")),
        (
            "amqp://guest:a:b@h:5672//",
            BrokerURL("amqp", username="guest", password="a:b", host="h", port=5672, path="/"),
        ),
        ("sqlite:///a/b.db", BrokerURL("sqlite", path="a/b.db")),
        ("sqlite:////a/b%20c.db", BrokerURL("sqlite", path="/a/b c.db")),
        ("sqlite:////home/me@work/x.db", BrokerURL("sqlite", path="/home/me@work/x.db")),
        (
            "redis+socket:////run/redis.sock?db=3",
            BrokerURL("redis+socket", path="/run/redis.sock", query={"db": "3"}),
        ),
        (
            "sqs://AKIA:se%2Fcret%2B@/?region=eu&a=b+c",
            BrokerURL("sqs", username="AKIA", password="se/cret+", query={"region": "eu", "a": "b+c"}),
        ),
        (
            "mongodb://u:p@a:1,b:2/db",
            BrokerURL("mongodb", username="u", password="p", host="a:1,b:2", path="db"),
        ),
        ("my_pkg.mod:Class://h/x", BrokerURL("my_pkg.mod:Class", host="h", path="x")),
        ("my_pkg.mod.Class://", BrokerURL("my_pkg.mod.Class")),
        ("  redis://h  ", BrokerURL("redis", host="h")),
        ("redis://h?a=&b=1", BrokerURL("redis", host="h", query={"a": "", "b": "1"})),
    ],
)
def test_parse(text: str, expected: BrokerURL) -> None:
    assert parse_url(text) == expected
    assert parse_url(parse_url(text).text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("redis", "redis://"),
        ("localhost:6379", "scheme://host"),
        ("", "scheme://host"),
        ("redis://h:port/0", "port is not a number"),
        ("redis://h:0", "port is not a number"),
        ("redis://h:70000", "port is not a number"),
        ("redis://:topsecret:6379/0", "brackets"),
        ("redis://:top/secret@h:1/0", "%2F"),
        ("redis://u:12/topsecret@h:1/0", "%2F"),
        ("redis://u:12?topsecret@h:1/0", "%3F"),
        ("redis://::1:6379/0", "brackets"),
        ("redis://[::1", "brackets"),
        ("redis://[::1]x", "brackets"),
        ("amqp://a;b", "scheme each"),
        ("redis://h/%ff", "UTF-8"),
        ("redis://h?a=1&a=2", "'a' is given twice"),
        ("u:topsecret@h/0", "scheme://host"),
    ],
)
def test_errors_name_the_cause_and_no_secret(text: str, reason: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        parse_url(text)
    assert reason in str(caught.value)
    assert "topsecret" not in str(caught.value)
    assert "topsecret" not in mask(text)


def test_several_by_semicolon_or_list() -> None:
    expected = [parse_url("redis://a"), parse_url("redis://b/1")]
    assert parse_urls("redis://a;redis://b/1") == expected
    assert parse_urls("redis://a; redis://b/1;") == expected
    assert parse_urls(["redis://a", "redis://b/1"]) == expected
    assert parse_urls([expected[0], "redis://b/1"]) == expected
    assert parse_urls(expected[0]) == expected[:1]
    with pytest.raises(InvalidURL, match="empty"):
        parse_urls([])


def test_a_semicolon_inside_a_password_is_no_separator() -> None:
    assert parse_urls("redis://:a;b@h") == [BrokerURL("redis", password="a;b", host="h")]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("redis://:secret@h:1/0", "redis://:**@h:1/0"),
        ("amqp://me:secret@[::1]:5672//", "amqp://me:**@[::1]:5672//"),
        ("sqs://AKIA:secret@", "sqs://AKIA:**@"),
        ("redis://h?password=secret&db=1", "redis://h?password=**&db=1"),
        ("redis://h?ssl_keyfile=/a/b", "redis://h?ssl_keyfile=/a/b"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("redis://:secret@a;redis://:secret@b", "redis://:**@a;redis://:**@b"),
        ("redis://:secret@h:port", "redis://**"),
        ("just a text", "just a text"),
    ],
)
def test_masking(text: str, safe: str) -> None:
    assert mask(text) == safe


def test_no_form_of_display_shows_the_password() -> None:
    url = parse_url("redis://me:topsecret@h/0?access_key=topsecret")
    assert "topsecret" not in f"{url} {url.safe}"
    assert "topsecret" in url.text
    assert "password" not in repr(url)


names = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable())


@given(
    username=st.none() | names,
    password=st.none() | names,
    host=st.none() | st.from_regex(r"[a-zA-Z0-9.\-]{1,12}", fullmatch=True),
    port=st.none() | st.integers(1, 65535),
    path=st.text(max_size=20).filter(lambda text: text.isprintable()),
    query=st.dictionaries(names.filter(lambda name: "@" not in name), names, max_size=3),
)
def test_text_round_trip(
    username: str | None,
    password: str | None,
    host: str | None,
    port: int | None,
    path: str,
    query: dict[str, str],
) -> None:
    url = BrokerURL("redis", username, password, host, port if host else None, path, query)
    assert parse_url(url.text) == url


@given(st.text(alphabet="ab:/@;?&=%[],. 19é+") | st.text())
def test_any_text_is_a_url_or_an_error(text: str) -> None:
    for candidate in (text, f"redis://{text}"):
        mask(candidate)
        try:
            parsed = parse_url(candidate)
        except InvalidURL:
            continue
        assert parse_url(parsed.text) == parsed

"""Broker URLs: parsing, and a form that is safe to print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from .errors import InvalidURL

#: What stands for a secret in printed URLs (as in Celery's own log lines).
MASK = "**"

# ``package.module:Class`` is allowed in place of a scheme, hence dots, underscores and the colon.
_SCHEME_TEXT = r"[A-Za-z][\w.+-]*(?::[A-Za-z_]\w*)?"
_SCHEME = re.compile(rf"({_SCHEME_TEXT})://", re.ASCII)
_NEXT_URL = re.compile(rf";\s*(?={_SCHEME_TEXT}://)", re.ASCII)
_SECRET_OPTION = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|signature|(api|access)_?key", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class BrokerURL:
    """One parsed URL: ``scheme://user:password@host:port/path?option=value``.

    ``path`` keeps its text after the first slash (``sqlite:///a/b`` has ``a/b``, ``sqlite:////a/b``
    has ``/a/b``), decoded. ``query`` holds the options as text. ``host`` has no brackets for IPv6; a
    list of hosts (``mongodb://a:1,b:2/db``) stays one text with its ports, and ``port`` is None then.
    """

    scheme: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int | None = None
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def safe(self) -> str:
        """The URL as text with its secrets masked: for logs, errors and displays."""
        return self._text(secret=lambda _: MASK)

    @property
    def text(self) -> str:
        """The URL as text, secrets included. ``parse_url(url.text) == url``."""
        return self._text(secret=lambda value: quote(value, safe=""))

    def __str__(self) -> str:
        return self.safe

    def _text(self, secret: Callable[[str], str]) -> str:
        parts = [self.scheme, "://"]
        if self.username is not None:
            parts.append(quote(self.username, safe=""))
        if self.password is not None:
            parts += [":", secret(self.password)]
        if self.username is not None or self.password is not None:
            parts.append("@")
        if self.host is not None:
            several = "," in self.host
            parts.append(
                f"[{self.host}]" if ":" in self.host and not several else quote(self.host, safe=",:[]")
            )
        if self.port is not None:
            parts.append(f":{self.port}")
        if self.path:
            parts += ["/", quote(self.path, safe="/:@,=+")]
        options = []
        for name, value in self.query.items():
            shown = secret(value) if _SECRET_OPTION.search(name) else quote(value, safe="/:,+")
            options.append(f"{quote(name, safe='')}={shown}")
        return "".join(parts) + ("?" + "&".join(options) if options else "")


def parse_url(text: str) -> BrokerURL:
    """Parse one URL.

    User, password, host, path and options are percent-decoded; ``+`` stays ``+``. The scheme is
    lower-cased unless it is a class path. Raises InvalidURL, which never shows what could be a secret.
    """
    text = text.strip()
    match = _SCHEME.match(text)
    if match is None:
        raise InvalidURL(
            f"{mask(text)!r} is not a URL: write scheme://host/path, for example {_example(text)}"
        )
    scheme = match[1]
    if not is_class_path(scheme):
        scheme = scheme.lower()
    rest, _, query = text[match.end() :].partition("?")
    netloc, _, path = rest.partition("/")
    account, at, address = netloc.rpartition("@")
    if not at and ":" in netloc and "@" in path:
        raise _invalid(scheme, "user or password holds a '/': write %2F for it")
    username, colon, password = account.partition(":")
    try:
        host, port = _address(scheme, address)
        return BrokerURL(
            scheme=scheme,
            username=_decode(username) if username else None,
            password=_decode(password) if colon else None,
            host=host,
            port=port,
            path=_decode(path),
            query=_options(scheme, query),
        )
    except UnicodeDecodeError as exc:
        raise _invalid(scheme, "a percent escape in it is not UTF-8") from exc


def parse_urls(urls: str | BrokerURL | Iterable[str | BrokerURL]) -> list[BrokerURL]:
    """Parse one or several URLs: a list, or one text with ``;`` between them. Raises InvalidURL."""
    if isinstance(urls, BrokerURL):
        return [urls]
    if isinstance(urls, str):
        return [parse_url(part.rstrip("; ")) for part in _NEXT_URL.split(urls)]
    found = [url for item in urls for url in parse_urls(item)]
    if not found:
        raise InvalidURL("the list of broker URLs is empty")
    return found


def mask(text: str) -> str:
    """Any text that may be a URL, or several with ``;`` between, with the secrets masked."""
    parts = []
    for part in _NEXT_URL.split(text):
        match = _SCHEME.match(part.strip())
        if match is None:
            parts.append(MASK if "@" in part else part)
            continue
        try:
            parts.append(parse_url(part.rstrip("; ")).safe)
        except InvalidURL:
            parts.append(match[0] + MASK)
    return ";".join(parts)


def is_class_path(scheme: str) -> bool:
    """Whether the scheme is the dotted path of a transport class instead of a registered name."""
    return "." in scheme or ":" in scheme


def _address(scheme: str, address: str) -> tuple[str | None, int | None]:
    if ";" in address:
        raise _invalid(scheme, "several URLs need their scheme each: scheme://a;scheme://b")
    if "," in address:
        return _decode(address), None
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _invalid(scheme, "the IPv6 address needs brackets: [::1]:6379")
        port = rest[1:]
    else:
        host, _, port = address.partition(":")
        if ":" in port:
            raise _invalid(scheme, "an IPv6 address needs brackets: [::1]:6379")
    if not port:
        return _decode(host) or None, None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise _invalid(
            scheme,
            "the port is not a number from 1 to 65535; in a password write %2F for '/' and %40 for '@'",
        )
    return _decode(host) or None, int(port)


def _options(scheme: str, query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in filter(None, query.split("&")):
        name, _, value = item.partition("=")
        name = _decode(name)
        if "@" in name:
            raise _invalid(scheme, "user or password holds a '?': write %3F for it")
        if name in options:
            raise _invalid(scheme, f"option {name!r} is given twice")
        options[name] = _decode(value)
    return options


def _decode(text: str) -> str:
    return unquote(text, errors="strict")


def _invalid(scheme: str, reason: str) -> InvalidURL:
    return InvalidURL(f"{scheme}:// URL: {reason}")


def _example(text: str) -> str:
    return f"{text}://" if text.isidentifier() else "redis://localhost:6379/0"

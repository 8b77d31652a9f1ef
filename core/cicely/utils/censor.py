"""Hiding secrets in settings that are shown (wire-compat section 10.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "********"

_SECRET = re.compile(
    r"API|TOKEN|KEY|SECRET|PASS|SIGNATURE|DATABASE|PROFANITIES_LIST|BEAT_DBURI", re.IGNORECASE
)
_NOT_SECRET = frozenset({"task_default_routing_key"})
_URL_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.\-]*://[^/\s:@]*:)[^\s;,'\"]+(?=@)", re.IGNORECASE)
_URL_OPTION = re.compile(
    r"(?P<head>[?&][^=&\s]*(?:pass|secret|token|key)[^=&\s]*=)[^&\s;,'\"]+", re.IGNORECASE
)


def is_secret(name: str) -> bool:
    """Whether the name of a setting or of an option says that its value is not to be shown."""
    return name.lower() not in _NOT_SECRET and _SECRET.search(name) is not None


def mask_urls(text: str) -> str:
    """``text`` with the passwords in its URLs, and in their options, replaced."""
    return _URL_OPTION.sub(rf"\g<head>{MASK}", _URL_PASSWORD.sub(rf"\g<head>{MASK}", text))


def censor(name: str, value: Any) -> Any:
    """``value`` as it may be shown: masked by name, by URL, and inside of dicts and lists."""
    if value and is_secret(name):
        return MASK
    if isinstance(value, str):
        return mask_urls(value)
    if isinstance(value, Mapping):
        return {key: censor(str(key), item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([censor(name, item) for item in value]) if type(value) in (list, tuple) else value
    return value

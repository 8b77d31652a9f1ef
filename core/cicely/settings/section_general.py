"""General settings."""

from __future__ import annotations

from .kinds import BOOL, TEXT, TEXTS
from .setting import Setting

SETTINGS = (
    Setting(
        "accept_content",
        TEXTS,
        ("json",),
        "Serializers or content types that are read; a message in any other one is refused.",
        "CELERY_ACCEPT_CONTENT",
    ),
    Setting(
        "result_accept_content",
        TEXTS | None,
        None,
        "The same for stored results; None is what `accept_content` says.",
    ),
    Setting(
        "enable_utc",
        BOOL,
        True,
        "Times in messages are in UTC. When off, and `timezone` is not set, they are in the local zone.",
    ),
    Setting(
        "timezone",
        TEXT | None,
        None,
        "The IANA zone in which naive times and schedules are meant. None is UTC, or the system's zone when "
        "`enable_utc` is off.",
        "CELERY_TIMEZONE",
    ),
    Setting(
        "imports",
        TEXTS,
        (),
        "Modules that the worker imports at the start, for their tasks.",
        "CELERY_IMPORTS",
    ),
    Setting(
        "include",
        TEXTS,
        (),
        "More such modules; `include=` of the app and `-I` of the worker are added to it.",
        "CELERY_INCLUDE",
    ),
    Setting(
        "strict",
        BOOL,
        False,
        "A setting that does not exist is an error instead of a warning. New in cicely.",
    ),
)

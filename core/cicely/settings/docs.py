"""``python -m cicely.settings.docs [FILE]``: writes docs/settings.md from the table."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from .setting import Setting
from .table import TABLE

HEAD = """# Settings

Written by `python -m cicely.settings.docs docs/settings.md` from the table in `cicely.settings`.

Every setting is an attribute of `app.conf`. Its value comes from the strongest of these: the command line,
the environment variable where one is named below, an assignment or `app.conf.update(...)`, the configuration
given to `app.config_from_object(...)`, the default. The old upper-case names are accepted in place of the new
ones, but not mixed with them. With `namespace="CELERY"` a setting is called `CELERY_` and its new name in
capitals.

A name that is not listed here gets a warning (`UnknownSettingWarning`) with the name that may have been
meant; with `strict=True` it is an error. A value of the wrong type is always an error.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    section = ""
    for row in TABLE.values():
        if row.section != section:
            section = row.section
            parts.append(f"\n## {section}\n")
        parts.append(_entry(row))
    return "".join(parts)


def _entry(row: Setting) -> str:
    default = f"as `{row.fallback}`" if row.fallback else f"`{_shown(row.default)}`"
    facts = [f"takes {row.kind.name}", f"default {default}", f"old name `{row.old_name}`"]
    if row.environment:
        facts.append("environment " + ", ".join(f"`{name}`" for name in row.environment))
    return f"\n### `{row.name}`\n\n{row.doc}\n\n*{'; '.join(facts)}*\n"


def _shown(value: Any) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    return repr(value)


def main() -> None:
    """Write the page to the file that is named, or to standard output."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()

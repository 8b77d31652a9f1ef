from __future__ import annotations

from pathlib import Path

from cicely.settings.docs import page
from cicely.settings.table import NEW_NAMES, TABLE

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def test_page_is_up_to_date() -> None:
    assert DOCS.read_text("utf-8") == page(), "run: python -m cicely.settings.docs docs/settings.md"


def test_every_row_is_documented_and_old_names_are_unique() -> None:
    assert len(NEW_NAMES) == len(TABLE)
    for row in TABLE.values():
        assert row.doc.endswith(".") or row.doc.endswith(")"), row.name
        assert row.fallback is None or row.fallback in TABLE

"""docs/messaging.md runs as it is printed, and prints what it says."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "messaging.md"
BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
PRINTED_URL = "sqlite:///messages.db"


def test_the_page_runs(broker_url: str) -> None:
    text = PAGE.read_text("utf-8")
    assert text.count(PRINTED_URL) == 1
    namespace: dict[str, Any] = {"__name__": "page"}
    printed = ""
    blocks = BLOCK.findall(text.replace(PRINTED_URL, broker_url))
    assert len(blocks) > 10
    for kind, content in blocks:
        if kind == "text":
            # Which of two queues is served first is the broker's choice.
            assert sorted(printed.splitlines()) == sorted(content.splitlines())
            continue
        out = io.StringIO()
        with redirect_stdout(out):
            exec(compile(content, str(PAGE), "exec"), namespace)
        printed = out.getvalue()

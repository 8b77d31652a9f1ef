"""Tasks of the demo: what is in a Python source file?"""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import Any

from cicely import Cicely

app = Cicely("census")


@app.task
def census(path: str) -> dict[str, Any]:
    """Lines, words, SHA-256 and the longest function (name and length in lines) of one file."""
    data = Path(path).read_bytes()
    longest = max(_functions(data), default=(0, ""))
    return {
        "path": path,
        "lines": data.count(b"\n"),
        "words": len(data.split()),
        "sha256": hashlib.sha256(data).hexdigest(),
        "longest": {"name": longest[1], "lines": longest[0]},
    }


def _functions(data: bytes) -> list[tuple[int, str]]:
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):  # the standard library ships files that are wrong on purpose
        return []
    return [
        ((node.end_lineno or node.lineno) - node.lineno + 1, node.name)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]

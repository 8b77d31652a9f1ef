"""Printing rows: a table for people, tab-separated lines for pipes, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click


def emit(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print ``columns`` of ``rows``; ``empty`` is said to people when there is nothing."""
    if as_json:
        click.echo(json.dumps([dict(row) for row in rows], default=str))
        return
    texts = [[str(row[column]) for column in columns] for row in rows]
    if not sys.stdout.isatty():
        for line in texts:
            click.echo("\t".join(line))
        return
    if not texts:
        click.echo(empty)
        return
    widths = [max(len(column), *(len(line[at]) for line in texts)) for at, column in enumerate(columns)]
    for line in [list(columns), *texts]:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def confirm(question: str, *, force: bool) -> None:
    """Ask before destroying; ``force`` skips it. Off a terminal, refuse instead of waiting for ever."""
    if force:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nothing was done: say -f to do it without asking.")
    click.confirm(question, abort=True)

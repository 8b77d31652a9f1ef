"""``cicely call``."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from .context import CLIContext


def _json(expected: type, word: str) -> Any:
    def convert(_: click.Context, param: click.Parameter, value: str) -> Any:
        try:
            data = json.loads(value)
        except ValueError as exc:
            raise click.BadParameter(
                f"not JSON: {exc}. Quote it for the shell, such as '[1, \"two\"]'."
            ) from exc
        if not isinstance(data, expected):
            raise click.BadParameter(f"must be a JSON {word}, got {value}")
        return data

    return convert


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | float | None:
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(value)
    except ValueError as exc:
        raise click.BadParameter(f"neither a number of seconds nor an ISO 8601 time: {value}") from exc


@click.command()
@click.argument("name")
@click.option(
    "-a", "--args", "positional", default="[]", callback=_json(list, "array"), help="Arguments as JSON."
)
@click.option(
    "-k", "--kwargs", default="{}", callback=_json(dict, "object"), help="Keyword arguments as JSON."
)
@click.option("--eta", callback=_moment, help="Not before this time (ISO 8601).")
@click.option("--countdown", type=float, help="Not before this many seconds.")
@click.option("--expires", callback=_moment, help="Not after this time (ISO 8601) or this many seconds.")
@click.option("--serializer", help="Serializer of the body.")
@click.option("--queue", help="Queue to send to.")
@click.option("--exchange", help="Exchange to send to.")
@click.option("--routing-key", help="Routing key.")
@click.option("--wait", type=float, metavar="SECONDS", help="Wait this long for the result and print it.")
@click.pass_obj
def call(
    obj: CLIContext,
    /,
    name: str,
    positional: list[Any],
    kwargs: dict[str, Any],
    wait: float | None,
    **rest: Any,
) -> None:
    """Send the task NAME and print its id."""
    options = {key: value for key, value in rest.items() if value is not None}
    outcome = obj.app.send_task(name, positional, kwargs, **options)
    if not obj.quiet or wait is None:
        click.echo(outcome.id)
    if wait is not None:
        click.echo(json.dumps(outcome.get(timeout=wait), default=str))

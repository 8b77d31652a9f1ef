"""``cicely purge``."""

from __future__ import annotations

from contextlib import closing

import click

from .context import CLIContext
from .output import confirm


def split_names(_: click.Context, __: click.Parameter, value: str | None) -> list[str]:
    """``a,b`` -> ``["a", "b"]``."""
    return [part.strip() for part in (value or "").split(",") if part.strip()]


@click.command()
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.option("-Q", "--queues", "wanted", callback=split_names, help="Only these queues (comma separated).")
@click.option("-X", "--exclude-queues", "excluded", callback=split_names, help="Not these queues.")
@click.pass_obj
def purge(obj: CLIContext, force: bool, wanted: list[str], excluded: list[str]) -> None:
    """Drop the messages that wait in queues. Claimed messages and dead letters stay."""
    app = obj.app
    with closing(app.open_transport()) as transport:
        names = wanted or sorted(app.queues)
        names = [name for name in names if name not in excluded]
        sizes = transport.sizes(names)
        waiting = sum(size.ready + size.delayed for size in sizes.values())
        if not waiting:
            click.echo("Nothing to purge.")
            return
        confirm(f"Drop {waiting} waiting messages of {', '.join(names)}?", force=force)
        dropped = sum(transport.purge(name) for name in names)
    click.echo(f"Dropped {dropped} messages.")

"""``cicely queues``."""

from __future__ import annotations

from contextlib import closing

import click

from .context import CLIContext
from .output import emit

COLUMNS = ["queue", "ready", "leased", "delayed", "dead"]


@click.command()
@click.argument("names", nargs=-1)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def queues(obj: CLIContext, names: tuple[str, ...], as_json: bool) -> None:
    """List queues (all that the broker knows, or NAMES) with what they hold."""
    with closing(obj.app.open_transport()) as transport:
        wanted = list(names) or transport.queues()
        sizes = transport.sizes(wanted)
    rows = [
        {
            "queue": name,
            "ready": size.ready,
            "leased": size.leased,
            "delayed": size.delayed,
            "dead": size.dead,
        }
        for name, size in sizes.items()
    ]
    emit(rows, COLUMNS, as_json=as_json, empty="The broker has no queue yet: start a worker or send a task.")

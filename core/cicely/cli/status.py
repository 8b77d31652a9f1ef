"""``cicely status``."""

from __future__ import annotations

import sys
from contextlib import closing

import click

from cicely_transports.errors import TransportError

from .context import CLIContext

EX_UNAVAILABLE = 69


@click.command()
@click.pass_obj
def status(obj: CLIContext) -> None:
    """Tell whether the broker answers and how much work waits. Exit code 69 when it does not answer."""
    app = obj.app
    broker = app.safe_broker_url
    try:
        with closing(app.open_transport()) as transport:
            sizes = transport.sizes(transport.queues())
    except TransportError as exc:
        click.echo(f"broker   {broker}: {exc}", err=True)
        sys.exit(EX_UNAVAILABLE)
    ready, leased = sum(size.ready for size in sizes.values()), sum(size.leased for size in sizes.values())
    delayed, dead = sum(size.delayed for size in sizes.values()), sum(size.dead for size in sizes.values())
    click.echo(f"broker   {broker}: OK")
    click.echo(f"results  {app.safe_backend_url if app.backend.enabled else 'disabled'}")
    click.echo(f"queues   {len(sizes)}: {ready} ready, {leased} with workers, {delayed} delayed, {dead} dead")

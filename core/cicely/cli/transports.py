"""``cicely transports``."""

from __future__ import annotations

import click

from cicely_transports.registry import known_schemes, transport_class

from .output import emit


@click.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
def transports(as_json: bool) -> None:
    """List the URL schemes that can be used as a broker here, and where each comes from."""
    rows = []
    for scheme in known_schemes():
        found = transport_class(scheme)
        rows.append({"scheme": scheme, "class": f"{found.__module__}:{found.__qualname__}"})
    emit(rows, ["scheme", "class"], as_json=as_json, empty="No transport is installed.")

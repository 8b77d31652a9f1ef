"""``cicely result``."""

from __future__ import annotations

import json
import sys

import click

from .context import CLIContext


@click.command()
@click.argument("task_id")
@click.option("-t", "--task", help="Name of the task (kept for Celery's scripts; not needed).")
@click.option("--traceback", is_flag=True, help="Show the traceback instead.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def result(obj: CLIContext, task_id: str, task: str | None, traceback: bool, as_json: bool) -> None:
    """Print what is stored for TASK_ID. Exit code 1 when nothing is."""
    found = obj.app.AsyncResult(task_id, task_name=task)
    if not found.exists():
        click.echo(f"Nothing is stored for {task_id}: not finished, expired, or never sent.", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps({"id": task_id, "status": found.status, "result": found.result}, default=repr))
    elif traceback:
        click.echo(found.traceback or "No traceback.")
    else:
        click.echo(f"{found.status}: {found.result!r}")

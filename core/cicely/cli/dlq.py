"""``cicely dlq``: the dead letters."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import click

from cicely_transports.spi import DeadLetter, Transport

from .context import CLIContext
from .output import confirm, emit
from .purge import split_names

COLUMNS = ["id", "queue", "task", "task_id", "attempts", "died", "reason"]


@click.group()
def dlq() -> None:
    """Messages that were given up: too many crashes, unknown tasks, unreadable content."""


def _queues(transport: Transport, wanted: list[str]) -> list[str]:
    return wanted or transport.queues()


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "queue": letter.queue,
        "task": letter.message.headers.get("task", "?"),
        "task_id": letter.message.headers.get("id", "?"),
        "attempts": letter.attempt,
        "died": datetime.fromtimestamp(letter.died_at, UTC).isoformat(timespec="seconds"),
        "reason": letter.reason,
    }


def _chosen(transport: Transport, wanted: list[str], ids: tuple[str, ...]) -> dict[str, list[str]]:
    """Ids (of letters or of tasks) by queue. Raises click.UsageError for one that is not there."""
    missing, chosen = set(ids), dict[str, list[str]]()
    for queue in _queues(transport, wanted):
        for letter in transport.dead_letters(queue, limit=sys.maxsize):
            names = {letter.id, str(letter.message.headers.get("id"))}
            if names & set(ids):
                chosen.setdefault(queue, []).append(letter.id)
                missing -= names
    if missing:
        raise click.UsageError(f"no dead letter {', '.join(sorted(missing))}: see 'cicely dlq list'")
    return chosen


_queue_option = click.option("-Q", "--queues", "wanted", callback=split_names, help="Only these queues.")
_all_option = click.option("--all", "everything", is_flag=True, help="All dead letters of the queues.")


@dlq.command("list")
@_queue_option
@click.option("--limit", default=100, show_default=True, help="At most this many of each queue.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(obj: CLIContext, wanted: list[str], limit: int, as_json: bool) -> None:
    """List dead letters, the oldest first, with their reason."""
    with closing(obj.app.open_transport()) as transport:
        rows = [
            _row(letter)
            for queue in _queues(transport, wanted)
            for letter in transport.dead_letters(queue, limit=limit)
        ]
    emit(rows, COLUMNS, as_json=as_json, empty="No dead letters.")


@dlq.command()
@click.argument("ids", nargs=-1, required=True)
@_queue_option
@click.pass_obj
def show(obj: CLIContext, ids: tuple[str, ...], wanted: list[str]) -> None:
    """Print dead letters (by their id or task id) as JSON: headers, properties and body."""
    with closing(obj.app.open_transport()) as transport:
        for queue, chosen in _chosen(transport, wanted, ids).items():
            for letter in transport.dead_letters(queue, limit=len(chosen), ids=chosen):
                detail = _row(letter) | {
                    "content_type": letter.message.properties.content_type,
                    "headers": dict(letter.message.headers),
                    "body": letter.message.body.decode("utf-8", "backslashreplace"),
                }
                click.echo(json.dumps(detail, indent=2, default=repr))


@dlq.command()
@click.argument("ids", nargs=-1)
@_queue_option
@_all_option
@click.pass_obj
def requeue(obj: CLIContext, ids: tuple[str, ...], wanted: list[str], everything: bool) -> None:
    """Put dead letters back into their queue with a new delivery count."""
    _exactly_one(ids, everything)
    with closing(obj.app.open_transport()) as transport:
        if everything:
            count = sum(transport.requeue_dead(queue) for queue in _queues(transport, wanted))
        else:
            count = sum(
                transport.requeue_dead(queue, found)
                for queue, found in _chosen(transport, wanted, ids).items()
            )
    click.echo(f"Requeued {count} messages.")


@dlq.command()
@click.argument("ids", nargs=-1)
@_queue_option
@_all_option
@click.option("-f", "--force", is_flag=True, help="Do not ask.")
@click.pass_obj
def purge(obj: CLIContext, ids: tuple[str, ...], wanted: list[str], everything: bool, force: bool) -> None:
    """Drop dead letters for good."""
    _exactly_one(ids, everything)
    with closing(obj.app.open_transport()) as transport:
        if everything:
            names = _queues(transport, wanted)
            total = sum(size.dead for size in transport.sizes(names).values())
            if total:
                confirm(f"Drop {total} dead letters of {', '.join(names)}?", force=force)
            count = sum(transport.purge_dead(queue) for queue in names)
        else:
            chosen = _chosen(transport, wanted, ids)
            confirm(f"Drop {sum(map(len, chosen.values()))} dead letters?", force=force)
            count = sum(transport.purge_dead(queue, found) for queue, found in chosen.items())
    click.echo(f"Dropped {count} messages.")


def _exactly_one(ids: tuple[str, ...], everything: bool) -> None:
    if bool(ids) == everything:
        raise click.UsageError("give the ids of dead letters (see 'cicely dlq list'), or --all")

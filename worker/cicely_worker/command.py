"""``cicely worker`` with Celery's options (wire-compat section 11).

Options whose feature this version lacks and whose absence would change what a worker does are refused;
those that switch off what cicely never does, or tune what it does by itself, are accepted. Only the options
are here; what they lead to is in :mod:`.launch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .cpus import cpu_count

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")
#: Accepted, because leaving them out changes nothing: option names, flag or value, and why.
HARMLESS = (
    (("--without-gossip",), True, "Accepted: cicely workers do not gossip."),
    (("--without-mingle",), True, "Accepted: cicely workers do not mingle."),
    (("--without-heartbeat",), True, "Accepted: this version sends no heartbeats."),
    (("-O", "--optimization"), False, "Accepted: dispatch adapts to the tasks by itself."),
    (("-E", "--task-events", "--events"), True, "Accepted: this version sends no task events yet."),
    (("--prefetch-multiplier",), False, "Accepted: cicely fetches what free executors can take."),
)
#: Refused: silently doing nothing would mislead.
MISSING = (
    (("-D", "--detach"), True),
    (("-S", "--statedb"), False),
    (("--time-limit",), False),
    (("--soft-time-limit",), False),
    (("--max-tasks-per-child",), False),
    (("--max-memory-per-child",), False),
    (("--pool-start-method",), False),
    (("--heartbeat-interval",), False),
    (("--autoscale",), False),
    (("-B", "--beat"), True),
    (("-s", "--schedule-filename", "--schedule"), False),
    (("--scheduler",), False),
    (("--pidfile",), False),
    (("--uid",), False),
    (("--gid",), False),
    (("--umask",), False),
    (("--executable",), False),
)


def split_names(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """``-Q a,b -Q c`` -> ``("a", "b", "c")``."""
    return tuple([part.strip() for text in value for part in text.split(",") if part.strip()])


def _concurrency(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    if value == "auto":
        return cpu_count()
    if not value.isdigit() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither a number of at least 1 nor 'auto'")
    return int(value)


def _refuse(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value and not ctx.resilient_parsing:
        raise click.UsageError(f"{param.opts[-1]}: this version of cicely does not have this yet")


def _extra_options(command: Callable[..., None]) -> Callable[..., None]:
    for names, flag, why in HARMLESS:
        command = click.option(*names, is_flag=flag, expose_value=False, help=why)(command)
    for names, flag in MISSING:
        command = click.option(*names, is_flag=flag, expose_value=False, hidden=True, callback=_refuse)(
            command
        )
    return command


@click.command()
@click.option("-n", "--hostname", metavar="NAME", help="Node name; %h host, %n its name, %d its domain.")
@click.option("-l", "--loglevel", type=click.Choice(LEVELS, case_sensitive=False), default="WARNING")
@click.option("-f", "--logfile", metavar="FILE", help="Log there instead of standard error.")
@click.option("-c", "--concurrency", callback=_concurrency, metavar="N|auto", help="Executors [CPUs].")
@click.option("-P", "--pool", metavar="POOL", help="prefork, threads, solo or an installed one.")
@click.option("-Q", "--queues", multiple=True, callback=split_names, metavar="NAMES", help="Consume these.")
@click.option(
    "-X", "--exclude-queues", multiple=True, callback=split_names, metavar="NAMES", help="Not these."
)
@click.option(
    "-I", "--include", multiple=True, callback=split_names, metavar="MODULES", help="Import these, too."
)
@click.option("--disable-prefetch", is_flag=True, help="Fetch only what can start at once.")
@click.option("--purge", "--discard", is_flag=True, help="First drop the messages that wait in the queues.")
@_extra_options
def worker(**_: Any) -> None:
    """Run a worker: take messages from queues and run their tasks."""
    from .launch import launch  # here, so that the list of commands is quick

    context = click.get_current_context()
    context.exit(launch(context.obj.app, context.params, quiet=context.obj.quiet))

"""``cicely worker`` with Celery's options (wire-compat section 11).

Options whose feature this version lacks and whose absence would change what a worker does are refused;
those that switch off what cicely never does, or tune what it does by itself, are accepted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from cicely.exceptions import ImproperlyConfigured
from cicely_transports.errors import MisuseError

from .banner import Facts, banner
from .logsetup import LEVELS, setup_logging
from .options import WorkerOptions, cpu_count, node_name
from .pools.registry import pool_class

if TYPE_CHECKING:
    from cicely.app import Cicely

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
def worker(
    hostname: str | None,
    loglevel: str,
    logfile: str | None,
    concurrency: int | None,
    pool: str | None,
    queues: tuple[str, ...],
    exclude_queues: tuple[str, ...],
    include: tuple[str, ...],
    disable_prefetch: bool,
    purge: bool,
) -> None:
    """Run a worker: take messages from queues and run their tasks."""
    context = click.get_current_context()
    app: Cicely = context.obj.app
    try:
        for module in include:
            import_module(module)
        app.loader.import_default_modules()
        app.finalize()
        conf = app.conf
        wanted = concurrency or conf.worker_concurrency
        options = WorkerOptions(
            hostname=node_name(hostname),
            pool=pool or conf.worker_pool,
            concurrency=int(wanted or cpu_count()),
            queues=tuple(app.queues.select(queues, exclude=exclude_queues)),
            lease=conf.worker_lease,
            max_deliveries=conf.task_max_deliveries,
            grace=conf.worker_shutdown_grace,
            soft_timeout=conf.worker_soft_shutdown_timeout,
            prefetch=not (conf.worker_disable_prefetch or disable_prefetch),
        )
        pool_class(options.pool)
        with closing(app.open_transport()) as transport:
            if purge:
                dropped = sum([transport.purge(name) for name in options.queues])
                click.echo(f"Dropped {dropped} waiting messages of {', '.join(options.queues)}.")
    except (ImproperlyConfigured, MisuseError) as error:
        raise click.UsageError(str(error)) from error
    setup_logging(conf, loglevel, logfile)
    if not context.obj.quiet:
        click.echo(banner(_facts(app, options, given=wanted is not None)), nl=False)
    from .hosting import Worker

    sys.stdout.flush()
    context.exit(Worker(app, options).run())


def _facts(app: Cicely, options: WorkerOptions, *, given: bool) -> Facts:
    hints = []
    if not app.backend.enabled:
        hints.append("results are not kept: set result_backend to keep them")
    if not app.conf.broker_url:
        hints.append("no broker_url is set: the embedded SQLite broker serves this machine")
    return Facts(
        hostname=options.hostname,
        version=version("cicely-core"),
        app=app.main or "(no name)",
        broker=app.safe_broker_url,
        backend=app.safe_backend_url if app.backend.enabled else "disabled",
        pool=options.pool,
        concurrency=options.concurrency,
        why="as asked" if given else "one for each CPU",
        queues=options.queues,
        tasks=list(app.tasks),
        hints=hints,
    )

"""``cicely worker`` with Celery's options (wire-compat section 11).

Options whose feature this version lacks and whose absence would change what a worker does are refused;
those that switch off what cicely never does, or tune what it does by itself, are accepted.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from cicely import signals
from cicely.embedded import embedded_url
from cicely.exceptions import CicelyWarning, ImproperlyConfigured, QueueNotFound
from cicely_transports.errors import MisuseError
from cicely_transports.serialization import content_types

from .banner import Facts, banner
from .logsetup import LEVELS, setup_logging
from .options import WorkerOptions, cpu_count, node_name
from .pools.registry import pool_class
from .pools.solo import SoloPool

if TYPE_CHECKING:
    from cicely.app import Cicely

PICKLE = "application/x-python-serialize"
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
    include: tuple[str, ...],
    purge: bool,
    **_: Any,
) -> None:
    """Run a worker: take messages from queues and run their tasks."""
    context = click.get_current_context()
    app: Cicely = context.obj.app
    name = node_name(hostname)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CicelyWarning)
        try:
            _load(app, include)
            signals.celeryd_init.send(name, instance=None, conf=app.conf, options=context.params)
            options = _options(app, name, context.params)
            if purge:
                _purge(app, options.queues)
        except (ImproperlyConfigured, QueueNotFound, MisuseError) as error:
            raise click.UsageError(str(error)) from error
    for warning in caught:
        click.echo(f"Warning: {warning.message}", err=True)
    if not context.obj.quiet:
        click.echo(banner(_facts(app, options, given=concurrency is not None)), nl=False)
    try:
        setup_logging(app.conf, loglevel, logfile)
    except OSError as error:
        raise click.UsageError(f"--logfile: {error}") from error
    from .hosting import Worker

    hosted = Worker(app, options)
    signals.celeryd_after_setup.send(name, instance=hosted, conf=app.conf)
    context.exit(hosted.run())


def _load(app: Cicely, include: tuple[str, ...]) -> None:
    for module in include:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise click.UsageError(f"--include {module}: there is no module {error.name!r}") from error
    app.loader.import_default_modules()
    app.finalize()


def _options(app: Cicely, name: str, given: Mapping[str, Any]) -> WorkerOptions:
    """What the command line says, then the settings. Opens the broker's URL to find mistakes in it."""
    conf = app.conf
    pool = given["pool"] or conf.worker_pool
    single = issubclass(pool_class(pool), SoloPool)
    app.open_transport().close()
    return WorkerOptions(
        hostname=name,
        pool=pool,
        concurrency=1 if single else int(given["concurrency"] or conf.worker_concurrency or cpu_count()),
        queues=tuple(app.queues.select(given["queues"], exclude=given["exclude_queues"])),
        lease=conf.worker_lease,
        max_deliveries=conf.task_max_deliveries,
        grace=conf.worker_shutdown_grace,
        soft_timeout=conf.worker_soft_shutdown_timeout,
        prefetch=not (conf.worker_disable_prefetch or given["disable_prefetch"]),
    )


def _purge(app: Cicely, queues: Sequence[str]) -> None:
    with closing(app.open_transport()) as transport:
        dropped = sum([transport.purge(queue) for queue in queues])
    click.echo(f"Dropped {dropped} waiting messages of {', '.join(queues)}.")


def _facts(app: Cicely, options: WorkerOptions, *, given: bool) -> Facts:
    conf = app.conf
    if options.concurrency == 1 and issubclass(pool_class(options.pool), SoloPool):
        why = "always one"
    elif given or conf.worker_concurrency:
        why = "as asked"
    else:
        why = "one for each CPU"
    return Facts(
        hostname=options.hostname,
        version=version("cicely-core"),
        app=app.main or "(no name)",
        broker=app.safe_broker_url,
        backend=app.safe_backend_url if app.backend.enabled else "disabled",
        pool=options.pool,
        concurrency=options.concurrency,
        why=why,
        queues=options.queues,
        tasks=list(app.tasks),
        hints=list(_hints(app)),
    )


def _hints(app: Cicely) -> Iterator[str]:
    if app.broker_url == embedded_url(app.main):
        yield "no broker_url is set: the embedded SQLite broker serves this machine"
    if not app.backend.enabled:
        yield "results are not kept: set result_backend to keep them, or ignore_result to say so"
    if getattr(os, "getuid", os.getpid)() == 0 and PICKLE in content_types(app.conf.accept_content):
        yield "pickle is accepted and this worker is root: whoever can send messages owns this machine"

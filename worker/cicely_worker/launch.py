"""From the options of ``cicely worker`` to a worker that runs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
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
from .cpus import cpu_count
from .hosting import Worker
from .logsetup import setup_logging
from .options import WorkerOptions, node_name
from .pools.registry import pool_class
from .pools.solo import SoloPool

if TYPE_CHECKING:
    from cicely.app import Cicely

PICKLE = "application/x-python-serialize"


def launch(app: Cicely, given: Mapping[str, Any], *, quiet: bool) -> int:
    """Run a worker as the command line says; ``given`` are click's parameters by name.

    Returns its exit code. Raises click.UsageError for whatever the user can mend.
    """
    name = node_name(given["hostname"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CicelyWarning)
        try:
            _load(app, given["include"])
            signals.celeryd_init.send(name, instance=None, conf=app.conf, options=given)
            options = _options(app, name, given)
            if given["purge"]:
                _purge(app, options.queues)
        except (ImproperlyConfigured, QueueNotFound, MisuseError) as error:
            raise click.UsageError(str(error)) from error
    for warning in caught:
        click.echo(f"Warning: {warning.message}", err=True)
    if not quiet:
        click.echo(banner(_facts(app, options, given=given["concurrency"] is not None)), nl=False)
    try:
        setup_logging(app.conf, given["loglevel"], given["logfile"])
    except OSError as error:
        raise click.UsageError(f"--logfile: {error}") from error
    hosted = Worker(app, options)
    signals.celeryd_after_setup.send(name, instance=hosted, conf=app.conf)
    return hosted.run()


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

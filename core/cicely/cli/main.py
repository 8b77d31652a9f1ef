"""The ``cicely`` group: global options, lazy commands, and one place where errors become text.

Nothing but click is imported until a command is chosen. ``-A`` and the other global options are
accepted before and after the command's name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import click

from .context import CLIContext

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

EX_UNAVAILABLE = 69  # sysexits.h: what is needed is not there now; Celery's scripts test for it

#: Built-in commands: where the click object is, and the line that ``--help`` shows without loading it.
BUILTIN = {
    "call": ("cicely.cli.call:call", "Send a task by name."),
    "result": ("cicely.cli.result:result", "Show the result of a task."),
    "status": ("cicely.cli.status:status", "Tell whether broker and result backend answer."),
    "queues": ("cicely.cli.queues:queues", "List queues and how much they hold."),
    "purge": ("cicely.cli.purge:purge", "Drop the waiting messages of queues."),
    "dlq": ("cicely.cli.dlq:dlq", "List, show, requeue or drop dead letters."),
    "transports": ("cicely.cli.transports:transports", "List the installed transports."),
}

#: What to install for commands that come with another distribution (found by entry point once it is there).
DISTRIBUTIONS = {"worker": "cicely-worker", "beat": "cicely-beat"}


class LazyGroup(click.Group):
    """Commands by name: the built-in ones and those of the entry point group ``cicely.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*sorted(name for name in _plugins() if name not in BUILTIN), *BUILTIN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in BUILTIN:
            command = _load(BUILTIN[cmd_name][0])
        elif plugin := _plugins().get(cmd_name):
            command = _load(plugin.value)
        elif cmd_name in DISTRIBUTIONS:
            dist = DISTRIBUTIONS[cmd_name]
            raise click.UsageError(
                f"'cicely {cmd_name}' comes with {dist}, which is not installed: pip install {dist}"
            )
        else:
            return None
        _add_global_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Built-in help lines come from the table above, so that --help loads none of them.
        rows = [
            (
                name,
                BUILTIN[name][1] if name in BUILTIN else _load(_plugins()[name].value).get_short_help_str(),
            )
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@cache
def _plugins() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="cicely.commands")}


def _load(target: str) -> click.Command:
    from importlib import import_module

    module, _, attribute = target.partition(":")
    command = getattr(import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise click.ClickException(f"{target} is not a click command")
    return command


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and value is not False:
        setattr(ctx.ensure_object(CLIContext), str(param.name), value)


def _global_options(*, hidden: bool) -> list[click.Option]:
    def option(*names: str, help: str, **attrs: Any) -> click.Option:  # noqa: A002 - click's own name
        return click.Option(names, help=help, hidden=hidden, expose_value=False, callback=_remember, **attrs)

    return [
        option(
            "-A", "--app", "app_name", metavar="APP", help="The app: module, module:attribute or file.py."
        ),
        option("-b", "--broker", "broker", metavar="URL", help="Broker URL, instead of the app's."),
        option("--result-backend", "result_backend", metavar="URL", help="Result backend URL."),
        option("--config", "config", metavar="MODULE", help="Configuration module."),
        option("--workdir", "workdir", metavar="DIR", help="Change to this directory first."),
        option("-C", "--no-color", "no_color", is_flag=True, help="No colours."),
        option("-q", "--quiet", "quiet", is_flag=True, help="Print results only."),
    ]


def _add_global_options(command: click.Command) -> None:
    """Accept the global options after the command, too, unless the command uses the name itself."""
    taken = {name for param in command.params for name in param.opts}
    present = {param.name for param in command.params}
    for extra in _global_options(hidden=True):
        if extra.name not in present and not taken.intersection(extra.opts):
            command.params.append(extra)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _add_global_options(child)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"cicely {version('cicely-core')}")
        ctx.exit()


def _group() -> LazyGroup:
    version = click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_version,
        help="Show the version.",
    )
    return LazyGroup(
        "cicely",
        params=[*_global_options(hidden=False), version],
        context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CICELY"},
        no_args_is_help=True,
        help="Run and look after a cicely task queue.",
    )


def run(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code (0 well, 1 failed, 2 misuse, 69 broker not there)."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    from cicely_transports.errors import MisuseError, RetryableError, TransportError

    group = _group()
    try:
        outcome = group.main(list(argv), prog_name="cicely", standalone_mode=False, obj=CLIContext())
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.exceptions.NoArgsIsHelpError as exc:
        exc.show()
        return exc.exit_code
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except click.Abort:
        click.echo("Aborted.", err=True)
        return 1
    except TransportError as exc:
        return _explain(
            exc,
            EX_UNAVAILABLE if isinstance(exc, RetryableError) else 2 if isinstance(exc, MisuseError) else 1,
        )
    except Exception as exc:
        from cicely.exceptions import CicelyError

        if not isinstance(exc, CicelyError):
            raise
        return _explain(exc, 1)
    return outcome if isinstance(outcome, int) else 0


def _explain(exc: BaseException, code: int) -> int:
    click.echo(f"Error: {exc}", err=True)
    return code

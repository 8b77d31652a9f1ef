"""What the global options say, and the app they lead to."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cicely.app import Cicely


@dataclass
class CLIContext:
    """``ctx.obj`` of every command. Reading :attr:`app` loads the app, the first time only."""

    app_name: str | None = None
    broker: str | None = None
    result_backend: str | None = None
    config: str | None = None
    workdir: str | None = None
    no_color: bool = False
    quiet: bool = False

    @cached_property
    def app(self) -> Cicely:
        """The app of ``-A``, the environment or pyproject.toml, with the other options applied.

        Raises click.UsageError with the remedy when there is none.
        """
        from .find_app import find_app

        if self.workdir is not None:
            self._enter(self.workdir)
        app = find_app(self.app_name, default_allowed=self.broker is not None or self.config is not None)
        if self.config is not None:
            app.config_from_object(self.config)
        given = {"broker_url": self.broker, "result_backend": self.result_backend}
        app.conf.override(**{name: value for name, value in given.items() if value is not None})
        return app

    @staticmethod
    def _enter(path: str) -> None:
        import click

        if not Path(path).is_dir():
            raise click.UsageError(f"--workdir {path}: no such directory")
        os.chdir(path)
        sys.path.insert(0, os.getcwd())

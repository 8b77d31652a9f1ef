"""Projects with real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import Project


@pytest.fixture
def make_project(tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    """Make a project from the source of its module; `URL` in it becomes the broker's URL."""
    made: list[Project] = []

    def make(source: str) -> Project:
        made.append(Project(tmp_path, source, tmp_path.name))
        return made[-1]

    yield make
    for project in made:
        project.close()

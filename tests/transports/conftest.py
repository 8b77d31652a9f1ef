"""Connections of the comfortable API, on each transport that needs no server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cicely_transports import Connection


@pytest.fixture(params=["memory", "sqlite"])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a broker of this test's own."""
    return f"memory://{uuid.uuid4().hex}" if request.param == "memory" else f"sqlite:///{tmp_path}/broker.db"


@pytest.fixture
def connection(broker_url: str) -> Iterator[Connection]:
    with Connection(broker_url) as connection:
        yield connection


@pytest.fixture
def memory() -> Iterator[Connection]:
    """A connection for what does not depend on the broker."""
    with Connection(f"memory://{uuid.uuid4().hex}") as connection:
        yield connection

"""An app on a broker and a result store of its own in memory, and what runs its messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cicely import Cicely
from cicely.testing.inprocess import Drain
from cicely.utils.ids import uuid


@pytest.fixture
def app() -> Iterator[Cicely]:
    name = uuid()
    with Cicely("proj", broker=f"memory://{name}", backend=f"memory://{name}", set_as_current=False) as app:
        yield app


@pytest.fixture
def drain(app: Cicely) -> Iterator[Drain]:
    with Drain(app, app.transport, hostname="w1@here") as drain:
        yield drain

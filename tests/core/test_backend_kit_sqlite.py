"""The sqlite backend passes the conformance kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cicely.testing.result_kit import BackendRig, SharedResultBackendKit


class TestSQLiteBackend(SharedResultBackendKit):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[BackendRig]:
        with BackendRig(f"sqlite:///{tmp_path}/results.db") as rig:
            yield rig

"""The memory backend passes the conformance kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cicely.testing.result_kit import BackendRig, ResultBackendKit


class TestMemoryBackend(ResultBackendKit):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[BackendRig]:
        with BackendRig(f"memory://{tmp_path.name}") as rig:
            yield rig

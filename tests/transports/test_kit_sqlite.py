"""The SQLite transport passes the conformance kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicely_transports.registry import open_transport as open_by_url
from cicely_transports.testing import OpenTransport, TransportConformance


class TestSQLite(TransportConformance):
    @pytest.fixture
    def open_transport(self, tmp_path: Path) -> OpenTransport:
        url = f"sqlite:///{tmp_path}/broker.db"
        return lambda: open_by_url(url)

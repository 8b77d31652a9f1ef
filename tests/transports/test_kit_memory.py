"""The memory transport passes the conformance kit."""

from __future__ import annotations

import uuid

import pytest

from cicely_transports.registry import open_transport as open_by_url
from cicely_transports.testing import OpenTransport, TransportConformance


class TestMemory(TransportConformance):
    @pytest.fixture
    def open_transport(self) -> OpenTransport:
        url = f"memory://{uuid.uuid4().hex}"
        return lambda: open_by_url(url)

"""The conformance kit: about 220 test cases that every transport passes.

In a test module of your transport::

    class TestMyTransport(TransportConformance):
        @pytest.fixture
        def open_transport(self, tmp_path):
            url = parse_url(f"mine:///{tmp_path}/broker")
            return lambda: MyTransport.from_url(url, {})

and run pytest. The fixture gives a function that opens a new, independent transport object on one
and the same, at first empty, broker. Which tests apply is read from the transport's
:class:`~cicely_transports.spi.Capabilities`; what these exclude must raise NotSupported. Figures
such as :attr:`~cicely_transports.testing.themes.base.Theme.lease` can be set on the class. A
transport that talks over TCP derives from :class:`NetworkTransportConformance` instead and overrides
the fixtures ``broker_address`` and ``open_through`` as well, so that the kit can cut, stall and slow
its connections. ``docs/transport-author.md`` is the guide.
"""

from __future__ import annotations

import pytest

# Before the themes are imported: their assertions shall explain themselves in an author's terminal.
pytest.register_assert_rewrite(f"{__name__}.themes", f"{__name__}.rig", f"{__name__}.forked")

from .conformance import NetworkTransportConformance, TransportConformance  # noqa: E402  # after the call above
from .fault_proxy import FaultProxy  # noqa: E402  # as above
from .rig import OpenTransport, Rig  # noqa: E402  # as above

__all__ = ["FaultProxy", "NetworkTransportConformance", "OpenTransport", "Rig", "TransportConformance"]

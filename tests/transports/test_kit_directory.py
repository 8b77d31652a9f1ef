"""The example plugin in examples/directory_transport: small, conforming, found when installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tokenize
from pathlib import Path
from types import ModuleType

import pytest
from directory_plugin import PLUGIN, installed_plugin

from cicely_transports.testing import OpenTransport, TransportConformance
from cicely_transports.url import parse_url

ROUND_TRIP = """
import json, sys
from cicely_transports.message import Message
from cicely_transports.registry import known_schemes, open_transport
from cicely_transports.spi import Send, Settlement, Verdict

transport = open_transport(sys.argv[1])
transport.sender().publish([Send(Message(b"hello"), "jobs")])
receiver = transport.receiver(["jobs"], credit=1, lease=30.0)
[delivery] = receiver.receive(1, 5.0)
refused = receiver.settle([Settlement(delivery.tag, Verdict.DONE)])
transport.close()
print(json.dumps(["dir" in known_schemes(), delivery.message.body.decode(), refused]))
"""


def load_plugin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("directory_transport", PLUGIN / "directory_transport.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plugin = load_plugin()


class TestDirectory(TransportConformance):
    @pytest.fixture
    def open_transport(self, tmp_path: Path) -> OpenTransport:
        url = parse_url(f"dir:///{tmp_path}/broker")
        return lambda: plugin.DirectoryTransport.from_url(url, {})


def test_it_is_under_150_lines_of_code() -> None:
    lines = set()
    for path in PLUGIN.rglob("*.py"):
        with tokenize.open(path) as source:
            for token in tokenize.generate_tokens(source.readline):
                if token.type in {tokenize.NAME, tokenize.OP, tokenize.NUMBER}:
                    lines.add((path, token.start[0]))
    assert 50 < len(lines) < 150, "comments, docstrings and blank lines are not counted"


def test_an_unusable_folder_is_an_operational_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    transport = plugin.DirectoryTransport.from_url(parse_url(f"dir:///{tmp_path}/file/broker"), {})
    with pytest.raises(plugin.OperationalError, match="broker"):
        transport.sizes(["jobs"])


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    return installed_plugin(tmp_path)


def test_it_is_found_by_its_entry_point_when_installed(installed: dict[str, str]) -> None:
    command = [sys.executable, "-c", ROUND_TRIP, installed["BROKER"]]
    done = subprocess.run(command, env=installed, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, "hello", []]

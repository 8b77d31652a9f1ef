"""The example plugin in examples/directory_transport: small, conforming, found when installed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from cicely_transports.testing import OpenTransport, TransportConformance
from cicely_transports.url import parse_url

PLUGIN = Path(__file__).parents[2] / "examples" / "directory_transport"

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

PROJECT = """
import os
from cicely import Cicely

app = Cicely("proj", broker=os.environ["BROKER"], backend="sqlite:///results.db")

@app.task
def echo(number):
    return number

def ask():
    results = [echo.delay(number) for number in range(20)]
    return [result.get(timeout=30) for result in results]
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
    """The environment of a process that finds the plugin installed.

    Lays the distribution out as an installer does, without building it: that would need a network.
    """
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())
    [(group, points)] = project["project"]["entry-points"].items()
    [module] = project["tool"]["setuptools"]["py-modules"]
    info = tmp_path / "site" / "cicely_directory_transport-0.1.0.dist-info"
    info.mkdir(parents=True)
    name = project["project"]["name"]
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    lines = [f"[{group}]", *(f"{scheme} = {target}" for scheme, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    shutil.copy(PLUGIN / f"{module}.py", info.parent)
    return os.environ | {
        "PYTHONPATH": f"{info.parent}{os.pathsep}{tmp_path}",
        "BROKER": f"dir:///{tmp_path}/broker",
    }


def test_it_is_found_by_its_entry_point_when_installed(installed: dict[str, str]) -> None:
    command = [sys.executable, "-c", ROUND_TRIP, installed["BROKER"]]
    done = subprocess.run(command, env=installed, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, "hello", []]


def test_it_serves_a_worker(installed: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "proj.py").write_text(PROJECT)
    run = [
        sys.executable,
        "-m",
        "cicely",
        "-A",
        "proj",
        "worker",
        "--concurrency",
        "2",
        "--loglevel",
        "WARNING",
    ]
    worker = subprocess.Popen(run, env=installed, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        command = [sys.executable, "-c", "import proj; print(proj.ask())"]
        done = subprocess.run(
            command, env=installed, cwd=tmp_path, capture_output=True, text=True, timeout=40, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == list(range(20))
    finally:
        worker.terminate()
        _, errors = worker.communicate(timeout=15)
    assert worker.returncode == 0, errors

"""What the package exports: all of it importable, none of it imported early."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cicely_transports


@pytest.mark.parametrize("name", cicely_transports.__all__)
def test_every_export_exists(name: str) -> None:
    assert getattr(cicely_transports, name) is not None
    assert name in dir(cicely_transports)


def test_names_of_kombu_users() -> None:
    names = {
        "Connection",
        "Consumer",
        "Exchange",
        "Producer",
        "Queue",
        "binding",
        "parse_url",
        "version_info_t",
    }
    assert names <= set(cicely_transports.__all__)


def test_version() -> None:
    version = cicely_transports.VERSION
    assert isinstance(version, cicely_transports.version_info_t)
    assert cicely_transports.__version__.startswith(f"{version.major}.{version.minor}.{version.micro}")


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Conection'"):
        cicely_transports.Conection  # noqa: B018  # the access is the test


def test_importing_the_package_imports_none_of_its_modules() -> None:
    code = (
        "import sys, cicely_transports; print([n for n in sys.modules if n.startswith('cicely_transports.')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert out.stdout.strip() == "[]"

"""The example plugin in examples/directory_transport, as an installed distribution."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

PLUGIN = Path(__file__).parents[2] / "examples" / "directory_transport"


def installed_plugin(tmp_path: Path) -> dict[str, str]:
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

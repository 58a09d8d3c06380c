"""Write docs/reference/gas.md from what the contracts' tests measured.

`contracts/test/Gas.t.sol` measures real calls and writes `contracts/snapshots/*.json`; this script
puts the numbers into a page. With --check it tells whether the page fell behind, or a number is
missing or has no row, and exits with 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SNAPSHOTS: Final = ROOT / "contracts" / "snapshots"
TARGET: Final = ROOT / "docs" / "reference" / "gas.md"
NOTE: Final = "<!-- Made by scripts/build_gas_table.py; measure again, then run it. -->\n"

BATCH: Final = 100
"""Devices in the batch that the page takes apart."""
TRANSACTION: Final = 21_000
"""Gas of a transaction that does nothing."""
NEW_WORD: Final = 22_100
"""A storage word that was zero: 20,000 for setting it, 2,100 for touching it first."""
OLD_WORD: Final = 5_000
"""A storage word that was not zero: 2,900 for changing it, 2,100 for touching it first."""
LOG: Final = 375
"""A log entry, and each of its topics."""
LOG_BYTE: Final = 8
"""Each byte of a log entry's data."""
ENROLLED_BYTES: Final = 7 * 32
"""Data of Enrolled for an Ed25519 key: alg, offset, resource, cell, enroller, length, key."""
CLAIM_AIM: Final = 80_000
"""What a claim should cost at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table."""

    key: str
    """Name of the measurement."""
    what: str
    """What was called, in words."""
    who: str
    """Who pays for it."""


TABLES: Final[Mapping[str, tuple[Row, ...]]] = {
    "Devices": (
        Row(key="enrol, first of an owner", what="`enrol`, an owner's first device", who="owner"),
        Row(key="enrol, next of an owner", what="`enrol`, each further one", who="owner"),
        Row(
            key="enrolFor, first of an owner",
            what="`enrolFor`, an owner's first device, by its signature",
            who="relayer",
        ),
        Row(
            key="enrolBatch of 100",
            what="`enrolBatch` of 100 devices, an owner's first",
            who="owner",
        ),
        Row(key="enrolBatch of 100, per device", what="the same, per device", who="owner"),
        Row(key="enrolBatch of 256", what="`enrolBatch` of 256 devices, the most", who="owner"),
        Row(key="enrolBatch of 256, per device", what="the same, per device", who="owner"),
    ),
    "An epoch": (
        Row(key="anchor", what="`anchor`", who="gateway"),
        Row(
            key="confirm 2 logs, first verifier",
            what="`confirm` of two logs, the first verifier",
            who="verifier",
        ),
        Row(
            key="confirm 2 logs, next verifier",
            what="`confirm` of the same, a further verifier",
            who="verifier",
        ),
        Row(
            key="confirm 2 logs, verifier that makes the quorum",
            what="`confirm` of the same, the verifier that makes the quorum",
            who="verifier",
        ),
        Row(key="close 2 logs", what="`close` with two logs", who="anyone"),
        Row(
            key="attest, first verifier",
            what="`attest`, the first verifier of a digest",
            who="verifier",
        ),
        Row(key="attest, next verifier", what="`attest`, a further verifier", who="verifier"),
        Row(
            key="finalise, 10 devices and accounts",
            what="`finalise` with two assets, minting, for 10 devices and accounts",
            who="anyone",
        ),
        Row(
            key="finalise, 1,000 devices and accounts",
            what="`finalise`, the same for 1,000 devices and accounts",
            who="anyone",
        ),
    ),
    "Claims": (
        Row(
            key="claim of currency, first of an account",
            what="`claim` of currency by an account that never deposited and owned none",
            who="anyone",
        ),
        Row(
            key="claim of currency, next of an account",
            what="`claim` of currency, each further one",
            who="anyone",
        ),
        Row(
            key="claim of tokens, first of an account",
            what="`claim` of tokens by an account that never deposited and owned none",
            who="anyone",
        ),
        Row(
            key="claim of tokens, next of an account",
            what="`claim` of tokens, each further one",
            who="anyone",
        ),
    ),
    "Votes": (
        Row(key="castVote, the first one", what="`castVote`, a proposal's first", who="voter"),
        Row(key="castVote", what="`castVote`", who="voter"),
        Row(key="castVoteBySig", what="`castVoteBySig`, by a key's signature", who="relayer"),
        Row(
            key="castVote by a member account's passkey",
            what="`executeFor` of a member account that votes, by its passkey",
            who="relayer",
        ),
    ),
}

USED_ELSEWHERE: Final = frozenset(
    {
        "transaction",
        "finalise",
        "enrolBatch of 100, calldata",
        "enrolBatch of 100, calldata and events only",
        "enrolBatch of 100, a word for every id",
    }
)
"""Measurements without a row: the text uses them, or they repeat a row."""


def main() -> int:
    """Write the page, or with --check tell whether it fell behind."""
    gas = _measured()
    rows = {row.key for table in TABLES.values() for row in table}
    missing = sorted((rows | USED_ELSEWHERE) - gas.keys())
    strange = sorted(gas.keys() - rows - USED_ELSEWHERE)
    if missing or strange:
        print(f"contracts/snapshots: missing {missing}, without a row {strange}", file=sys.stderr)
        return 1
    text = page(gas)
    if "--check" not in sys.argv:
        TARGET.write_text(text)
    elif not TARGET.exists() or TARGET.read_text() != text:
        print("docs/reference/gas.md is behind; run scripts/build_gas_table.py", file=sys.stderr)
        return 1
    return 0


def _measured() -> dict[str, int]:
    gas: dict[str, int] = {}
    for path in sorted(SNAPSHOTS.glob("gas-*.json")):
        gas |= {name: int(value) for name, value in json.loads(path.read_text()).items()}
    return gas


def page(gas: Mapping[str, int]) -> str:
    """Return the page for `gas`, gas by name of the measurement."""
    return "\n".join([NOTE, INTRODUCTION, *_tables(gas), _claims(gas), _batch(gas), RENEWAL])


INTRODUCTION: Final = f"""# Gas

What the contracts' calls cost. Every number is a whole transaction as its sender pays it: the
first {TRANSACTION:,}, calldata and execution, less refunds. The tests run each call as a
transaction of its own, cold storage included. The network is one under way, with two logs and four
verifiers of which three make a quorum; proofs have 15 siblings, enough for 32,768 leaves. *Who
pays* is who sends the transaction; what a relayer sends costs the member nothing.
"""

RENEWAL: Final = """## Measuring again

    export FORGE_SNAPSHOT_CHECK=true                       # fail on another number: this is drift
    contracts/forge-npm test --match-path test/Gas.t.sol   # without it: take the new numbers
    python scripts/build_gas_table.py                      # write this page; --check: compare

The numbers are kept in `contracts/snapshots/`. Run the whole file: the runner forgets what a part
of it does not measure.
"""


def _tables(gas: Mapping[str, int]) -> list[str]:
    parts = []
    for title, table in TABLES.items():
        lines = [f"## {title}\n", "| call | who pays | gas |", "|---|---|---:|"]
        lines += [f"| {row.what} | {row.who} | {gas[row.key]:,} |" for row in table]
        parts.append("\n".join(lines) + "\n")
    return parts


def _claims(gas: Mapping[str, int]) -> str:
    later = gas["claim of currency, next of an account"]
    first = gas["claim of currency, first of an account"]
    tokens = gas["claim of tokens, next of an account"]
    verdict = "meets" if later <= CLAIM_AIM else "misses"
    small = gas["finalise, 10 devices and accounts"]
    large = gas["finalise, 1,000 devices and accounts"]
    equal = "costs the same" if small == large else f"costs {large - small:,} more"
    return f"""## Against the aims

- **Finalising for 1,000 devices and accounts {equal}** as for 10: the chain sees one root and
  one total an asset. A test holds on to it.
- **A claim should cost at most {CLAIM_AIM:,}.** A claim of currency {verdict} that with {later:,}.
  An account's first is dearer by {first - later:,}: what the Vault has paid it and what it owns of
  the currency are new storage words, {NEW_WORD - OLD_WORD:,} more each.
- **A claim of tokens costs {tokens:,}, above the aim.** Tokens vote without anybody delegating, and
  votes have a history. A claim moves tokens from the Vault, which is outside the vote, to an
  account inside, so it adds an entry to the account's history and one to that of all votes:
  {2 * (NEW_WORD + OLD_WORD):,} of the price. The first is what a vote as of a past moment asks for;
  the second could be saved only by counting the Vault's tokens as votes that nobody casts, which
  would raise every quorum. An account's first claim also starts its history. Claims add up: who
  claims once a month pays this once a month.
"""


def _batch(gas: Mapping[str, int]) -> str:
    ours = gas["enrolBatch of 100"]
    floor = gas["enrolBatch of 100, calldata and events only"]
    plain = gas["enrolBatch of 100, a word for every id"]
    data = gas["enrolBatch of 100, calldata"]
    events = BATCH * (2 * (LOG + 4 * LOG) + LOG_BYTE * ENROLLED_BYTES)
    stored = 2 * NEW_WORD + 2 * OLD_WORD
    rest = ours - TRANSACTION - data - events - stored
    parts = (
        ("the transaction", TRANSACTION),
        ("calldata: thumbprint, algorithm, key, cell", data),
        ("events: `Transfer` and `Enrolled` for every id", events),
        ("storage: four words a batch", stored),
        ("the rest: decoding, checking the keys, copying them into events", rest),
    )
    lines = [
        f"| {name} | {value:,} | {value // BATCH:,} | {value / ours:.0%} |" for name, value in parts
    ]
    table = "\n".join(lines)
    return f"""## How close a batch comes to what its storage allows

A batch of {BATCH} devices, Ed25519, for an owner who has none yet:

| part | gas | per device | share |
|---|---:|---:|---:|
{table}
| **all** | **{ours:,}** | **{ours // BATCH:,}** | |

- **Storage is no longer what a device costs.** A batch writes the counter of ids, whom it was
  minted to, one bit for its first id, and the owner's balance: {stored:,} for any number of devices
  up to 256, {stored // BATCH:,} a device here. The same batch with a word for every id costs
  {plain:,}, {plain / ours:.1f} times as much. ERC-721A's own layout writes one word less, the bit:
  {OLD_WORD:,} a batch, {OLD_WORD // BATCH} a device. The bit buys two things: an owner is found
  with at most six reads however long the batch is, where ERC-721A walks back id by id; and moving
  an id out of the middle of a batch writes that id's word only, not its neighbour's too.
- **Calldata and events remain.** A contract that stores nothing, checks nothing and only emits the
  same events for the same calldata costs {floor:,}, {floor / ours:.0%} of ours. Both are needed:
  ERC-721 asks for a `Transfer` for every id, and settlement reads keys, resources and cells from
  `Enrolled`, so that no archive node and no storage read is needed to recompute an epoch. So batch
  enrolment is within {ours - floor:,} gas, {(ours - floor) // BATCH:,} a device, of what any
  storage could reach.
"""


if __name__ == "__main__":
    sys.exit(main())

"""What the log's decisions save, side by side: `python bench/translog.py`.

Each line compares what we do with what it replaces, on the same input, and prints the ratio.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.translog import receipts, tiles, tree
from commonworks.translog.check import check_log
from commonworks.translog.notes import Checkpoint, note_key, sign_checkpoint

LOG_ENTRIES = 1 << 18
POOL_ENTRIES = 1000
ENTRY_BYTES = 400
ORIGIN = "0badcafe.commonworks/bench"
NOTE_KEY = PrivateKey.from_seed(Algorithm.EDDSA, b"n" * 32)
RECEIPT_KEY = PrivateKey.from_seed(Algorithm.ES256, b"r" * 32)


def seconds(run: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest of a few runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def compare(title: str, ours: tuple[str, float], other: tuple[str, float]) -> None:
    """Print one line: both times and how many times faster (or slower) ours is."""
    ratio = other[1] / ours[1]
    print(
        f"{title:<34} {ours[0]:<22} {ours[1] * 1e3:9.2f} ms   "
        f"{other[0]:<26} {other[1] * 1e3:9.2f} ms   ratio {ratio:8.2f}"
    )


def main() -> None:
    entries = [
        hashlib.sha256(index.to_bytes(4, "big")).digest() * (ENTRY_BYTES // 32)
        for index in range(LOG_ENTRIES)
    ]
    pool = [b"new %d" % index for index in range(POOL_ENTRIES)]
    leaves = [tree.leaf_hash(entry) for entry in entries]
    pool_leaves = [tree.leaf_hash(entry) for entry in pool]
    empty: dict[str, bytes] = {}
    files = {**tiles.tiles_for(0, leaves, empty.get), **tiles.bundles_for(0, entries, empty.get)}
    frontier = tree.Frontier().extend(leaves)
    checkpoint = Checkpoint(origin=ORIGIN, size=LOG_ENTRIES, root=frontier.root())
    files["checkpoint"] = sign_checkpoint(checkpoint, NOTE_KEY)
    print(f"log of {LOG_ENTRIES:,} entries, pool of {POOL_ENTRIES:,}\n")

    def append() -> None:
        frontier.extend(pool_leaves).root()
        tiles.tiles_for(LOG_ENTRIES, pool_leaves, files.get)

    compare(
        "append a pool",
        ("frontier and tiles", seconds(append)),
        ("rebuild the tree", seconds(lambda: tree.root(leaves + pool_leaves), 1)),
    )

    size = LOG_ENTRIES + POOL_ENTRIES
    grown = {**files, **tiles.tiles_for(LOG_ENTRIES, pool_leaves, files.get)}

    def prove_together() -> None:
        reader = tiles.HashReader(grown.get, size)
        for index in range(LOG_ENTRIES, size):
            reader.inclusion_proof(index)

    def prove_apart() -> None:
        for index in range(LOG_ENTRIES, size):
            tiles.HashReader(grown.get, size).inclusion_proof(index)

    compare(
        "prove a pool's entries",
        ("one reader", seconds(prove_together)),
        ("a reader each", seconds(prove_apart, 1)),
    )

    log_id = note_key(ORIGIN, NOTE_KEY.public.raw).log_id
    kid = RECEIPT_KEY.public.thumbprint
    root = frontier.extend(pool_leaves).root()
    reader = tiles.HashReader(grown.get, size)
    paths = [reader.inclusion_proof(index) for index in range(LOG_ENTRIES, size)]

    def receipts_of_a_pool(signatures: int) -> None:
        protected = receipts.receipt_protected(kid, bytes(32), log_id, size)
        signature = b""
        for at, path in enumerate(paths):
            if at < signatures:
                signature = RECEIPT_KEY.sign(receipts.receipt_tbs(protected, root))
            receipts.encode_receipt(protected, signature, size, LOG_ENTRIES + at, path)

    compare(
        "receipts of a pool",
        ("one signature", seconds(lambda: receipts_of_a_pool(1))),
        ("a signature each", seconds(lambda: receipts_of_a_pool(POOL_ENTRIES), 1)),
    )

    vkey = note_key(ORIGIN, NOTE_KEY.public.raw).vkey
    # The floor: every entry and every node hashed once, and nothing decided.
    compare(
        "check the whole log",
        ("check_log", seconds(lambda: check_log(files.get, vkey), 1)),
        ("bare hashing", seconds(lambda: tree.root([tree.leaf_hash(e) for e in entries]), 1)),
    )


if __name__ == "__main__":
    main()

"""How much of a settlement is what it cannot do without: the signatures.

Prints one epoch of the recorded street (honest and cheating meters), settled whole, against
checking its signatures alone, and against decoding and checking them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from commonworks.conformance.stage import Stage
from commonworks.settlement.state import INITIAL
from commonworks.statements.codec import decode_statement, verify_signature
from commonworks.statements.model import Reason
from commonworks.wiring.discover import select_resources, simulator

ROUNDS = 5


def fastest(work: Callable[[], object]) -> float:
    """Return the shortest of a few runs, seconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def main() -> None:
    """Measure and print."""
    resource = select_resources(("energy",))["energy"]
    street = simulator("energy")
    start_s = street.natural_start("summer")
    if start_s is None:
        raise SystemExit("the street has no recorded week")
    world = street.world(seed=1, season="summer", cheaters=True, start_s=start_s)
    stage = Stage(resource, world)
    entries = stage.entries(0)
    keys = {d.key.thumbprint: d.key for d in stage.facts(0).devices.values()}
    decoded = [decode_statement(e.statement, e.preimage) for e in entries]
    known = [(s, keys[s.kid]) for s in decoded if not isinstance(s, Reason) and s.kid in keys]

    def decode_and_check() -> None:
        for entry in entries:
            statement = decode_statement(entry.statement, entry.preimage)
            if not isinstance(statement, Reason) and statement.kid in keys:
                verify_signature(statement, keys[statement.kid])

    whole = fastest(lambda: stage.settle(INITIAL, entries))
    signatures = fastest(lambda: [verify_signature(s, key) for s, key in known])
    both = fastest(decode_and_check)
    print(f"{len(entries)} statements: {len(entries) / whole:,.0f} a second, settled whole")
    print(f"settle / its signatures            {whole / signatures:.2f}")
    print(f"settle / decoding and signatures   {whole / both:.2f}")


if __name__ == "__main__":
    main()

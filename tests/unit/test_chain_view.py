"""What a verifier reads off the chain before it mirrors anything."""

from __future__ import annotations

from commonworks.crypto.hashes import sha256
from commonworks.events import Bonded, GatewayRegistered, Position, UnbondingStarted
from commonworks.settlement.epochs import LOGS_MAX, ChainView

AT = Position(block=1, time=1, index=0, tx=bytes(32))


def operator(number: int) -> bytes:
    return sha256(b"operator %d" % number)[:20]


def gateway(number: int) -> GatewayRegistered:
    return GatewayRegistered(
        at=AT,
        operator=operator(number),
        name=f"gateway {number}",
        origin="",
        endpoint="",
        log_id=sha256(b"log %d" % number),
        note_key=bytes(32),
        receipt_key=bytes(64),
    )


def bond(number: int, amount: int) -> Bonded:
    return Bonded(at=AT, operator=operator(number), amount=amount)


def test_all_logs_are_followed_while_they_fit() -> None:
    view = ChainView()
    view.extend([gateway(number) for number in range(LOGS_MAX)])
    assert view.followed() == tuple(sorted(view.gateways))


def test_strangers_without_a_bond_crowd_nobody_out() -> None:
    """Registering is free; a confirmation names so many logs and no more."""
    view = ChainView()
    view.extend([gateway(number) for number in range(3 * LOGS_MAX)])
    honest = (7, 90, 170)
    view.extend([bond(number, 1 + number) for number in honest])
    followed = view.followed()
    assert len(followed) == LOGS_MAX
    assert list(followed) == sorted(followed)
    assert {gateway(number).log_id for number in honest} <= {*followed}


def test_the_largest_bonds_come_first_and_what_leaves_counts_no_more() -> None:
    view = ChainView()
    view.extend([gateway(number) for number in range(LOGS_MAX + 1)])
    view.extend([bond(number, 10) for number in range(LOGS_MAX + 1)])
    view.extend([UnbondingStarted(at=AT, operator=operator(5), amount=1, ready_at=9)])
    assert {*view.gateways} - {*view.followed()} == {gateway(5).log_id}

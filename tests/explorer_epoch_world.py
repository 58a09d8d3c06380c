"""A few hand-checkable rows: two settled epochs, five devices, one resource of each visibility.

| device | owner | resource | epoch 0          | epoch 1                     |
|---|---|---|---|---|
| 1      | ADA   | sealed   | 3 accepted       | 2 accepted, 3 bad signature |
| 2      | BOB   | sealed   | 2 accepted       | 5 accepted                  |
| 3      | ADA   | open     | -                | 2 not bound                 |
| 4      | BOB   | sealed   | 1 accepted       | nothing                     |
| 5      | BOB   | sealed   | nothing was ever | judged                      |

One of device 1's accepted statements of epoch 0 lies in both logs; one of device 1 waits.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.testclient import TestClient

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.explorer.index import schema
from commonworks.explorer.site import Site
from commonworks.resources.base import Visibility
from commonworks.resources.shown import Heading
from commonworks.wiring.discover import select_resources
from explorer_kit import DAY, GENESIS, Told, account, digest, fill, make_site

ADA, BOB, EVE, GRID = account(0xADA), account(0xB0B), account(0xE5E), account(0x6121D)
VERA, VIC, VAL = account(0x7E1), account(0x7E2), account(0x7E3)
LOG_A, LOG_B = digest(0xA), digest(0xB)
SEALED, OPEN = "sealed", "open"
HOSTILE = '<script>alert("x")</script>\u202egnp\'&'
KEYS = {number: PrivateKey.from_seed(Algorithm.EDDSA, bytes([number]) * 32) for number in range(6)}


def resources() -> dict[str, Any]:
    """Return two resources that differ in who may read them."""
    model = next(iter(select_resources(("energy",)).values()))
    made = {}
    for name, visibility in ((SEALED, Visibility.MEMBERS), (OPEN, Visibility.PUBLIC)):
        made[name] = replace(
            model,
            name=name,
            title=f"The {name} resource",
            unit="Wh",
            visibility=visibility,
            figures=(),
            headings={"residual_wh": Heading(words="Residual", unit="kWh", scale=3, digits=2)},
            reasons={f"{name}.too_much": "More than can be."},
            advice={},
            purposes={f"{name}.trade": "Bought from a neighbour.", f"{name}.fee": "A fee."},
        )
    return made


def device_row(number: int, owner: bytes, **changes: Any) -> dict[str, Any]:
    """Return an enrolled device."""
    key = KEYS[number].public
    row = {
        "device": number,
        "owner": owner,
        "thumbprint": key.thumbprint,
        "algorithm": int(key.algorithm),
        "public_key": key.raw,
        "resource": SEALED,
        "cell": None,
        "enroller": owner,
        "enrolled_at": GENESIS - DAY,
        "enrolled_tx": digest(100 + number),
        "reference": False,
        "statements": 0,
        "rejected": 0,
        "last_judged_epoch": None,
    }
    return {**row, **changes}


@dataclass
class Entries:
    """Makes rows of table `statement`, each with an identity of its own."""

    made: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        device: int | None,
        epoch: int | None,
        reason: str | None = None,
        *,
        times: int = 1,
        **changes: Any,
    ) -> None:
        """Add logged entries; those of an epoch without a reason are accepted."""
        for _ in range(times):
            log = changes.get("log_id", LOG_A)
            position = sum(row["log_id"] == log for row in self.made)
            row = {
                "log_id": log,
                "position": position,
                "identity": digest(1_000 + len(self.made)),
                "leaf": digest(2_000 + len(self.made)),
                "kind": "report",
                "kid": None if device is None else KEYS[device].public.thumbprint,
                "device": device,
                "resource": SEALED,
                "said_at": None,
                "sealed": True,
                "bytes": 211,
                "epoch": epoch,
                "outcome": None if epoch is None else "rejected" if reason else "accepted",
                "reason": reason,
            }
            self.made.append({**row, **changes})


def epoch_row(number: int, **changes: Any) -> dict[str, Any]:
    """Return an epoch that is settled and final."""
    start = GENESIS + number * DAY
    row = {
        "epoch": number,
        "start_s": start,
        "end_s": start + DAY,
        "closed_at": start + DAY + 5_401,
        "closed_block": 10 + number,
        "closed_tx": digest(300 + number),
        "evidence_hash": digest(310 + number),
        "finalised_at": start + DAY + 5_503,
        "finalised_tx": digest(320 + number),
        "digest": digest(330 + number),
        "previous_digest": digest(329 + number),
        "facts_hash": digest(340),
        "policy_hash": digest(341),
        "rules_hash": digest(342),
        "result_hash": digest(343),
        "state_hash": digest(344),
        "payout_root": digest(345 + number),
        "minted_total_wei": 13 * 10**18,
        "totals": json.dumps([{"asset": "0x" + account(0xE0).hex(), "earned": 17, "spent": 19}]),
        "statements": 0,
        "accepted": 0,
        "rejected": 0,
        "minted_wei": 7 * 10**18,
        "unminted_wei": 3 * 10**18,
        "paid_micro": 0,
    }
    return {**row, **changes}


def _people(engine: Any) -> None:
    fill(
        engine,
        schema.device,
        device_row(1, ADA, statements=8, rejected=3, last_judged_epoch=1, reference=True,
                   cell="891f8894c6bffff"),
        device_row(2, BOB, statements=7, last_judged_epoch=1),
        device_row(3, ADA, statements=2, rejected=2, last_judged_epoch=1, resource=OPEN),
        device_row(4, BOB, statements=1, last_judged_epoch=0),
        device_row(5, BOB),
    )  # fmt: skip
    fill(
        engine,
        schema.payee,
        {"device": 2, "account": BOB, "ppm": 700_000},
        {"device": 2, "account": EVE, "ppm": 300_000},
    )


def _logged(engine: Any) -> Entries:
    entries = Entries()
    entries.add(5, None, kind="binding")
    for number in (1, 2, 4):
        entries.add(number, 0, kind="binding", sealed=False, said_at=GENESIS)
    entries.add(1, 0, times=2)
    twice = entries.made[-1]["identity"]
    entries.add(1, 0, log_id=LOG_B, identity=twice)
    entries.add(2, 0)
    entries.add(1, 1, times=2)
    entries.add(1, 1, "bad_signature", times=3)
    entries.add(2, 1, times=5)
    entries.add(3, 1, "not_bound", times=2, resource=OPEN, sealed=False, said_at=GENESIS + DAY)
    entries.add(1, None)
    fill(engine, schema.statement, *entries.made)
    return entries


def _settled(engine: Any) -> None:
    fill(
        engine,
        schema.epoch,
        epoch_row(0, statements=6, accepted=6, paid_micro=11),
        epoch_row(1, statements=12, accepted=7, rejected=5, paid_micro=2_000_000 + 3_000_000 + 13),
    )
    fill(
        engine,
        schema.evidence_range,
        {"epoch": 0, "log_id": LOG_A, "first": 0, "size": 7, "root": digest(400)},
        {"epoch": 1, "log_id": LOG_A, "first": 7, "size": 19, "root": digest(401)},
        {"epoch": 1, "log_id": LOG_B, "first": 0, "size": 1, "root": digest(402)},
    )
    fill(
        engine,
        schema.span,
        *(
            {
                "epoch": 1, "number": number, "resource": resource, "device": device,
                "start_s": GENESIS + DAY + 900 * number, "length_s": 900,
                "reason": f"{resource}.too_much", "claimed": 101 + number, "credited": 53,
            }
            for number, (device, resource) in enumerate([(1, SEALED), (1, SEALED), (3, OPEN)])
        ),
    )  # fmt: skip
    fill(
        engine,
        schema.work,
        {"epoch": 1, "resource": SEALED, "device": 1, "account": ADA, "quantity": 1_009,
         "quality_ppm": 900_000, "density_ppm": 500_000},
        {"epoch": 1, "resource": SEALED, "device": 2, "account": BOB, "quantity": 2_003,
         "quality_ppm": 1_000_000, "density_ppm": 500_000},
        {"epoch": 1, "resource": OPEN, "device": 3, "account": ADA, "quantity": 4_007,
         "quality_ppm": 800_000, "density_ppm": 500_000},
    )  # fmt: skip
    fill(
        engine,
        schema.payment,
        {"epoch": 1, "number": 0, "resource": SEALED, "payer": BOB, "payee": ADA,
         "amount": 2_000_000, "purpose": "sealed.trade", "device": 1},
        {"epoch": 1, "number": 1, "resource": SEALED, "payer": BOB, "payee": GRID,
         "amount": 13, "purpose": "sealed.fee", "device": 0},
        {"epoch": 1, "number": 2, "resource": OPEN, "payer": EVE, "payee": ADA,
         "amount": 3_000_000, "purpose": "open.trade", "device": 3},
    )  # fmt: skip
    fill(
        engine,
        schema.reward,
        {"epoch": 1, "number": 0, "resource": SEALED, "account": ADA, "amount_wei": 3 * 10**18},
        {"epoch": 1, "number": 1, "resource": SEALED, "account": BOB, "amount_wei": 2 * 10**18},
        {"epoch": 1, "number": 2, "resource": "verifiers", "account": VERA,
         "amount_wei": 2 * 10**18},
    )  # fmt: skip
    fill(
        engine,
        schema.summary,
        {"epoch": 1, "resource": SEALED, "key": "residual_wh", "value": 1_500},
    )


def _verified(engine: Any) -> None:
    for number, (operator, name) in enumerate([(VERA, "vera"), (VIC, HOSTILE), (VAL, "val")]):
        fill(
            engine,
            schema.verifier,
            {
                "operator": operator, "name": name, "endpoint": "http://127.0.0.1",
                "registered_at": GENESIS - DAY, "registered_tx": digest(500 + number),
            },
        )  # fmt: skip
        fill(
            engine,
            schema.bond,
            {"operator": operator, "bonded": 5 * 10**18, "unbonding": 0, "stake": 5 * 10**18},
        )
    root = "0x" + digest(401).hex()
    for operator, size, signed in ((VERA, 19, 331), (VIC, 17, 999)):
        fill(
            engine,
            schema.confirmation,
            {
                "epoch": 1, "verifier": operator, "time": GENESIS + 2 * DAY + 3_607,
                "tips": json.dumps([{"log_id": "0x" + LOG_A.hex(), "size": size, "root": root}]),
                "tx": digest(510),
            },
        )  # fmt: skip
        fill(
            engine,
            schema.attestation,
            {
                "epoch": 1, "verifier": operator, "digest": digest(signed),
                "time": GENESIS + 2 * DAY + 5_407, "tx": digest(511),
            },
        )  # fmt: skip
    fill(
        engine,
        schema.gateway,
        {
            "log_id": LOG_A, "operator": account(0x6A7E), "name": HOSTILE, "origin": "a",
            "endpoint": "http://127.0.0.1", "note_key": digest(1), "receipt_key": bytes(64),
            "registered_at": GENESIS - DAY, "registered_tx": digest(520),
        },
    )  # fmt: skip


def _paid_out(engine: Any) -> None:
    token, currency = account(0x70), account(0xE0)
    leaves = [
        (currency, ADA, 0, 5, 0), (currency, ADA, 1, 5_000_005, 0),
        (currency, BOB, 0, 0, 0), (currency, BOB, 1, 0, 2_000_013),
        (token, ADA, 1, 3 * 10**18, 0),
    ]  # fmt: skip
    fill(
        engine,
        schema.payout,
        *(
            {"asset": asset, "account": who, "epoch": epoch, "earned": earned, "spent": spent}
            for asset, who, epoch, earned, spent in leaves
        ),
    )


def world(told: Told | None = None, **changes: Any) -> Site:
    """Return a site over these rows; its clock stands in epoch 3."""
    site = make_site(
        told,
        resources=resources(),
        labels={ADA: "ada", EVE: HOSTILE},
        device_labels={KEYS[1].public.thumbprint: "roof", KEYS[2].public.thumbprint: HOSTILE},
        **changes,
    )
    _people(site.engine)
    _logged(site.engine)
    _settled(site.engine)
    _verified(site.engine)
    _paid_out(site.engine)
    return site


def get(web: TestClient, path: str, **params: Any) -> Any:
    """Return what the API answers."""
    answer = web.get("/api/v1" + path, params=params or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def hex_of(who: bytes) -> str:
    """Return an account as 0x hexadecimal."""
    return "0x" + who.hex()

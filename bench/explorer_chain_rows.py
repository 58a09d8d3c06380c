"""The chain's part of the large index that explorer_rows.py makes, and what both parts share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Table

from commonworks.explorer.index import schema
from commonworks.explorer.index.columns import AMOUNT_DIGITS

DEVICES: Final = 100_000
OWNERS: Final = 99_000
LARGE_OWNER_DEVICES: Final = DEVICES - OWNERS
"""One owner, account 1, has all devices beyond one each."""
EPOCHS: Final = 30
STATEMENTS: Final = 36_000
"""Logged for each epoch; those of one more epoch wait."""
LOGS: Final = 20
VERIFIERS: Final = 30
PROPOSALS: Final = 40
VOTES: Final = 300
REJECTED_IN: Final = 97
"""One of so many statements is rejected."""
CHANGED_LEAVES: Final = 12_000
"""Accounts whose payout leaves an epoch changes; the first changes everybody's."""
PAYMENTS: Final = 12_000
REWARDS: Final = 12_000
SPANS: Final = 3_000
VIEW_ROWS: Final = 6_000
CLAIMS: Final = 4_000

GENESIS_S: Final = 1_767_225_600
DAY_S: Final = 86_400
RESOURCE: Final = "energy"
NOW_S: Final = GENESIS_S + EPOCHS * DAY_S + DAY_S // 2
TOKEN, CURRENCY, TREASURY = (bytes([n]) * 20 for n in (0x70, 0xE0, 0x71))
CENTRE: Final = (51.4, 9.3)
REASONS: Final = ("bad_signature", "bad_schema", "too_late", "superseded", "payload_missing")
EXAMPLE_DEVICE: Final = 7
"""A device that has rows in every table."""


def hashed(*parts: object) -> bytes:
    """Return 32 bytes that depend on nothing but the parts."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


@cache
def account(number: int) -> bytes:
    """Return an account's address."""
    return hashed("account", number)[:20]


def amount(value: int) -> str:
    """Return an amount as the index keeps it."""
    return f"{value:0{AMOUNT_DIGITS}d}"


def hexed(value: bytes) -> str:
    """Return bytes as 0x hexadecimal."""
    return "0x" + value.hex()


def owner_of(device: int) -> int:
    """Return the number of the account that owns a device."""
    return 1 if device <= LARGE_OWNER_DEVICES else device - LARGE_OWNER_DEVICES


def epoch_start(epoch: int) -> int:
    """Return the first second of an epoch."""
    return GENESIS_S + epoch * DAY_S


# --- the chain ------------------------------------------------------------------------------------


def _event(block: int, index: int, time_s: int, kind: str, **fields: Any) -> dict[str, Any]:
    detail = {
        name: hexed(value) if isinstance(value, bytes) else value for name, value in fields.items()
    }
    named = ("epoch", "device", "log_id", "account", "other", "asset")
    value = fields.get("amount")
    return {
        "block": block, "log_index": index, "time": time_s, "tx": hashed("tx", block, index // 20),
        "kind": kind, **{name: fields.get(name) for name in named},
        "amount": None if value is None else amount(value), "detail": json.dumps(detail),
    }  # fmt: skip


def chain_events() -> Iterator[dict[str, Any]]:
    """Yield the diary: enrolments and deposits first, then what every epoch brings."""
    for device in range(1, DEVICES + 1):
        owner = account(owner_of(device))
        block, index = 1 + device // 100, device % 100 * 2
        yield _event(
            block, index, GENESIS_S, "enrolled", device=device, account=owner, other=account(0),
            resource=RESOURCE,
        )  # fmt: skip
        yield _event(
            block, index + 1, GENESIS_S, "deposited", account=owner, other=owner, asset=CURRENCY,
            amount=10**8,
        )  # fmt: skip
    for epoch in range(EPOCHS):
        end = epoch_start(epoch + 1)
        block = 10_000 * (epoch + 1)
        for hour in range(24):
            for log in range(LOGS):
                yield _event(
                    block - 100 + hour, log, end - (24 - hour) * 3600, "anchored",
                    log_id=hashed("log", log), size=epoch * 1000 + hour,
                )  # fmt: skip
        for number in range(VERIFIERS):
            who = account(number)
            yield _event(block - 1, number, end, "confirmed", epoch=epoch, account=who)
            yield _event(block + 1, number, end + 6000, "attested", epoch=epoch, account=who)
        yield _event(block, 0, end + 5400, "closed", epoch=epoch)
        yield _event(block + 1, 99, end + 6000, "finalised", epoch=epoch)
        for number in range(CLAIMS):
            yield _event(
                block + 2 + number // 100, number % 100, end + 7000, "claimed", epoch=epoch,
                account=account(1 + (epoch * 13 + number * 23) % OWNERS), asset=TOKEN,
                amount=10**18,
            )  # fmt: skip


def movements() -> Iterator[dict[str, Any]]:
    """Yield deposits and claims once more, as money."""
    for event in chain_events():
        if event["kind"] in ("deposited", "claimed"):
            kind = "deposit" if event["kind"] == "deposited" else "claim"
            names = ("block", "log_index", "account", "asset", "amount", "epoch", "time", "tx")
            yield {name: event[name] for name in names} | {
                "number": 0, "kind": kind, "request": None,
            }  # fmt: skip


def per_epoch_nodes() -> Iterator[tuple[Table, dict[str, Any]]]:
    """Yield what nodes did: ranges, anchors, confirmations, attestations."""
    for epoch in range(EPOCHS):
        end = epoch_start(epoch + 1)
        for log in range(LOGS):
            size = (epoch + 1) * STATEMENTS // LOGS
            log_id, root = hashed("log", log), hashed("root", log, epoch)
            yield schema.evidence_range, {
                "epoch": epoch, "log_id": log_id, "first": size - STATEMENTS // LOGS, "size": size,
                "root": root,
            }  # fmt: skip
            for hour in range(24):
                yield schema.anchor, {
                    "log_id": log_id, "size": size - 24 + hour, "root": root,
                    "time": end - (23 - hour) * 3600, "tx": hashed("anchor", log, epoch, hour),
                }  # fmt: skip
        for number in range(VERIFIERS):
            who = {"epoch": epoch, "verifier": account(number), "time": end}
            yield schema.confirmation, {**who, "tips": "[]", "tx": hashed("confirm", epoch, number)}
            yield schema.attestation, {
                **who, "digest": hashed("digest", epoch), "tx": hashed("attest", epoch, number),
            }  # fmt: skip


def nodes() -> Iterator[tuple[Table, dict[str, Any]]]:
    """Yield gateways, verifiers and their bonds."""
    registered = {"registered_at": GENESIS_S, "registered_tx": hashed("registered")}
    for log in range(LOGS):
        yield schema.gateway, {
            "log_id": hashed("log", log), "operator": account(1000 + log), "name": f"gateway-{log}",
            "origin": f"log-{log}.example", "endpoint": f"https://gateway-{log}.example",
            "note_key": hashed("note", log), "receipt_key": hashed("receipt", log), **registered,
        }  # fmt: skip
    for number in range(VERIFIERS):
        yield schema.verifier, {
            "operator": account(number), "name": f"verifier-{number}",
            "endpoint": f"https://verifier-{number}.example", **registered,
        }  # fmt: skip
    for operator in (*range(VERIFIERS), *range(1000, 1000 + LOGS)):
        yield schema.bond, {
            "operator": account(operator), "bonded": amount(10**22), "unbonding": amount(0),
            "ready_at": None, "stake": amount(10**22 if operator < VERIFIERS else 0),
        }  # fmt: skip


def government(keys: Sequence[str]) -> Iterator[tuple[Table, dict[str, Any]]]:
    """Yield parameters with their history, proposals and votes."""
    for key in keys:
        for number in range(3):
            yield schema.parameter_change, {
                "key": key, "number": number, "value": str(3600 + number), "minimum": "0",
                "maximum": str(10**9), "from_epoch": number * 10, "time": GENESIS_S,
                "tx": hashed("parameter", key, number),
            }  # fmt: skip
    for number in range(1, PROPOSALS + 1):
        start = epoch_start(number % EPOCHS)
        yield schema.proposal, {
            "proposal": str(number * 10**60), "number": number, "proposer": account(1),
            "title": f"Proposal {number}: another share", "body": "Because.\n" * 40, "calls": "[]",
            "changes": json.dumps({keys[number % len(keys)]: 3600}), "vote_start": start,
            "vote_end": start + 5 * DAY_S, "tx": hashed("proposal", number), "queued_tx": None,
            "executed_tx": None, "canceled_tx": None,
        }  # fmt: skip
        for vote in range(VOTES):
            yield schema.vote, {
                "proposal": str(number * 10**60), "number": vote, "voter": account(vote + 1),
                "support": ("for", "against", "abstain")[vote % 3], "weight": amount(10**18),
                "reason": "", "tx": hashed("vote", number, vote),
            }  # fmt: skip


def members() -> Iterator[tuple[Table, dict[str, Any]]]:
    """Yield payees and spending limits."""
    for device in range(1, DEVICES + 1, 10):
        for share in range(2):
            yield schema.payee, {
                "device": device, "account": account(owner_of(device) + share), "ppm": 500_000,
            }  # fmt: skip
    for device in range(1, DEVICES + 1, 2):
        yield schema.spend_limit, {
            "account": account(owner_of(device)), "device": device, "limit": amount(10**7),
        }  # fmt: skip

"""`commonworks epoch`, `verdicts`, `audit`: what was settled, why, and whether it is true."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from commonworks.chain.accounts import address_text
from commonworks.cli.shell import (
    asynchronous,
    home_option,
    json_option,
    put,
    put_json,
    put_rows,
    put_table,
    say,
)
from commonworks.errors import NotFound
from commonworks.model import (
    Outcome,
    Settlement,
)
from commonworks.statements.model import REASONS
from commonworks.transport.client import HttpTransport
from commonworks.wiring.audit import AuditReport, audit
from commonworks.wiring.evidence import open_evidence, places_of
from commonworks.wiring.home import Home
from commonworks.wiring.records import EpochRecord, name_of, settled_epoch
from commonworks.wiring.session import Session, open_session


@click.group()
def epoch() -> None:
    """Epochs: what was settled."""


@epoch.command("list")
@home_option
@json_option
@asynchronous
async def epoch_list(*, home: Home, as_json: bool) -> None:
    """List the epochs that this folder's verifier settled."""
    async with open_session(home, say) as session:
        view = await session.view()
        records = []
        for number in range(len(view.closed)):
            try:
                records.append(await settled_epoch(home, view, number))
            except NotFound:
                break
    if as_json:
        put_json([_brief(record) for record in records])
        return
    put_rows(
        ("epoch", "statements", "minted_wei", "paid_micro", "final", "digest"),
        [
            (
                r.settlement.epoch,
                len(r.settlement.verdicts),
                r.settlement.minted_wei,
                r.settlement.paid_micro,
                "yes" if r.final else "no",
                "0x" + r.settlement.digest.hex()[:16],
            )
            for r in records
        ],
    )


def _brief(record: EpochRecord) -> dict[str, Any]:
    settled = record.settlement
    return {
        "epoch": settled.epoch,
        "digest": "0x" + settled.digest.hex(),
        "result": "0x" + settled.commitment.result_hash.hex(),
        "root": "0x" + settled.commitment.payout_root.hex(),
        "final": record.final is not None,
        "tx": None if record.final is None else "0x" + record.final.at.tx.hex(),
        "statements": len(settled.verdicts),
        "minted_wei": settled.minted_wei,
        "unminted_wei": settled.unminted_wei,
        "paid_micro": settled.paid_micro,
    }


@epoch.command("show")
@click.argument("number", type=int)
@click.option("--table", "wanted", help="Show one table of a resource whole, for example prices.")
@home_option
@json_option
@asynchronous
async def epoch_show(*, number: int, wanted: str | None, home: Home, as_json: bool) -> None:
    """Show one epoch: hashes, payouts, and the resources' own tables.

    Example: commonworks epoch show 0 --table flows
    """
    async with open_session(home, say) as session:
        view = await session.view()
        record = await settled_epoch(home, view, number)
    if as_json:
        put_json(_whole(session, record))
    elif wanted:
        _show_table(session, record.settlement, wanted)
    else:
        _show(session, record)


def _whole(session: Session, record: EpochRecord) -> dict[str, Any]:
    settled = record.settlement
    return {
        **_brief(record),
        "payouts": [
            {
                "asset": address_text(total.asset),
                "account": address_text(total.account),
                "earned": total.earned,
                "spent": total.spent,
            }
            for total in settled.payouts
        ],
        "hashes": {
            "evidence": "0x" + settled.commitment.evidence_hash.hex(),
            "facts": "0x" + settled.commitment.facts_hash.hex(),
            "policy": "0x" + settled.commitment.policy_hash.hex(),
            "rules": "0x" + settled.commitment.rules_hash.hex(),
            "state": "0x" + settled.commitment.state_hash.hex(),
        },
        "resources": {
            part.resource: {
                table.name: [dict(zip(table.columns, row, strict=True)) for row in table.rows]
                for table in session.resources[part.resource].views(part)
            }
            for part in settled.resources
        },
    }


def _show(session: Session, record: EpochRecord) -> None:
    settled = record.settlement
    put_rows(("field", "value"), [(k, str(v)) for k, v in _brief(record).items()])
    put("")
    put_rows(
        ("asset", "account", "earned", "spent"),
        [
            (
                "token" if total.asset == session.network.token else "currency",
                name_of(session.home, total.account),
                total.earned,
                total.spent,
            )
            for total in settled.payouts
        ],
    )
    for part in settled.resources:
        tables = session.resources[part.resource].views(part)
        put("")
        say(f"{part.resource}: tables {', '.join(table.name for table in tables)} (--table NAME)")
        put_table(tables[0])


def _show_table(session: Session, settled: Settlement, wanted: str) -> None:
    for part in settled.resources:
        for table in session.resources[part.resource].views(part):
            if table.name == wanted:
                put_table(table)
                return
    raise NotFound(f"epoch {settled.epoch} has no table {wanted}", hint="see: epoch show")


@click.command()
@click.argument("number", type=int)
@click.option("--device", type=int, help="Only this device.")
@click.option("--all", "everything", is_flag=True, help="Accepted statements as well.")
@home_option
@json_option
@asynchronous
async def verdicts(
    *, number: int, device: int | None, everything: bool, home: Home, as_json: bool
) -> None:
    """Show why statements of an epoch were rejected, and what was credited less than claimed.

    Example: commonworks verdicts 0 --device 7
    """
    async with open_session(home, say) as session:
        view = await session.view()
        settled = (await settled_epoch(home, view, number)).settlement
    words = {str(reason): text for reason, text in REASONS.items()}
    for resource in session.resources.values():
        words |= {str(reason): text for reason, text in resource.reasons.items()}
    judged = [
        v
        for v in settled.verdicts
        if (everything or v.outcome is Outcome.REJECTED) and device in (None, v.device)
    ]
    reduced = [
        item
        for part in settled.resources
        for item in part.intervals
        if device in (None, item.device)
    ]
    if as_json:
        put_json(
            {
                "epoch": number,
                "statements": [
                    {
                        "identity": v.identity.hex(),
                        "kind": None if v.kind is None else str(v.kind),
                        "device": v.device,
                        "outcome": str(v.outcome),
                        "reason": str(v.reason),
                    }
                    for v in judged
                ],
                "intervals": [
                    {
                        "device": item.device,
                        "start_s": item.start_s,
                        "length_s": item.length_s,
                        "reason": str(item.reason),
                        "claimed": item.claimed,
                        "credited": item.credited,
                    }
                    for item in reduced
                ],
                "reasons": words,
            }
        )
        return
    put_rows(
        ("statement", "kind", "device", "outcome", "reason"),
        [
            (
                v.identity.hex()[:16],
                str(v.kind or "-"),
                str(v.device or "-"),
                str(v.outcome),
                str(v.reason),
            )
            for v in judged
        ],
    )
    put("")
    put_rows(
        ("device", "start_s", "length_s", "claimed", "credited", "reason"),
        [(i.device, i.start_s, i.length_s, i.claimed, i.credited, str(i.reason)) for i in reduced],
    )
    put("")
    for reason in sorted({str(v.reason) for v in judged} | {str(i.reason) for i in reduced} - {""}):
        say(f"{reason}: {words.get(reason, '')}")


@click.command("audit")
@click.argument("number", type=int)
@click.option(
    "--log",
    "sources",
    multiple=True,
    help="A gateway's folder or URL.  [default: this folder's gateways, else as registered]",
)
@click.option("--as", "reader", help="Account that asks for sealed payloads over HTTP.")
@click.option(
    "--from-state",
    is_flag=True,
    help="Begin with the stored state of the epoch before, whose hash the chain has.",
)
@home_option
@json_option
@asynchronous
async def audit_command(
    *,
    number: int,
    sources: tuple[str, ...],
    reader: str | None,
    from_state: bool,
    home: Home,
    as_json: bool,
) -> None:
    """Recompute an epoch from the chain and the evidence, and from nothing else.

    Exit code 0: it is what was finalised, or its evidence was erased by rule; 1: it is not, and
    the first difference is named.
    """
    async with HttpTransport() as transport, open_session(home, say) as session:
        view = await session.view()
        places = await asyncio.to_thread(places_of, sources, view)
        evidence = await open_evidence(session, view, transport, places=places, reader=reader)
        report = await audit(evidence, number, from_state=from_state, progress=say)
    _show_audit(report, as_json)
    if report.differences:
        raise click.exceptions.Exit(1)


def _show_audit(report: AuditReport, as_json: bool) -> None:
    found, expected = report.found, report.expected
    rows = [
        ("result", found and found.commitment.result_hash, expected.result_hash),
        ("root", found and found.commitment.payout_root, expected.payout_root),
        ("digest", found and found.digest, report.expected_digest),
    ]
    statements = len(found.verdicts) if found else 0
    if as_json:
        put_json(
            {
                "epoch": report.epoch,
                "statements": statements,
                **{
                    name: {"found": "0x" + got.hex() if got else None, "expected": "0x" + due.hex()}
                    for name, got, due in rows
                },
                "equal": found is not None and not report.differences,
                "differences": list(report.differences),
                "erased": list(report.erased),
                "begun_from": report.begun_from,
            }
        )
        return
    put(f"epoch {report.epoch}: {statements} statements, recomputed from {report.begun_from}")
    for name, got, due in rows:
        put(f"{name:<7} found    {'0x' + got.hex() if got else '-'}")
        put(f"{'':<7} expected 0x{due.hex()}")
    for line in report.erased:
        put(line)
    if not report.differences:
        put(
            "equal: the payments follow from the evidence"
            if found
            else "the logs and their anchored roots hold; the result can no longer be recomputed"
        )
        return
    put(f"first difference: {report.differences[0]}")
    for line in report.differences[1:]:
        put(f"then: {line}")

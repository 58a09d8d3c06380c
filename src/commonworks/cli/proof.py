"""`commonworks proof check`: what the explorer's proof viewer does, without a browser or a site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from commonworks.chain.accounts import address_text
from commonworks.chain.endpoints import Endpoints
from commonworks.cli.shell import asynchronous, json_option, put, put_json, say
from commonworks.errors import InvalidInput
from commonworks.explorer.proof_words import proof_words
from commonworks.proofs import (
    ChainAnswers,
    Checked,
    Fault,
    Proof,
    StatementProof,
    Status,
    Step,
    StepName,
    Verdict,
    check_proof,
    read_proof,
)
from commonworks.wiring.home import Home
from commonworks.wiring.proofs import ask_chain, read_document, require_network
from commonworks.wiring.session import open_session
from commonworks.wiring.words import clean

RECEIPT_BYTE: Final = 0xD2
"""First byte of a statement with its receipt: no proof file, and another command's."""

COMPUTED: Final = frozenset(
    {
        StepName.LEAF,
        StepName.NODE,
        StepName.PAYOUT_WORDS,
        StepName.PAYOUT_LEAF,
        StepName.PAYOUT_NODE,
    }
)
"""Steps that only compute: there is nothing yet to compare their result with."""

SHOWN_MAX: Final = 140
"""Longest value that is shown to people; all of it with --json."""

OWN_WORDS: Final[Mapping[str, str]] = {
    "step.wallet": "The chain that was asked is that network's",
    "what.wallet": "Its contract Settlement is asked for its network's id.",
    "what.device_signature": "Verified over the bytes that were signed.",
    "reason.bad_format": "This is no proof of a kind that this program knows.",
    "reason.no_chain": "No chain was asked: what the chain says is told by the file.",
    "reason.other_chain": "The endpoint that was asked is on another chain.",
    "reason.repeated_member": "A field is there twice.",
    "reason.told_by_chain": "The chain that was asked says so.",
    "reason.told_by_file": (
        "The file says so; nobody else was asked. Give --home or --rpc to ask the chain."
    ),
    "reason.unknown_transaction": (
        "The chain that was asked says so; it does not know the transaction that is named."
    ),
    "verdict.statement.holds": (
        "It holds: this statement is in the log, under a root that the chain confirms."
    ),
    "verdict.statement.told": (
        "It holds, as far as whoever made this file tells the truth about the chain: the statement "
        "is in the log under this root."
    ),
    "verdict.payout.holds": "It holds: this payout is in the tree that the chain finalised.",
    "verdict.payout.told": (
        "It holds, as far as whoever made this file tells the truth about the chain: the payout is "
        "in the tree of this digest."
    ),
}
"""Where a command says something else than a page: it has no wallet, and the file is no site's."""


@click.group()
def proof() -> None:
    """Proof files: one statement or one payout with everything that shows that it is true."""


@proof.command("check")
@click.argument("place", metavar="FILE|URL")
@click.option(
    "--home",
    "home_path",
    type=click.Path(path_type=Path, file_okay=False),
    help="A network's folder: it must be this network, and its chain is asked.",
)
@click.option("--rpc", help="Endpoint of the chain that is asked.")
@json_option
@asynchronous
async def proof_check(
    *, place: str, home_path: Path | None, rpc: str | None, as_json: bool
) -> None:
    """Check a proof file step by step, as an explorer gives it (docs/spec/proof.md).

    Without --home or --rpc nothing is asked: everything is computed, and what the chain holds is
    as the file tells. With --home the file must speak of that folder's network, and its chain is
    asked for the root; with --rpc the endpoint is asked at the contract that the file names:
    compare the network's id with one that you have from elsewhere.

    Example: commonworks proof check payout-0.json --home home/street

    Exit code 0: no step fails; 1: one does, and it is named.
    """
    if home_path is not None and rpc is not None:
        raise InvalidInput("two chains to ask", hint="give --home or --rpc, not both")
    data = await read_document(place)
    if data[:1] == bytes((RECEIPT_BYTE,)):
        raise InvalidInput(
            f"{place} is a statement with its receipt, not a proof file",
            hint="check it with: commonworks receipt check FILE",
        )
    try:
        told: Proof | None = read_proof(data)
    except Fault:
        told = None  # the check says what is wrong with it
    answers = None if told is None else await _asked(told, home_path, rpc)
    checked = check_proof(data, answers)
    if as_json:
        put_json(_document(checked, told, answers))
    else:
        _show(checked, told, answers, home_path)
    if checked.verdict is Verdict.FAILS:
        raise click.exceptions.Exit(1)


async def _asked(told: Proof, home_path: Path | None, rpc: str | None) -> ChainAnswers | None:
    """Return what the chain says that the caller named, None where none was."""
    if home_path is not None:
        async with open_session(Home(path=home_path), say) as session:
            require_network(session, told.network)
            client = session.client()
            try:
                return await ask_chain(client.endpoints, told)
            finally:
                await client.close()
    if rpc is None:
        return None
    endpoints = Endpoints([rpc])
    try:
        return await ask_chain(endpoints, told)
    finally:
        await endpoints.close()


# --- for programs ---------------------------------------------------------------------------------


def _document(checked: Checked, told: Proof | None, answers: ChainAnswers | None) -> object:
    return {
        "kind": None if told is None else _kind(told),
        "network": None if told is None else "0x" + told.network.id.hex(),
        "chain_id": None if told is None else told.network.chain_id,
        "verdict": str(checked.verdict),
        "asked_chain": answers is not None,
        "failed": [str(name) for name in checked.named(Status.FAIL)],
        "told": [str(name) for name in checked.named(Status.TOLD)],
        "skipped": [str(name) for name in checked.named(Status.SKIP)],
        "steps": [
            {
                "step": str(step.name),
                "number": step.number,
                "status": str(step.status),
                "reason": None if step.why is None else str(step.why),
                "where": step.where or None,
                "values": dict(step.values),
                "result": step.result,
            }
            for step in checked.steps
        ],
    }


def _kind(told: Proof) -> str:
    return "statement" if isinstance(told, StatementProof) else "payout"


# --- for people -----------------------------------------------------------------------------------


def words_of_steps() -> dict[str, str]:
    """Return the words of steps, reasons, values and verdicts by their codes."""
    return {**proof_words(), **OWN_WORDS}


def _show(
    checked: Checked, told: Proof | None, answers: ChainAnswers | None, home: Path | None
) -> None:
    words = words_of_steps()
    if told is not None:
        put(f"{_about(told)}\n")
    for step in checked.steps:
        _show_step(step, words)
    put("")
    if told is not None:
        for line in _trust(checked, told, answers, home):
            put(line)
        put("")
    put(_verdict(checked, told, words))


def _about(told: Proof) -> str:
    """Return what a file claims, in a line; amounts in smallest units, as the tree has them."""
    if isinstance(told, StatementProof):
        at = told.inclusion
        return (
            f"claimed: the statement 0x{told.identity.hex()} is entry {at.position} of the first "
            f"{at.size} of log 0x{told.log.id.hex()}"
        )
    leaf = told.leaf
    return (
        f"claimed: up to epoch {told.finality.epoch} the account {address_text(leaf.account)} "
        f"earned {leaf.earned} and spent {leaf.spent} of asset {address_text(leaf.asset)}, "
        "in smallest units"
    )


def _show_step(step: Step, words: Mapping[str, str]) -> None:
    plain = step.name in COMPUTED
    status = words["status.computed" if plain else f"status.{step.status}"]
    title = words[f"step.{step.name}"].replace("{number}", str(step.number or ""))
    put(f"{status}: {title}")
    if step.name not in (StepName.NODE, StepName.PAYOUT_NODE):
        put(f"    {words[f'what.{step.name}']}")
    values = step.values if step.status is Status.FAIL else _compared(step)
    for name, value in values.items():
        put(f"    {words[f'value.{name}']}: {_short(value)}")
    if step.result is not None:
        put(f"    {words['result']}: {_short(step.result)}")
    if step.why is not None:
        put(f"    {_why(step, words)}")


def _why(step: Step, words: Mapping[str, str]) -> str:
    place = f" {words['where'].replace('{where}', clean(step.where))}" if step.where else ""
    return words[f"reason.{step.why}"] + place


def _compared(step: Step) -> Mapping[str, str]:
    """Return the values that people compare: what was hashed or signed stands in the file."""
    long = {"message", "signature", "statement", "note", "words", "left", "right", "inner"}
    return {name: value for name, value in step.values.items() if name not in long}


def _short(value: str) -> str:
    text = clean(value).replace("\n", " ")
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}… ({len(text)} characters)"


def _trust(
    checked: Checked, told: Proof, answers: ChainAnswers | None, home: Path | None
) -> Sequence[str]:
    """Return where the trust comes from: what is known, and on whose word the rest stands."""
    network = f"network 0x{told.network.id.hex()}"
    if home is None:
        lines = [f"{network}: as the file has it; compare it with one that you have from elsewhere"]
    else:
        lines = [f"{network}: that of {home}, by its manifest"]
    if isinstance(told, StatementProof):
        lines.append("keys of device and log: as the file has them; the log's id names its key")
    if answers is None or StepName.WALLET in checked.named(Status.FAIL):
        lines.append("the root was NOT checked against the chain")
    else:
        at = address_text(told.network.settlement)
        lines.append(f"chain {answers.chain_id}: asked at the contract Settlement {at}")
    return lines


def _verdict(checked: Checked, told: Proof | None, words: Mapping[str, str]) -> str:
    if checked.verdict is Verdict.FAILS:
        failed = [step for step in checked.steps if step.status is Status.FAIL]
        steps = "; ".join(f"{words[f'step.{step.name}']} ({_why(step, words)})" for step in failed)
        return words["verdict.fails"].replace("{steps}", steps)
    kind = "statement" if told is None else _kind(told)
    return words[f"verdict.{kind}.{checked.verdict}"]

"""`commonworks proposal`: what members propose, vote on and carry out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import click

from commonworks.chain.accounts import address_text
from commonworks.chain.ballots import Support, sign_vote, vote_call
from commonworks.chain.decisions import Decision, replaces_government
from commonworks.chain.government import (
    Governance,
    Proposal,
    Standing,
    describe_proposal,
    in_words,
)
from commonworks.chain.members import Done, Members
from commonworks.cli.backtest import backtest_command
from commonworks.cli.delegate import delegate_command
from commonworks.cli.shell import (
    asynchronous,
    home_option,
    json_option,
    put,
    put_fields,
    put_json,
    put_rows,
    say,
    whole,
)
from commonworks.errors import Conflict, InvalidInput
from commonworks.ports import ProposalState
from commonworks.settlement.epochs import ChainView
from commonworks.wiring.acting import acting, speaking
from commonworks.wiring.founding import RELAYER
from commonworks.wiring.home import Home
from commonworks.wiring.proposals import Reader
from commonworks.wiring.records import asset_of
from commonworks.wiring.session import Session, open_session
from commonworks.wiring.words import Words, clean

SUPPORT: Final = {"for": Support.FOR, "against": Support.AGAINST, "abstain": Support.ABSTAIN}
ID_DIGITS: Final = 10
"""Digits of an id in tables: enough to name one."""


@click.group()
def proposal() -> None:
    """Proposals: made by members, tried on the past, voted on, carried out by the timelock."""


proposal.add_command(backtest_command)
proposal.add_command(delegate_command)


@asynccontextmanager
async def governing(session: Session, name: str | None) -> AsyncIterator[Governance]:
    """Yield the government as an account of this folder acts on it; None only looks."""
    await session.pass_time()
    if name is not None:
        async with acting(session, name) as members:
            yield Governance(members)
        return
    client = session.client()
    try:
        yield Governance(Members(client.endpoints, session.deployment))
    finally:
        await client.close()


# --- making one -----------------------------------------------------------------------------------


@proposal.command("new")
@click.option("--title", required=True, help="One line: what it changes.")
@click.option("--description", "text", default="", help="Why, in Markdown.")
@click.option("--as", "name", required=True, help="Account that proposes.")
@click.option("--set", "settings", multiple=True, help="KEY=VALUE: change a parameter.")
@click.option("--define", "definitions", multiple=True, help="KEY=VALUE:MINIMUM:MAXIMUM.")
@click.option("--admit-member", "admitted", multiple=True, help="ACCOUNT.")
@click.option("--remove-member", "removed", multiple=True, help="ACCOUNT.")
@click.option("--reference", "references", multiple=True, help="DEVICE: admit as a reference.")
@click.option("--remove-reference", "dismissed", multiple=True, help="DEVICE.")
@click.option("--registrar", "registrars", multiple=True, help="NAME:RESOURCE: admit its key.")
@click.option("--remove-registrar", "struck", multiple=True, help="NAME:RESOURCE.")
@click.option("--site", "sites", multiple=True, help="RESOURCE:PLACE:STATEMENT put in force.")
@click.option(
    "--transfer",
    "transfers",
    multiple=True,
    help="ASSET:AMOUNT:TO out of the treasury; ASSET is token or currency.",
)
@click.option("--guardian", "guardians", multiple=True, help="ACCOUNT:DAYS, or nobody.")
@click.option("--call", "calls", multiple=True, help="ADDRESS:DATA[:WEI]: any call.")
@home_option
@json_option
@asynchronous
async def new(
    *, title: str, text: str, name: str, home: Home, as_json: bool, **written: tuple[str, ...]
) -> None:
    """Propose one or several changes; they are carried out together or not at all.

    Example: commonworks proposal new --title "Wires" --set energy.grid_charge=50000 --as ada
    """
    async with open_session(home, say) as session, governing(session, name) as government:
        view = await session.view()
        decisions = read_decisions(session, view, written)
        words = Words(session)
        described = describe_proposal(title, text, home.address(name))
        await _require_votes(government, words, home.address(name))
        made = await government.propose(decisions, described)
        found = await government.proposal(f"0x{made.proposal:064x}")
        for decision in decisions:
            say(f"- {words.decision(decision)}")
        say(f"the vote begins after {words.moment(found.vote_start)}")
        say(f"try it on the past: commonworks proposal backtest {found.number}")
        shown = {
            "vote_start": f"after {words.moment(found.vote_start)}",
            "vote_end": words.moment(found.vote_end),
        }
    document = {
        "proposal": found.number,
        "id": f"0x{made.proposal:064x}",
        "vote_start": found.vote_start,
        "vote_end": found.vote_end,
        "tx": "0x" + made.tx.hex(),
    }
    put_fields(as_json, document, shown)


async def _require_votes(government: Governance, words: Words, account: bytes) -> None:
    """Refuse in words what the Governor would refuse in units: too few votes to propose."""
    has, takes = await government.votes_of(account), await government.threshold()
    if has < takes:
        raise Conflict(
            f"proposing takes {words.votes(takes)}; {words.account(account)} has "
            f"{words.votes(has)}",
            hint="let others delegate to you, or let a member with more votes propose it",
        )


def read_decisions(
    session: Session, view: ChainView, written: dict[str, tuple[str, ...]]
) -> tuple[Decision, ...]:
    """Return what the options of `new` decide, in the order of the options' list."""
    reader = Reader(session, view)
    found: list[Decision] = []
    found += [reader.setting(text) for text in written.get("settings", ())]
    found += [reader.definition(text) for text in written.get("definitions", ())]
    found += [reader.member(text, admit=True) for text in written.get("admitted", ())]
    found += [reader.member(text, admit=False) for text in written.get("removed", ())]
    found += [reader.reference(text, admitted=True) for text in written.get("references", ())]
    found += [reader.reference(text, admitted=False) for text in written.get("dismissed", ())]
    found += [reader.registrar(text, active=True) for text in written.get("registrars", ())]
    found += [reader.registrar(text, active=False) for text in written.get("struck", ())]
    found += [reader.site(text) for text in written.get("sites", ())]
    found += [_transfer(session, reader, text) for text in written.get("transfers", ())]
    found += [reader.guardian(text) for text in written.get("guardians", ())]
    found += [reader.call(text) for text in written.get("calls", ())]
    if not found:
        raise InvalidInput("a proposal without a change", hint="for example: --set KEY=VALUE")
    return tuple(found)


def _transfer(session: Session, reader: Reader, text: str) -> Decision:
    parts = text.split(":")
    if len(parts) != 3:
        raise InvalidInput(f"{text!r} pays nothing", hint="write ASSET:AMOUNT:TO")
    asset, decimals, _ = asset_of(session, parts[0])
    return reader.transfer(asset, whole(parts[1], decimals), parts[2])


# --- looking --------------------------------------------------------------------------------------


@proposal.command("list")
@home_option
@json_option
@asynchronous
async def list_(*, home: Home, as_json: bool) -> None:
    """List all proposals and how they stand."""
    async with open_session(home, say) as session, governing(session, None) as government:
        found = await government.proposals()
        standings = [await government.standing(item) for item in found]
        words = Words(session)
    if as_json:
        put_json([_brief(item, at) for item, at in zip(found, standings, strict=True)])
        return
    put_rows(
        ("number", "id", "state", "for", "against", "abstain", "title"),
        [
            (
                item.number,
                f"0x{item.proposal:064x}"[:ID_DIGITS],
                str(at.state),
                words.votes(at.votes_for),
                words.votes(at.votes_against),
                words.votes(at.votes_abstain),
                clean(item.title),
            )
            for item, at in zip(found, standings, strict=True)
        ],
    )


@proposal.command("show")
@click.argument("wanted", metavar="PROPOSAL")
@home_option
@json_option
@asynchronous
async def show(*, wanted: str, home: Home, as_json: bool) -> None:
    """Show one proposal: what it does in words, how the vote stands, what comes next.

    Example: commonworks proposal show 1
    """
    async with open_session(home, say) as session, governing(session, None) as government:
        found = await government.proposal(wanted)
        at = await government.standing(found)
        words = Words(session)
        if as_json:
            put_json(_whole(words, found, at))
        else:
            _show(words, found, at)


def _brief(item: Proposal, at: Standing) -> dict[str, Any]:
    return {
        "number": item.number,
        "id": f"0x{item.proposal:064x}",
        "title": item.title,
        "proposer": address_text(item.proposer),
        "state": str(at.state),
        "vote_start": item.vote_start,
        "vote_end": item.vote_end,
        "votes_for": at.votes_for,
        "votes_against": at.votes_against,
        "votes_abstain": at.votes_abstain,
        "votes_all": at.votes_all,
        "quorum": at.quorum,
        "executable_from": at.executable_from,
        "tx": "0x" + item.tx.hex(),
        "executed_tx": None if item.executed_tx is None else "0x" + item.executed_tx.hex(),
    }


def _whole(words: Words, item: Proposal, at: Standing) -> dict[str, Any]:
    return {
        **_brief(item, at),
        "description": item.description,
        "decisions": [
            {
                "words": words.decision(decision),
                "replaces_government": replaces_government(call),
                "to": address_text(call.to),
                "value_wei": call.value_wei,
                "data": "0x" + call.data.hex(),
            }
            for decision, call in zip(item.decisions, item.calls, strict=True)
        ],
        "votes": [
            {
                "voter": address_text(vote.voter),
                "name": words.account(vote.voter),
                "support": None if vote.support is None else vote.support.name.lower(),
                "weight": vote.weight,
                "reason": vote.reason,
                "tx": "0x" + vote.tx.hex(),
            }
            for vote in item.votes
        ],
        "next": what_comes_next(words, item, at),
    }


def _show(words: Words, item: Proposal, at: Standing) -> None:
    counted = at.votes_for + at.votes_against + at.votes_abstain
    rows = [
        ("proposal", f"{item.number} · {clean(item.title)}"),
        ("id", f"0x{item.proposal:064x}"),
        ("by", words.account(item.proposer)),
        ("state", f"{at.state} · {what_comes_next(words, item, at)}"),
        ("vote", f"after {words.moment(item.vote_start)} until {words.moment(item.vote_end)}"),
    ]
    for label, value in (
        ("for", at.votes_for),
        ("against", at.votes_against),
        ("abstain", at.votes_abstain),
    ):
        rows.append((label, f"{words.votes(value)} · {words.share(value, counted)} of those cast"))
    if at.quorum is not None and at.votes_all is not None:
        reached = at.votes_for + at.votes_abstain
        rows.append(
            (
                "quorum",
                f"{words.votes(reached)} of {words.votes(at.quorum)} for or abstaining; "
                f"{words.votes(at.votes_all)} in all",
            )
        )
    put_rows(("field", "value"), rows)
    put("")
    for number, decision in enumerate(item.decisions, start=1):
        put(f"{number}. {words.decision(decision)}")
    if item.text:
        put("")
        put(clean(item.text))
    if item.votes:
        put("")
        put_rows(
            ("voter", "vote", "votes", "reason"),
            [
                (
                    words.account(vote.voter),
                    "?" if vote.support is None else vote.support.name.lower(),
                    words.votes(vote.weight),
                    clean(" ".join(vote.reason.split())),
                )
                for vote in item.votes
            ],
        )


def what_comes_next(words: Words, item: Proposal, at: Standing) -> str:
    """Return what happens next to a proposal, or what to do."""
    match at.state:
        case ProposalState.PENDING:
            return f"its vote begins after {words.moment(item.vote_start)}"
        case ProposalState.ACTIVE:
            return f"vote: commonworks proposal vote {item.number} for|against|abstain"
        case ProposalState.SUCCEEDED:
            return f"queue it: commonworks proposal queue {item.number}"
        case ProposalState.QUEUED:
            moment = words.moment(at.executable_from or 0)
            return f"from {moment} on: commonworks proposal execute {item.number}"
        case ProposalState.EXECUTED:
            return "carried out; parameters hold from the epoch that opened after it"
        case ProposalState.DEFEATED:
            return "more votes against than for, or no quorum"
        case ProposalState.EXPIRED:
            return "nobody queued or executed it in time; propose it again"
        case ProposalState.CANCELED:
            return "taken back by who proposed it"


# --- deciding -------------------------------------------------------------------------------------


@proposal.command("vote")
@click.argument("wanted", metavar="PROPOSAL")
@click.argument("choice", type=click.Choice(list(SUPPORT)))
@click.option("--as", "name", required=True, help="Account that votes.")
@click.option("--reason", default="", help="For everybody to read, for ever.")
@home_option
@json_option
@asynchronous
async def vote(
    *, wanted: str, choice: str, name: str, reason: str, home: Home, as_json: bool
) -> None:
    """Vote on a proposal; where the folder has a relayer, it hands in what the member signs.

    Example: commonworks proposal vote 1 for --as ada --reason "The wires are paid for."
    """
    async with open_session(home, say) as session, speaking(session, name) as speaker:
        await session.pass_time()
        government = Governance(speaker.members)
        found = await government.proposal(wanted)
        voter, support = home.address(name), SUPPORT[choice]
        signed = sign_vote(
            speaker.signer,
            session.deployment,
            found.proposal,
            support,
            nonce=await government.vote_nonce(voter),
            reason=reason,
        )
        try:
            receipt = await speaker.carry(signed, vote_call(session.deployment, signed))
        except Conflict as error:
            raise in_words(error) from None
        done = Done(tx=receipt.tx, block=receipt.block)
        cast = (await government.proposal(wanted)).votes
        weight = next((v.weight for v in reversed(cast) if v.voter == voter), 0)
        words = Words(session)
        if weight == 0:
            say(f"{name} had no votes when the vote began: this vote weighs nothing")
        else:
            say(f"{name} votes {choice} with {words.votes(weight)}")
    _done(as_json, found, done, {"support": choice, "weight": weight}, weight=words.votes(weight))


def _acts(name: str, help_: str, option: str, default: str | None) -> Any:
    """Return a command that does one thing with a proposal."""

    @proposal.command(name, help=help_)
    @click.argument("wanted", metavar="PROPOSAL")
    @click.option(
        option,
        "sender",
        required=default is None,
        default=default,
        show_default=default is not None,
        help="Account that sends it.",
    )
    @home_option
    @json_option
    @asynchronous
    async def command(*, wanted: str, sender: str, home: Home, as_json: bool) -> None:
        async with open_session(home, say) as session, governing(session, sender) as government:
            found = await government.proposal(wanted)
            action = {
                "queue": government.queue,
                "execute": government.execute,
                "cancel": government.cancel,
            }[name]
            done = await action(found)
            await session.pass_time()
            at = await government.standing(found)
            words = Words(session)
            say(f"{at.state}: {what_comes_next(words, found, at)}")
            moment = words.moment(at.executable_from) if at.executable_from else "-"
        fields: dict[str, object] = {"executable_from": at.executable_from}
        _done(as_json, found, done, fields, executable_from=moment)

    return command


queue = _acts(
    "queue", "Put a proposal that succeeded into the timelock; anybody may.", "--by", RELAYER
)
execute = _acts(
    "execute", "Carry a proposal out once its delay has passed; anybody may.", "--by", RELAYER
)
cancel = _acts("cancel", "Take your own proposal back before its vote begins.", "--as", None)


def _done(
    as_json: bool, found: Proposal, done: Done, fields: dict[str, object], **shown: str
) -> None:
    document = {"proposal": found.number, **fields, "tx": "0x" + done.tx.hex()}
    put_fields(as_json, document, shown)

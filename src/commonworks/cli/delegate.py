"""`commonworks proposal delegate`: who votes with a member's votes."""

from __future__ import annotations

import click

from commonworks.chain.accounts import address_text
from commonworks.chain.delegation import Lending, lending_of
from commonworks.cli.shell import asynchronous, home_option, json_option, put_fields, say
from commonworks.errors import Conflict, InvalidInput
from commonworks.wiring.acting import lend_votes, looking
from commonworks.wiring.home import Home
from commonworks.wiring.proposals import NOBODY
from commonworks.wiring.records import resolve_account
from commonworks.wiring.session import open_session
from commonworks.wiring.words import Words


@click.command("delegate")
@click.argument("receiver", metavar="[TO]", required=False)
@click.option("--as", "name", required=True, help="Account whose votes they are.")
@click.option("--show", is_flag=True, help="Change nothing; only tell who votes with them.")
@home_option
@json_option
@asynchronous
async def delegate_command(
    *, receiver: str | None, name: str, show: bool, home: Home, as_json: bool
) -> None:
    """Let another account vote with yours; name yourself to take your votes back.

    TO is a name of this folder or an address. It counts in every vote that begins afterwards; what
    you hold stays yours. Where the folder has a relayer, it hands in what the member signs.

    Example: commonworks proposal delegate ben --as ada
    """
    if (receiver is None) != show:
        raise InvalidInput(
            "say who shall vote, or --show to see who does",
            hint=f"for example: commonworks proposal delegate ben --as {name}",
        )
    async with open_session(home, say) as session:
        await session.pass_time()
        account = resolve_account(home, name) if show else home.address(name)
        words, tx = Words(session), None
        async with looking(session) as members:
            before = await lending_of(members, account)
            if receiver is not None:
                wanted = resolve_account(home, receiver)
                _check(words, name, before, wanted)
                tx = await lend_votes(session, name, wanted)
            now = await lending_of(members, account) if tx else before
        say(_told(words, account, now))
    document: dict[str, object] = {
        "account": address_text(account),
        "delegate": address_text(now.delegate),
        "own_votes": now.own,
        "casts_votes": now.casts,
    }
    if tx is not None:
        document["tx"] = "0x" + tx.hex()
    shown = {
        "account": words.account(account),
        "delegate": words.account(now.delegate),
        "own_votes": words.votes(now.own),
        "casts_votes": words.votes(now.casts),
    }
    put_fields(as_json, document, shown)


def _check(words: Words, name: str, before: Lending, wanted: bytes) -> None:
    """Refuse what changes nothing, and the zero address, which the contract takes for oneself."""
    if wanted == NOBODY:
        raise InvalidInput(
            "votes cannot be lent to nobody",
            hint=f"to take them back: commonworks proposal delegate {name} --as {name}",
        )
    if before.delegate == wanted:
        raise Conflict(
            f"{words.account(wanted)} votes with the votes of {name} already",
            hint="name another account",
        )


def _told(words: Words, account: bytes, now: Lending) -> str:
    """Return who votes with an account's votes, in a sentence."""
    who, own = words.account(account), words.votes(now.own)
    if now.delegate == NOBODY:
        return f"what {who} holds is outside the vote"
    if now.delegate == account:
        lent = now.casts - now.own
        more = f", and with {words.votes(lent)} that others lent it" if lent > 0 else ""
        return f"{who} votes for itself: with {own} of its own{more}"
    return f"{words.account(now.delegate)} votes with the {own} of {who}"

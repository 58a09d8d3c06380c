"""`commonworks device payees`: who earns with a device that several people own."""

from __future__ import annotations

from typing import Any

import click

from commonworks.chain.accounts import address_text
from commonworks.chain.members import Members
from commonworks.chain.messages import SignedPayees, sign_payees, sign_share_transfer
from commonworks.cli.shell import (
    MOMENT,
    asynchronous,
    home_option,
    json_option,
    put,
    put_json,
    put_rows,
    say,
)
from commonworks.errors import InvalidInput, NotFound, Unauthorized
from commonworks.events import Share
from commonworks.units import PPM, split_floor
from commonworks.wiring.acting import acting, looking, speaking
from commonworks.wiring.cast import DEADLINE_S
from commonworks.wiring.home import Home
from commonworks.wiring.proposals import is_number
from commonworks.wiring.records import devices_now, name_of, resolve_account
from commonworks.wiring.session import Session, open_session

SHARE_HELP = "ACCOUNT=PPM, or ACCOUNT alone for equal shares; several times."


@click.group()
def payees() -> None:
    """Who earns with a device, in parts per million; without a list its owner alone."""


@payees.command("show")
@click.argument("device")
@home_option
@json_option
@asynchronous
async def show(*, device: str, home: Home, as_json: bool) -> None:
    """Show who earns with a device. DEVICE is a name of this folder, or an id."""
    async with open_session(home, say) as session:
        number, owner = await _held(session, device)
        async with looking(session) as members:
            found = await members.payees_of(number)
    shares = found or (Share(account=owner, ppm=PPM),)
    if as_json:
        put_json({"device": number, "owner": address_text(owner), "payees": _document(shares)})
        return
    put_rows(("payee", "ppm"), [(name_of(home, item.account), f"{item.ppm:,}") for item in shares])


@payees.command("set")
@click.argument("device")
@click.option("--share", "texts", multiple=True, help=SHARE_HELP)
@click.option(
    "--consent", "consents", multiple=True, help="ACCOUNT=SIGNATURE of a payee elsewhere."
)
@click.option("--deadline", type=MOMENT, help="Deadline that the consents were signed with.")
@click.option("--by", help="Account that sends it.  [default: the owner]")
@home_option
@asynchronous
async def set_payees(
    *,
    device: str,
    texts: tuple[str, ...],
    consents: tuple[str, ...],
    deadline: int | None,
    by: str | None,
    home: Home,
) -> None:
    """Name a device's payees. Where there are some already, all of them must agree.

    Accounts of this folder agree by this command; for others see `payees consent`. No --share at
    all gives everything back to the owner.

    Example: commonworks device payees set roof --share ada=700000 --share bob=300000
    """
    async with open_session(home, say) as session:
        number, owner = await _held(session, device)
        shares = parse_shares(home, texts)
        async with acting(session, by or name_of(home, owner)) as members:
            present = await members.payees_of(number)
            if not present:
                done = await members.set_payees(number, shares)
                put("0x" + done.tx.hex())
                return
            until = deadline or session.clock.now() + DEADLINE_S
            signatures = await _consents(session, members, number, shares, present, consents, until)
            done = await members.change_payees(
                SignedPayees(device=number, shares=shares, deadline=until, signatures=signatures)
            )
    put("0x" + done.tx.hex())


@payees.command("consent")
@click.argument("device")
@click.option("--share", "texts", multiple=True, help=SHARE_HELP)
@click.option("--as", "name", required=True, help="Payee that agrees.")
@home_option
@json_option
@asynchronous
async def consent(
    *, device: str, texts: tuple[str, ...], name: str, home: Home, as_json: bool
) -> None:
    """Sign that a device's payees change; whoever hands it in needs everybody's consent."""
    async with open_session(home, say) as session, looking(session) as members:
        number, _ = await _held(session, device)
        deadline = session.clock.now() + DEADLINE_S
        signature = sign_payees(
            home.signer(name),
            session.deployment,
            number,
            parse_shares(home, texts),
            payees_nonce=await members.payees_nonce(number),
            deadline=deadline,
        )
    text = f"{address_text(home.address(name))}=0x{signature.hex()}"
    if as_json:
        put_json({"consent": text, "deadline": deadline})
        return
    put(f"--consent {text} --deadline {deadline}")


@payees.command("transfer")
@click.argument("device")
@click.argument("receiver")
@click.argument("ppm", type=click.IntRange(1, PPM))
@click.option("--as", "name", required=True, help="Payee that gives.")
@home_option
@asynchronous
async def transfer(*, device: str, receiver: str, ppm: int, name: str, home: Home) -> None:
    """Give a part of your share in a device's earnings to another account.

    Example: commonworks device payees transfer roof bob 50000 --as ada
    """
    async with open_session(home, say) as session, speaking(session, name) as speaker:
        number, _ = await _held(session, device)
        to = resolve_account(home, receiver)
        members = speaker.members
        signed = sign_share_transfer(
            speaker.signer,
            session.deployment,
            number,
            to,
            ppm,
            nonce=await members.enrol_nonce(speaker.signer.address),
            deadline=speaker.deadline,
        )
        done = await speaker.carry(signed, members.calls.transfer_share(number, to, ppm))
    put("0x" + done.tx.hex())


def parse_shares(home: Home, texts: tuple[str, ...]) -> tuple[Share, ...]:
    """Return shares, ascending by account, from ACCOUNT=PPM words, or ACCOUNT for equal shares.

    Raises: InvalidInput where both forms are mixed, an account comes twice, or the sum is not 1e6.
    """
    parts = [text.partition("=") for text in texts]
    if any(equals for _, equals, _ in parts) and not all(equals for _, equals, _ in parts):
        raise InvalidInput("give every share its ppm, or none", hint=SHARE_HELP)
    accounts = [resolve_account(home, account) for account, _, _ in parts]
    if len(set(accounts)) != len(accounts):
        raise InvalidInput("an account is named twice")
    if not accounts:
        return ()
    if parts[0][1]:
        if not all(is_number(ppm) for _, _, ppm in parts):
            raise InvalidInput("a share is a whole number of parts per million", hint=SHARE_HELP)
        sizes = {account: int(part[2]) for account, part in zip(accounts, parts, strict=True)}
    else:
        equal, rest = split_floor(PPM, [1] * len(accounts))
        sizes = dict(zip(sorted(accounts), equal, strict=True))
        sizes[min(accounts)] += rest
    if sum(sizes.values()) != PPM:
        raise InvalidInput(f"the shares add up to {sum(sizes.values()):,} ppm, not {PPM:,}")
    return tuple(Share(account=account, ppm=sizes[account]) for account in sorted(sizes))


async def _consents(
    session: Session,
    members: Members,
    device: int,
    shares: tuple[Share, ...],
    present: tuple[Share, ...],
    given: tuple[str, ...],
    deadline: int,
) -> tuple[bytes, ...]:
    """Return one signature of each present payee, in the order of their list."""
    home = session.home
    signatures: dict[bytes, bytes] = {}
    for text in given:
        account, _, signature = text.partition("=")
        try:
            signatures[resolve_account(home, account)] = bytes.fromhex(signature.removeprefix("0x"))
        except ValueError:
            raise InvalidInput(f"{text!r} is no consent", hint="ACCOUNT=SIGNATURE") from None
    nonce = await members.payees_nonce(device)
    for payee in present:
        if payee.account in signatures:
            continue
        name = name_of(home, payee.account)
        if name.startswith("0x"):
            raise Unauthorized(
                f"the payee {name} has not agreed",
                hint="get its line from: commonworks device payees consent",
            )
        signatures[payee.account] = sign_payees(
            home.signer(name),
            session.deployment,
            device,
            shares,
            payees_nonce=nonce,
            deadline=deadline,
        )
    return tuple(signatures[payee.account] for payee in present)


async def _held(session: Session, text: str) -> tuple[int, bytes]:
    """Return (id, owner) of a device: a name of this folder, or an id."""
    devices = devices_now(session, await session.view())
    if is_number(text):
        found = [item for item in devices if item.device == int(text)]
    else:
        key = session.home.device_key(text).public
        found = [item for item in devices if item.key == key]
    if not found:
        raise NotFound(f"{text} is not enrolled", hint="enrol it: commonworks device enrol")
    return found[-1].device, found[-1].owner


def _document(shares: tuple[Share, ...]) -> list[dict[str, Any]]:
    return [{"account": address_text(item.account), "ppm": item.ppm} for item in shares]

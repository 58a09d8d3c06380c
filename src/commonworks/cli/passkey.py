"""`commonworks account passkey` and `commonworks account recover`: members without wallets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import click

from commonworks.chain.abi import contract
from commonworks.chain.accounts import address_text
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.passkey import (
    Terms,
    cancel_recovery,
    key_of,
    point,
    sign_recovery,
)
from commonworks.chain.relayed import ACCOUNT_EXISTS
from commonworks.chain.signer import Signer
from commonworks.chain.transactions import Call
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
from commonworks.crypto.keys import PublicKey
from commonworks.errors import Conflict, InvalidInput, NotFound
from commonworks.relay.messages import CreateAccount, FinishRecovery, StartRecovery
from commonworks.units import DAY_S
from commonworks.wiring.cast import DEADLINE_S
from commonworks.wiring.home import Home, write_durably
from commonworks.wiring.passkeys import (
    FOLDER,
    encode_record,
    find_passkey,
    key_named,
    open_key,
    record_file,
)
from commonworks.wiring.records import name_of, resolve_account
from commonworks.wiring.relaying import open_account, open_hand_in
from commonworks.wiring.session import Session, open_session

RECOVERY_DAYS: Final = 3
"""Time in which a lost key that is not lost can object, unless the member says otherwise."""

WORD_HELP: Final = "ACCOUNT=SIGNATURE of a recoverer elsewhere; several times."


@click.command("passkey")
@click.argument("name")
@click.option(
    "--recoverer", "people", multiple=True, help="Who may replace a lost key; several times."
)
@click.option("--threshold", type=int, help="How many of them it takes.  [default: a majority]")
@click.option(
    "--delay-days",
    type=click.IntRange(1, 365),
    default=RECOVERY_DAYS,
    show_default=True,
    help="How long the old key can object.",
)
@home_option
@json_option
@asynchronous
async def passkey(
    *,
    name: str,
    people: tuple[str, ...],
    threshold: int | None,
    delay_days: int,
    home: Home,
    as_json: bool,
) -> None:
    """Make a passkey in software, and its account on chain; a relay pays.

    Example: commonworks account passkey dora --recoverer ada --recoverer bob --threshold 2
    """
    async with open_session(home, say) as session:
        _require_free(session, name)
        recoverers = tuple(sorted({_address(home, person) for person in people}))
        wanted = len(recoverers) // 2 + 1 if threshold is None else threshold
        terms = Terms(
            key=open_key(home.path / FOLDER, name, _lock(home)),
            recoverers=recoverers,
            threshold=wanted if recoverers else threshold or 0,
            recovery_delay_s=delay_days * DAY_S,
        )
        address = await _create(session, terms)
        write_durably(record_file(home.path / FOLDER, name), encode_record(address))
    if not recoverers:
        say("nobody can recover this account: keep a copy of its key, or name --recoverer")
    document = {"name": name, "address": address_text(address), "key": terms.key.raw.hex()}
    if as_json:
        put_json(document)
    else:
        put(document["address"])


def _lock(home: Home) -> str | None:
    """Return what encrypts a new passkey: as every account's key, unless it is a demo's."""
    return None if home.is_demo() else home.secret()


def _require_free(session: Session, name: str) -> None:
    """Raise Conflict where a name means something already."""
    if find_passkey(session.home.path / FOLDER, name) is not None:
        raise Conflict(f"account {name} exists already", hint="choose another name")
    try:
        resolve_account(session.home, name)
    except NotFound:
        return
    raise Conflict(f"{name} is somebody already", hint="choose another name")


async def _create(session: Session, terms: Terms) -> bytes:
    """Have an account created, or find it created before; return its address."""
    qx, qy = point(terms.key)
    message = CreateAccount(
        qx=qx,
        qy=qy,
        recoverers=terms.recoverers,
        threshold=terms.threshold,
        recovery_delay_s=terms.recovery_delay_s,
    )
    try:
        async with open_hand_in(session) as hand_in:
            await hand_in(message)
    except Conflict as error:
        if error.fields.get("refusal") != ACCOUNT_EXISTS:
            raise
    factory = session.deployment.government.accounts
    return bytes(await _ask(session, "MemberAccounts", factory, "addressOf", *terms.words))


# --- recovery -------------------------------------------------------------------------------------


@click.group()
def recover() -> None:
    """Put a new key in place of a lost one, by people whom the member chose."""


@recover.command("key")
@click.argument("name")
@home_option
def recover_key(*, name: str, home: Home) -> None:
    """Make the new key, and print what the recoverers need to know of it.

    Example: commonworks account recover key dora-new
    """
    if find_passkey(home.path / FOLDER, name) is not None:
        raise Conflict(f"passkey {name} has an account already", hint="choose another name")
    put(open_key(home.path / FOLDER, name, _lock(home)).raw.hex())


@recover.command("show")
@click.argument("account")
@home_option
@json_option
@asynchronous
async def recover_show(*, account: str, home: Home, as_json: bool) -> None:
    """Show who may recover an account, and a recovery under way."""
    async with open_session(home, say) as session:
        at = _address(home, account)
        names = ("recoverers", "threshold", "recoveryDelay", "recovery")
        people, threshold, delay, started = [await _ask_all(session, at, name) for name in names]
    document: dict[str, Any] = {
        "account": address_text(at),
        "recoverers": [address_text(person) for person in people[0]],
        "threshold": threshold[0],
        "recovery_delay_s": delay[0],
        "new_key": (started[0] + started[1]).hex() if started[2] else None,
        "ready_at": started[2] or None,
    }
    if as_json:
        put_json(document)
        return
    shown = document | {"recoverers": ", ".join(name_of(home, person) for person in people[0])}
    put_rows(("field", "value"), [(field, str(value)) for field, value in shown.items()])


@recover.command("sign")
@click.argument("account")
@click.option("--key", "text", required=True, help="The new key: name here, or 128 hex digits.")
@click.option("--as", "name", required=True, help="Recoverer that signs.")
@home_option
@json_option
@asynchronous
async def recover_sign(*, account: str, text: str, name: str, home: Home, as_json: bool) -> None:
    """Sign that an account gets a new key. Ask its owner first, by a voice that you know.

    Example: commonworks account recover sign dora --key dora-new --as ada
    """
    async with open_session(home, say) as session:
        deadline = session.clock.now() + DEADLINE_S
        signer = _signer(home, name)
        word = await _word(session, signer, _address(home, account), _key(home, text), deadline)
    given = f"{address_text(signer.address)}=0x{word.hex()}"
    if as_json:
        put_json({"word": given, "deadline": deadline})
        return
    put(f"--word {given} --deadline {deadline}")


@recover.command("start")
@click.argument("account")
@click.option("--key", "text", required=True, help="The new key: name here, or 128 hex digits.")
@click.option("--as", "names", multiple=True, help="Recoverer of this folder; several times.")
@click.option("--word", "words", multiple=True, help=WORD_HELP)
@click.option("--deadline", type=MOMENT, help="Deadline that the words were signed with.")
@home_option
@json_option
@asynchronous
async def recover_start(
    *,
    account: str,
    text: str,
    names: tuple[str, ...],
    words: tuple[str, ...],
    deadline: int | None,
    home: Home,
    as_json: bool,
) -> None:
    """Start the recovery with enough recoverers' words; the old key can object until it is ready.

    Example: commonworks account recover start dora --key dora-new --as ada --as bob
    """
    async with open_session(home, say) as session:
        at, key = _address(home, account), _key(home, text)
        until = deadline or session.clock.now() + DEADLINE_S
        given = dict(_parse_word(home, word) for word in words)
        for name in names:
            signer = _signer(home, name)
            given[signer.address] = await _word(session, signer, at, key, until)
        qx, qy = point(key)
        signers = tuple(sorted(given))
        async with open_hand_in(session) as hand_in:
            tx = await hand_in(
                StartRecovery(
                    account=at,
                    qx=qx,
                    qy=qy,
                    deadline=until,
                    signers=signers,
                    signatures=tuple(given[signer] for signer in signers),
                )
            )
        ready_at = (await _ask_all(session, at, "recovery"))[2]
    say(f"finish it from {ready_at} on: commonworks account recover finish {account} --key {text}")
    _done(as_json, {"account": address_text(at), "ready_at": ready_at, "tx": "0x" + tx.hex()})


@recover.command("cancel")
@click.argument("name")
@home_option
@json_option
@asynchronous
async def recover_cancel(*, name: str, home: Home, as_json: bool) -> None:
    """Object with the present key: the recovery that was started is off.

    Example: commonworks account recover cancel dora
    """
    stored = find_passkey(home.path / FOLDER, name)
    if stored is None:
        raise _no_passkey(name)
    async with open_session(home, say) as session:
        step = cancel_recovery(stored.address)
        async with open_account(session, stored.unlock(home.secret)) as sender:
            receipt = await sender.send(Call(to=step.target, data=step.data))
    _done(as_json, {"account": address_text(stored.address), "tx": "0x" + receipt.tx.hex()})


@recover.command("finish")
@click.argument("account")
@click.option("--key", "name", help="The new passkey of this folder: it speaks for the account.")
@home_option
@json_option
@asynchronous
async def recover_finish(*, account: str, name: str | None, home: Home, as_json: bool) -> None:
    """Put the new key in place once the delay is over; anybody may.

    Example: commonworks account recover finish dora --key dora-new
    """
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session(home, say))
        at = _address(home, account)
        wanted = None if name is None else key_named(home.path / FOLDER, name)
        hand_in = await stack.enter_async_context(open_hand_in(session))
        document: dict[str, object] = {"account": address_text(at)}
        if wanted is None or await _present(session, at) != wanted:
            document["tx"] = "0x" + (await hand_in(FinishRecovery(account=at))).hex()
        present = await _present(session, at)
        document["key"] = present.raw.hex()
        if name is not None:
            if present != wanted:
                raise InvalidInput(f"{name} is not the key that was recovered")
            write_durably(record_file(home.path / FOLDER, name), encode_record(at))
    _done(as_json, document)


def _done(as_json: bool, document: dict[str, object]) -> None:
    if as_json:
        put_json(document)
    else:
        put_rows(("field", "value"), [(name, str(value)) for name, value in document.items()])


def _address(home: Home, text: str) -> bytes:
    """Return the account that a passkey's or account's name, or a 0x address, means."""
    stored = find_passkey(home.path / FOLDER, text)
    return resolve_account(home, text) if stored is None else stored.address


def _signer(home: Home, name: str) -> Signer:
    """Return what signs for an account of this folder, whatever its key is."""
    stored = find_passkey(home.path / FOLDER, name)
    return home.signer(name) if stored is None else stored.unlock(home.secret)


def _key(home: Home, text: str) -> PublicKey:
    """Return a new key that recoverers vouch for: 64 bytes in hex, or a passkey's name here."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return key_named(home.path / FOLDER, text)
    return key_of(raw[:32], raw[32:])


async def _word(
    session: Session, signer: Signer, account: bytes, key: PublicKey, deadline: int
) -> bytes:
    nonce = (await _ask_all(session, account, "recoveryNonce"))[0]
    chain_id = session.deployment.chain_id
    return sign_recovery(signer, chain_id, account, key, nonce=nonce, deadline=deadline)


def _parse_word(home: Home, text: str) -> tuple[bytes, bytes]:
    account, _, signature = text.partition("=")
    try:
        return _address(home, account), bytes.fromhex(signature.removeprefix("0x"))
    except ValueError:
        raise InvalidInput(f"{text!r} is no recoverer's word", hint=WORD_HELP) from None


async def _present(session: Session, account: bytes) -> PublicKey:
    x, y = await _ask_all(session, account, "signer")
    return key_of(x, y)


async def _ask_all(session: Session, account: bytes, function: str) -> Sequence[Any]:
    """Return what a member account answers; raise NotFound where there is none."""
    item = contract("MemberAccount")[function]
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    try:
        answer = await endpoints.call(account, item.call())
    except Conflict:
        answer = b""
    finally:
        await endpoints.close()
    if not answer:
        raise NotFound(
            f"{address_text(account)} is no account of a passkey",
            hint="make one: commonworks account passkey NAME",
        )
    return item.results(answer)


async def _ask(session: Session, name: str, at: bytes, function: str, *values: object) -> Any:
    item = contract(name)[function]
    endpoints = Endpoints(session.endpoints, identity=session.deployment.identity)
    try:
        return item.results(await endpoints.call(at, item.call(*values)))[0]
    finally:
        await endpoints.close()


def _no_passkey(name: str) -> NotFound:
    return NotFound(
        f"no passkey {name} with an account here",
        hint=f"make it: commonworks account passkey {name}",
    )

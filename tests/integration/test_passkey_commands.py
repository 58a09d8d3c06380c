"""`commonworks account passkey` and `account recover` on a network's folder, and who hands in."""

from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner

from commonworks.chain.account_sender import AccountSender
from commonworks.chain.accounts import address_bytes
from commonworks.chain.calls import Calls
from commonworks.chain.endpoints import Endpoints
from commonworks.chain.members import Members
from commonworks.chain.messages import Enrolment
from commonworks.chain.transactions import Call
from commonworks.cli.passkey import passkey, recover
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import (
    CommonworksError,
    Conflict,
    Corrupt,
    InvalidInput,
    NotFound,
    Unauthorized,
    Unavailable,
)
from commonworks.relay.messages import FinishRecovery
from commonworks.transport import serve
from commonworks.transport.relay_app import RelayApp
from commonworks.units import DAY_S
from commonworks.wiring.acting import speaking
from commonworks.wiring.discover import select_resources
from commonworks.wiring.founding import (
    FOUNDER,
    FOUNDING_ACCOUNTS,
    RELAYER,
    Charter,
    deploy_network,
    ensure_account,
    make_manifest,
    register_nodes,
)
from commonworks.wiring.home import Home
from commonworks.wiring.passkeys import FOLDER, StoredPasskey, find_passkey, list_passkeys
from commonworks.wiring.profiles import Profile
from commonworks.wiring.relaying import (
    ADDRESS,
    RELAY_FOLDER,
    announced,
    open_account,
    open_hand_in,
    open_relay,
)
from commonworks.wiring.session import attach, network_clock, open_chain, open_session

pytestmark = pytest.mark.xdist_group("passkey_commands")

GENESIS = 1_900_000_000
GONE = "http://127.0.0.1:1"
"""Where the network's gateway would be."""

commands = click.Group("account", commands=[passkey, recover])


@dataclass
class Street:
    """A network's folder, and the commands on it."""

    home: Home

    def run(self, *words: object) -> str:
        """Run a command; return what it printed, or raise what ended it."""
        arguments = [str(word) for word in words] + ["--home", str(self.home.path)]
        done = CliRunner().invoke(commands, arguments, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def read(self, *words: object) -> dict[str, object]:
        """Run a command with --json; return its document."""
        return dict(json.loads(self.run(*words, "--json")))

    def refused(self, kind: type[CommonworksError], *words: object) -> CommonworksError:
        """Run a command that ends in an error of this kind; return it."""
        with pytest.raises(kind) as raised:
            self.run(*words)
        assert "\n" not in raised.value.message
        return raised.value

    def member(self, name: str) -> StoredPasskey:
        """Make a passkey and its account."""
        self.run("passkey", name)
        stored = find_passkey(self.home.path / FOLDER, name)
        assert stored is not None
        return stored

    def later(self, seconds: int) -> None:
        """Let network time pass."""

        async def wait() -> None:
            async with open_session(self.home) as session:
                session.clock.set(session.clock.now() + seconds)  # type: ignore[union-attr]
                await session.pass_time()

        asyncio.run(wait())


async def found(home: Home) -> None:
    """Found a network in a folder whose keys protect nothing."""
    home.path.mkdir(parents=True)
    home.mark_demo({"seed": 1})
    for name in (*FOUNDING_ACCOUNTS, "ada", "bob", "eve"):
        ensure_account(home, name)
    resources = select_resources(["energy"])
    charter = Charter(
        name="Street", demo=True, genesis_time=GENESIS, epoch_length_s=DAY_S, currency_code="tEUR",
        currency_decimals=6, currency_address=None, profile=Profile.COMMONS, members=(),
        own_exchange=False, router=None, overrides={"relay_gas_member": 2_000_000},
    )  # fmt: skip
    manifest = make_manifest(home, charter, resources)
    home.write_manifest(manifest)
    clock = network_clock(manifest)
    async with open_chain(home, manifest, clock, lambda _: None) as (endpoints, embedded):
        founded = await deploy_network(home, manifest, endpoints, lambda _: None)
        session = await attach(home, founded, clock, endpoints, embedded, resources)
        await register_nodes(session, GONE, lambda _: None, {})


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Street:
    """A founded network; tests add accounts to it."""
    home = Home(path=tmp_path_factory.mktemp("street") / "home")
    asyncio.run(found(home))
    return Street(home)


def test_a_passkey_gets_its_account(street: Street) -> None:
    address = street.run("passkey", "first").strip()
    stored = find_passkey(street.home.path / FOLDER, "first")
    assert stored is not None
    assert stored.address == address_bytes(address)
    assert stat.S_IMODE(stored.path.stat().st_mode) == 0o600
    assert stored.unlock(lambda: "").address == stored.address
    shown = street.read("recover", "show", "first")
    assert (shown["recoverers"], shown["threshold"], shown["ready_at"]) == ([], 0, None)
    street.refused(Conflict, "passkey", "first")
    street.refused(Conflict, "passkey", "ada")
    street.refused(InvalidInput, "passkey", "../out")
    street.refused(NotFound, "passkey", "other", "--recoverer", "nobody")
    refused = street.refused(Conflict, "passkey", "other", "--recoverer", "ada", "--threshold", 2)
    assert refused.fields["refusal"] == "ThresholdOutOfRange"
    assert find_passkey(street.home.path / FOLDER, "other") is None


def test_what_was_interrupted_goes_on_with_the_same_key(street: Street) -> None:
    first = street.read("passkey", "cut")
    (street.home.path / FOLDER / "cut" / "account.json").unlink()
    assert find_passkey(street.home.path / FOLDER, "cut") is None
    assert street.read("passkey", "cut") == first


def test_people_recover_a_lost_key(street: Street) -> None:
    friend = street.run("passkey", "friend").strip()
    people = ("--recoverer", "ada", "--recoverer", "bob", "--recoverer", friend)
    dora = street.run("passkey", "dora", *people, "--delay-days", 2).strip()
    shown = street.read("recover", "show", dora)
    assert len(shown["recoverers"]) == 3  # type: ignore[arg-type]
    assert (shown["threshold"], shown["recovery_delay_s"]) == (2, 2 * DAY_S)

    key = street.run("recover", "key", "dora-new").strip()
    assert len(key) == 128
    few = street.refused(Conflict, "recover", "start", dora, "--key", "dora-new", "--as", "ada")
    assert few.fields["refusal"] == "TooFewSigners"
    two = ("--as", "eve", "--as", "ada")
    odd = street.refused(Conflict, "recover", "start", "dora", "--key", key, *two)
    assert odd.fields["refusal"] == "NotARecoverer"

    word = street.read("recover", "sign", "dora", "--key", key, "--as", "friend")
    given = ("--word", word["word"], "--deadline", word["deadline"])
    street.refused(InvalidInput, "recover", "start", "dora", "--key", key, "--word", "ada=zz")
    started = street.read("recover", "start", "dora", "--key", key, "--as", "ada", *given)
    assert street.read("recover", "show", "dora")["new_key"] == key
    early = street.refused(Conflict, "recover", "finish", "dora", "--key", "dora-new")
    assert early.fields["refusal"] == "RecoveryTooEarly"

    street.run("recover", "cancel", "dora")
    assert street.read("recover", "show", "dora")["ready_at"] is None
    used = street.refused(
        Unauthorized, "recover", "start", "dora", "--key", key, "--as", "ada", *given
    )
    assert used.fields["reason"] == "bad_signature"
    started = street.read("recover", "start", "dora", "--key", key, "--as", "ada", "--as", "friend")
    ready_at = started["ready_at"]
    assert isinstance(ready_at, int)
    street.later(2 * DAY_S)
    done = street.read("recover", "finish", "dora", "--key", "dora-new")
    assert done["key"] == key
    assert street.read("recover", "finish", "dora", "--key", "dora-new")["key"] == key
    renewed = find_passkey(street.home.path / FOLDER, "dora-new")
    assert renewed is not None
    assert renewed.address == address_bytes(dora)
    dead = street.refused(Unauthorized, "recover", "cancel", "dora")
    assert dead.fields["reason"] == "bad_signature"


def test_mistakes_end_in_one_line(street: Street) -> None:
    street.member("odd")
    assert "no account of a passkey" in street.refused(NotFound, "recover", "show", "ada").message
    street.refused(NotFound, "recover", "cancel", "ada")
    street.refused(NotFound, "recover", "sign", "odd", "--key", "absent", "--as", "ada")
    street.refused(InvalidInput, "recover", "sign", "odd", "--key", "00" * 64, "--as", "ada")
    street.refused(Conflict, "recover", "key", "odd")
    record = street.home.path / FOLDER / "odd" / "account.json"
    kept = record.read_bytes()
    record.write_bytes(b"{}")
    street.refused(Corrupt, "recover", "cancel", "odd")
    record.write_bytes(kept)
    assert "odd" in [stored.name for stored in list_passkeys(street.home.path / FOLDER)]


def test_a_relay_that_answers_is_asked_and_the_books_are_one_process_s(street: Street) -> None:
    stored = street.member("asking")

    async def scenario() -> None:
        async with open_session(street.home) as session, open_relay(session) as relay:
            with pytest.raises(Unavailable, match="another process") as held:
                async with open_hand_in(session, [GONE]):
                    pass
            assert "wait until it has ended" in held.value.hint
            async with serve(RelayApp(relay)) as url, open_hand_in(session, [GONE, url]) as hand_in:
                with pytest.raises(Conflict) as none:
                    await hand_in(FinishRecovery(account=stored.address))
                assert none.value.fields["refusal"] == "NoRecovery"
                with pytest.raises(NotFound):
                    await hand_in(FinishRecovery(account=bytes(20)))

    asyncio.run(scenario())


def test_a_relay_that_moved_is_found(street: Street) -> None:
    """A demo whose port is taken serves at another one than its gateway is registered with."""
    stored = street.member("moving")

    async def scenario() -> None:
        async with open_session(street.home) as session, open_relay(session) as relay:
            async with (
                serve(RelayApp(relay)) as url,
                announced(session, url),
                open_hand_in(session) as hand_in,
            ):
                with pytest.raises(Conflict) as none:
                    await hand_in(FinishRecovery(account=stored.address))
                assert none.value.fields["refusal"] == "NoRecovery"
            assert not (street.home.path / RELAY_FOLDER / ADDRESS).exists()
            async with announced(session, GONE):
                with pytest.raises(Unavailable, match="another process"):
                    async with open_hand_in(session):
                        pass

    asyncio.run(scenario())


def test_an_account_with_a_key_sends_where_the_books_are_held(street: Street) -> None:
    async def scenario() -> None:
        async with (
            open_session(street.home) as session,
            open_relay(session),
            speaking(session, "ada") as speaker,
        ):
            assert speaker.hand_in is None

    asyncio.run(scenario())


def test_without_a_relay_nothing_is_handed_in(street: Street) -> None:
    keystore = street.home.accounts / f"{RELAYER}.json"
    away = keystore.with_suffix(".away")
    keystore.rename(away)
    try:
        assert "no relay" in street.refused(Unavailable, "passkey", "late").message
    finally:
        away.rename(keystore)


def test_an_account_acts_wherever_an_account_with_a_key_would(street: Street) -> None:
    stored = street.member("acting")

    async def scenario() -> None:
        async with open_session(street.home) as session:
            endpoints = Endpoints(session.endpoints)
            members = Members(endpoints, session.deployment)
            founder = Members(endpoints, session.deployment, session.home.account(FOUNDER))
            currency = session.deployment.currency
            await founder.mint_currency(stored.address, 1_009)
            signer = stored.unlock(session.home.secret)
            async with open_account(session, signer) as sender:
                calls = Calls(session.deployment)
                both = [calls.approve_deposit(currency, 701), calls.deposit(currency, 701)]
                receipts = await sender.batch(both)
                assert receipts[0] == receipts[1]
                names = [type(event).__name__ for event in members.events(receipts[0])]
                assert names == ["Deposited"]
                key = PrivateKey.from_seed(Algorithm.EDDSA, sha256(b"roof")).public
                receipt = await sender.send(calls.enrol(Enrolment(key=key, resource="energy")))
                (event,) = members.events(receipt)
                assert event.owner == stored.address  # type: ignore[attr-defined]
                with pytest.raises(Conflict) as refused:
                    await sender.send(calls.request_withdrawal(currency, 702))
                assert refused.value.fields["refusal"] == "WithdrawalOutOfRange"
                with pytest.raises(InvalidInput, match="creates no contracts"):
                    await sender.send(Call(to=None, data=b""))
            await endpoints.close()

    asyncio.run(scenario())


def test_a_budget_that_is_used_up_names_the_time(street: Street) -> None:
    stored = street.member("spending")

    async def scenario() -> None:
        async with open_session(street.home) as session:
            at = session.deployment
            call = Calls(at).approve(at.currency, at.vault, 1)
            async with open_account(session, stored.unlock(session.home.secret)) as sender:
                over = await until_refused(sender, call)
            assert isinstance(over, Unavailable)
            assert over.fields["reason"] == "over_budget"
            network, now = session.network, session.clock.now()
            assert over.fields["renews"] == network.epoch_start(max(network.epoch_at(now), 0) + 1)

    asyncio.run(scenario())


async def until_refused(sender: AccountSender, call: Call) -> CommonworksError:
    """Send a call again and again; return what ends that."""
    while True:
        try:
            await sender.send(call)
        except CommonworksError as error:
            return error

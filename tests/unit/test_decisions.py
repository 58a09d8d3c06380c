"""What a proposal decides: words only where the words are the call."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonworks.chain.abi import contract
from commonworks.chain.accounts import address_text
from commonworks.chain.ballots import Support, checked_reason
from commonworks.chain.decisions import (
    AdmitMember,
    AdoptSite,
    AppointGuardian,
    Decision,
    DefineParameter,
    RawCall,
    RemoveMember,
    SetParameter,
    SetReference,
    SetRegistrar,
    Transfer,
    decode_decision,
    encode_decision,
    replaces_government,
    spell,
)
from commonworks.chain.government import (
    Proposal,
    describe_proposal,
    find_proposal,
    in_words,
    proposal_id,
)
from commonworks.chain.plan import Deployment, GenesisParameter, Government
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict, InvalidInput, NotFound
from commonworks.explorer.web.i18n import Languages
from commonworks.wiring.explorer.spelling import Speller
from commonworks.wiring.proposals import KEY_PATTERN, is_number, policy_change


def address(name: str) -> bytes:
    """Return the address that a name stands for."""
    return sha256(name.encode())[:20]


AT = Deployment(
    chain_id=1,
    network_id=sha256(b"network"),
    token=address("token"),
    devices=address("devices"),
    nodes=address("nodes"),
    settlement=address("settlement"),
    vault=address("vault"),
    policy=address("policy"),
    currency=address("currency"),
    bond_asset=address("token"),
    government=Government(
        timelock=address("timelock"),
        governor=address("governor"),
        guardian=address("guardian"),
        accounts=address("accounts"),
        membership=address("membership"),
        router=None,
    ),
    genesis_block=1,
    genesis_hash=sha256(b"genesis"),
)
KEY = PrivateKey.from_seed(Algorithm.ES256, sha256(b"registrar")).public
EVERY: tuple[Decision, ...] = (
    SetParameter(key="a.b", value=-(2**255)),
    DefineParameter(parameter=GenesisParameter(key="c" * 31, value=2, minimum=-1, maximum=3)),
    SetRegistrar(resource="gauge", key=KEY, active=False),
    SetReference(device=7, admitted=True),
    AdoptSite(resource="gauge", site=sha256(b"here"), statement=sha256(b"table")),
    AdmitMember(account=address("ann")),
    RemoveMember(account=address("ben")),
    AppointGuardian(holder=bytes(20), until=0),
    Transfer(asset=AT.token, receiver=address("ann"), amount=1),
    Transfer(asset=AT.currency, receiver=address("ann"), amount=2**255),
    RawCall(to=address("elsewhere"), value_wei=3, data=b""),
)


@pytest.mark.parametrize("decision", EVERY, ids=lambda d: type(d).__name__)
def test_every_decision_reads_back_from_its_call(decision: Decision) -> None:
    assert decode_decision(AT, encode_decision(AT, decision)) == decision


@pytest.mark.parametrize("decision", EVERY[:-1], ids=lambda d: type(d).__name__)
def test_a_call_that_does_anything_more_stays_a_call(decision: Decision) -> None:
    call = encode_decision(AT, decision)
    for changed in (
        RawCall(to=call.to, value_wei=0, data=call.data + b"\0"),
        RawCall(to=call.to, value_wei=1, data=call.data),
        RawCall(to=call.to, value_wei=0, data=call.data[:-1]),
        RawCall(to=address("elsewhere"), value_wei=0, data=call.data),
        RawCall(to=call.to, value_wei=0, data=call.data[:4]),
    ):
        assert decode_decision(AT, changed) == changed


def test_dirty_words_stay_a_call() -> None:
    """An address with bits above its 20 bytes, a flag that is 2: no words for them."""
    flag = encode_decision(AT, SetReference(device=7, admitted=True))
    twisted = RawCall(to=flag.to, value_wei=0, data=flag.data[:-1] + b"\2")
    assert decode_decision(AT, twisted) == twisted
    admit = encode_decision(AT, AdmitMember(account=address("ann")))
    dirty = RawCall(to=admit.to, value_wei=0, data=admit.data[:4] + b"\1" + admit.data[5:])
    assert decode_decision(AT, dirty) == dirty


def test_a_key_that_is_not_its_thumbprint_stays_a_call() -> None:
    item = contract("Devices")["setRegistrar"]
    data = item.call(b"gauge".ljust(32, b"\0"), sha256(b"other"), -7, KEY.raw, True)
    call = RawCall(to=AT.devices, value_wei=0, data=data)
    assert decode_decision(AT, call) == call
    assert spell(AT, call).startswith("Devices.setRegistrar(resource=0x6761756765")


TARGETS = st.sampled_from(
    [AT.policy, AT.devices, AT.token, AT.government.timelock, AT.government.guardian, bytes(20)]
)
SELECTORS = st.sampled_from(
    [
        item.selector
        for name in ("Policy", "Devices", "CommonsToken", "CommonsTimelock", "Guardian")
        for item in contract(name).functions.values()
    ]
)


@settings(max_examples=300, deadline=None)
@given(TARGETS, SELECTORS, st.binary(max_size=300), st.integers(0, 1))
def test_whatever_a_stranger_proposed_can_be_shown(
    to: bytes, selector: bytes, rest: bytes, value: int
) -> None:
    call = RawCall(to=to, value_wei=value, data=selector + rest)
    decision = decode_decision(AT, call)
    assert encode_decision(AT, decision) == call
    assert spell(AT, call)
    assert replaces_government(call) in (True, False)


def test_what_replaces_a_part_of_the_government() -> None:
    def call(name: str, function: str, *values: object) -> RawCall:
        return RawCall(
            to=address("anywhere"), value_wei=0, data=contract(name)[function].call(*values)
        )

    owned = call("Policy", "transferOwnership", address("eve"))
    granted = call("CommonsTimelock", "grantRole", sha256(b"role"), address("eve"))
    hidden = call("CommonsGovernor", "relay", address("x"), 0, owned.data)
    twice = call("CommonsGovernor", "relay", address("x"), 0, hidden.data)
    assert all(map(replaces_government, (owned, granted, hidden, twice)))
    plain = encode_decision(AT, SetParameter(key="a", value=1))
    relayed = call("CommonsGovernor", "relay", address("x"), 0, plain.data)
    broken = RawCall(to=AT.policy, value_wei=0, data=hidden.data[:9])
    assert not any(map(replaces_government, (plain, relayed, broken)))
    assert spell(AT, RawCall(to=AT.policy, value_wei=0, data=owned.data)) == (
        f"Policy.transferOwnership(newOwner=0x{address('eve').hex()})"
    )


# --- proposals ------------------------------------------------------------------------------------


def test_a_description_names_who_may_propose_it() -> None:
    words = describe_proposal("  Two\nlines ", "Why.\n", address("ann"))
    assert words == f"# Two lines\n\nWhy.\n\n#proposer={address_text(address('ann'))}"
    assert describe_proposal("One", "", address("ann")).count("\n\n") == 1
    with pytest.raises(InvalidInput, match="needs a title"):
        describe_proposal(" ", "text", address("ann"))
    with pytest.raises(InvalidInput, match="at most"):
        describe_proposal("One", "x" * 20_000, address("ann"))
    with pytest.raises(InvalidInput, match="at most"):
        checked_reason("é" * 10_001)


def made(number: int, description: str = "# A\n\nB") -> Proposal:
    """Return a proposal of one call."""
    call = RawCall(to=address("x"), value_wei=0, data=bytes([number]))
    return Proposal(
        proposal=proposal_id([call], description),
        number=number,
        proposer=address("ann"),
        calls=(call,),
        decisions=(call,),
        description=description,
        vote_start=1,
        vote_end=2,
        tx=sha256(b"tx"),
    )


def test_a_strangers_description_has_a_title_and_a_text() -> None:
    assert (made(1).title, made(1).text) == ("A", "B")
    assert (made(1, "").title, made(1, "").text) == ("(without a title)", "")
    assert made(1, "plain words").title == "plain words"
    assert made(1, "# A\n\nB #proposer=0x12").text == "B"


def test_a_proposal_is_found_by_number_or_id() -> None:
    all_ = [made(1), made(2)]
    identifier = f"0x{all_[1].proposal:064x}"
    shouted = "0x" + identifier[2:12].upper()
    for word in ("2", "#2", str(all_[1].proposal), identifier, shouted):
        assert find_proposal(all_, word) is all_[1]
    with pytest.raises(NotFound, match="no proposal 3"):
        find_proposal(all_, "3")
    with pytest.raises(NotFound):
        find_proposal(all_, "0x" + "0" * 64)
    with pytest.raises(InvalidInput, match="could be several"):
        find_proposal(all_, "0x1")
    for word in ("first", "", "-1", "²"):
        with pytest.raises(InvalidInput, match="names no proposal"):
            find_proposal(all_, word)


def test_what_a_proposal_does_to_the_policy() -> None:
    decisions = (
        SetParameter(key="a", value=1),
        DefineParameter(parameter=GenesisParameter(key="b", value=2, minimum=0, maximum=9)),
        SetParameter(key="a", value=3),
        SetParameter(key="b", value=4),
        AdmitMember(account=address("ann")),
    )
    change = policy_change(decisions)
    assert (change.overrides, change.defined) == ({"a": 3}, {"b": 4})
    assert change.rest == (decisions[-1],)
    assert [int(support) for support in Support] == [0, 1, 2]


@pytest.mark.parametrize("fields", [{"arguments": {"current": 3}}, {}], ids=["sent", "relayed"])
def test_a_refusal_is_told_in_words_whoever_passed_it_on(fields: dict[str, object]) -> None:
    """A relay passes the words on, without the fields."""
    refusal = "GovernorUnexpectedProposalState"
    raw = Conflict(f"{refusal}(proposalId=99, current=3)", refusal=refusal, **fields)
    assert in_words(raw).message == "the proposal is defeated"
    other = Conflict("something else", refusal="OutOfBounds")
    assert in_words(other) is other


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("0", True),
        (str(2**256 - 1), True),
        (str(2**256), False),
        ("9" * 78, False),
        ("9" * 10_000, False),
        ("\u0663", False),
        ("", False),
        ("-1", False),
    ],
)
def test_numbers_that_contracts_hold(text: str, fits: bool) -> None:
    assert is_number(text) is fits


def test_what_does_not_fit_its_type_is_invalid_input() -> None:
    with pytest.raises(InvalidInput):
        contract("Devices")["payeesOf"].call(2**256)


@pytest.mark.parametrize("key", ["", "f\x01o", "a b", "A", "\N{SNOWMAN}", ".x"])
def test_a_key_that_nobody_can_read(key: str) -> None:
    assert not KEY_PATTERN.fullmatch(key)


# --- in the reader's language ---------------------------------------------------------------------

ANN = address_text(address("ann"))
SAID = {
    "en": (
        f"Sets a.b to <a.b {-(2**255)}> when the next epoch opens.",
        f"Defines {'c' * 31} as <{'c' * 31} 2>, never below <{'c' * 31} -1> or above "
        f"<{'c' * 31} 3>, when the next epoch opens.",
        f"Dismisses the registrar {KEY.thumbprint.hex()[:16]} of gauge.",
        "Admits device 7 as an independent reference.",
        f"Puts the site table {sha256(b'table').hex()[:16]} of gauge in force.",
        f"Admits {ANN} as a member.",
        f"Removes {address_text(address('ben'))} as a member.",
        "Ends the guardian's office.",
        f"Pays 0.000000000000000001 CWT from the treasury to {ANN}.",
        f"Calls {address_text(address('elsewhere'))} with the data 0x01. It sends 5 wei of the "
        "chain's own coin.",
    ),
    "de": (
        f"Setzt a.b auf <a.b {-(2**255)}>, sobald die nächste Epoche beginnt.",
        f"Führt {'c' * 31} ein mit <{'c' * 31} 2>, nie unter <{'c' * 31} -1> oder über "
        f"<{'c' * 31} 3>, sobald die nächste Epoche beginnt.",
        f"Entlässt den Registrar {KEY.thumbprint.hex()[:16]} von gauge.",
        "Lässt Gerät 7 als unabhängige Referenz zu.",
        f"Setzt die Standorttabelle {sha256(b'table').hex()[:16]} von gauge in Kraft.",
        f"Nimmt {ANN} als Mitglied auf.",
        f"Schließt {address_text(address('ben'))} als Mitglied aus.",
        "Beendet das Amt des Wächters.",
        f"Zahlt 0,000000000000000001 CWT aus der Kasse an {ANN}.",
        f"Ruft {address_text(address('elsewhere'))} mit den Daten 0x01 auf. Dabei gehen 5 wei der "
        "Münze der Kette mit.",
    ),
}
"""What each of `EVERY` but the renewed office is to its reader."""


@pytest.mark.parametrize("language", SAID)
def test_a_decision_is_said_in_the_language_of_who_reads_it(language: str) -> None:
    speller = Speller(deployment=AT, token_symbol="CWT", currency_code="EUR", currency_decimals=6)
    raw = RawCall(to=address("elsewhere"), value_wei=5, data=b"\x01")
    decisions = [*EVERY[: len(SAID["en"]) - 1], raw]
    languages = Languages({})
    languages.use(language)
    try:
        said = tuple(
            speller.decision(encode_decision(AT, one), lambda key, value: f"<{key} {value}>")
            for one in decisions
        )
    finally:
        languages.use("en")
    assert said == SAID[language]


def test_what_replaces_the_government_says_so() -> None:
    data = contract("CommonsTimelock")["updateDelay"].call(1)
    call = RawCall(to=AT.government.timelock, value_wei=0, data=data)
    speller = Speller(deployment=AT, token_symbol="CWT", currency_code="EUR", currency_decimals=6)
    said = speller.decision(call, lambda key, value: "")
    assert said.startswith("CommonsTimelock.updateDelay(")
    assert "replaces a part of the government" in said

"""Logs become events: every kind, from bytes built by hand; strange bytes never stop the fold."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from commonworks import events, stops
from commonworks.chain.abi import WATCHED, contract, decode_refusal
from commonworks.chain.events import commitment_of, commitment_values, decode_log
from commonworks.chain.logs import RawLog
from commonworks.crypto.hashes import keccak256
from commonworks.errors import Corrupt

A, B = b"\xa1" * 20, b"\xb2" * 20
W1, W2, W3 = (bytes([n]) * 32 for n in (1, 2, 3))
AT = events.Position(block=7, time=1_000_003, index=5, tx=W3)

COMMITMENT = events.Commitment(
    previous_digest=bytes([11]) * 32,
    evidence_hash=bytes([12]) * 32,
    facts_hash=bytes([13]) * 32,
    policy_hash=bytes([14]) * 32,
    rules_hash=bytes([15]) * 32,
    result_hash=bytes([16]) * 32,
    state_hash=bytes([17]) * 32,
    payout_root=bytes([18]) * 32,
    minted_wei=19,
    totals=(
        events.AssetTotal(asset=A, earned=23, spent=29),
        events.AssetTotal(asset=B, earned=31, spent=37),
    ),
)
RESULT = f"({'bytes32,' * 8}uint256,(address,uint256,uint256)[])"


def word(kind: str, value: object) -> bytes:
    return encode([kind], [value])


def log(signature: str, topics: list[bytes], types: list[str], values: list[object]) -> RawLog:
    return RawLog(
        address=A,
        topics=(keccak256(signature.encode()), *topics),
        data=encode(types, values),
        block=AT.block,
        index=AT.index,
        tx=AT.tx,
        time=None,
    )


def address(value: bytes) -> bytes:
    return word("address", value)


def number(value: int) -> bytes:
    return word("uint256", value)


CASES: list[tuple[str, RawLog, events.Event]] = [
    (
        "Devices",
        log(
            "Enrolled(uint256,address,bytes32,int8,bytes,bytes32,uint64,address)",
            [number(3), address(A), W1],
            ["int8", "bytes", "bytes32", "uint64", "address"],
            [-8, b"k" * 32, W2, 41, B],
        ),
        events.Enrolled(
            at=AT,
            device=3,
            owner=A,
            thumbprint=W1,
            algorithm=-8,
            public_key=b"k" * 32,
            resource=W2,
            cell=41,
            enroller=B,
        ),
    ),
    (
        "Devices",
        log("Transfer(address,address,uint256)", [address(A), address(B), number(3)], [], []),
        events.Transferred(at=AT, device=3, sender=A, receiver=B),
    ),
    (
        "Devices",
        log(
            "PayeesSet(uint256,(address,uint32)[])",
            [number(3)],
            ["(address,uint32)[]"],
            [[(A, 300_007), (B, 699_993)]],
        ),
        events.PayeesSet(
            at=AT,
            device=3,
            shares=(events.Share(account=A, ppm=300_007), events.Share(account=B, ppm=699_993)),
        ),
    ),
    (
        "Devices",
        log(
            "RegistrarSet(bytes32,bytes32,int8,bytes,bool)",
            [W1, W2],
            ["int8", "bytes", "bool"],
            [-7, b"k" * 64, True],
        ),
        events.RegistrarSet(
            at=AT,
            resource=W1,
            thumbprint=W2,
            algorithm=-7,
            public_key=b"k" * 64,
            active=True,
        ),
    ),
    (
        "Devices",
        log("ReferenceSet(uint256,bool)", [number(5)], ["bool"], [False]),
        events.ReferenceSet(at=AT, device=5, admitted=False),
    ),
    (
        "Devices",
        log("SiteAdopted(bytes32,bytes32,bytes32)", [W1, W2], ["bytes32"], [W3]),
        events.SiteAdopted(at=AT, resource=W1, site=W2, statement=W3),
    ),
    (
        "Nodes",
        log(
            "GatewayRegistered(address,string,string,string,bytes32,bytes,bytes)",
            [address(A), W1],
            ["string", "string", "string", "bytes", "bytes"],
            ["north", "origin", "http://x", b"n" * 32, b"r" * 64],
        ),
        events.GatewayRegistered(
            at=AT,
            operator=A,
            name="north",
            origin="origin",
            endpoint="http://x",
            log_id=W1,
            note_key=b"n" * 32,
            receipt_key=b"r" * 64,
        ),
    ),
    (
        "Nodes",
        log(
            "VerifierRegistered(address,string,string)",
            [address(A)],
            ["string", "string"],
            ["eye", "http://y"],
        ),
        events.VerifierRegistered(at=AT, operator=A, name="eye", endpoint="http://y"),
    ),
    (
        "Nodes",
        log("Bonded(address,uint256)", [address(A)], ["uint256"], [43]),
        events.Bonded(at=AT, operator=A, amount=43),
    ),
    (
        "Nodes",
        log(
            "UnbondingStarted(address,uint256,uint64)",
            [address(A)],
            ["uint256", "uint64"],
            [43, 47],
        ),
        events.UnbondingStarted(at=AT, operator=A, amount=43, ready_at=47),
    ),
    (
        "Nodes",
        log("Unbonded(address,uint256)", [address(A)], ["uint256"], [43]),
        events.Unbonded(at=AT, operator=A, amount=43),
    ),
    (
        "Nodes",
        log(
            "StakeChanged(address,uint256,uint256)",
            [address(A)],
            ["uint256", "uint256"],
            [43, 79],
        ),
        events.StakeChanged(at=AT, operator=A, stake=43, total=79),
    ),
    (
        "Policy",
        log(
            "ParameterDefined(bytes32,int256,int256,int256,uint64)",
            [W1],
            ["int256", "int256", "int256", "uint64"],
            [-5, -7, 11, 13],
        ),
        events.ParameterDefined(at=AT, key=W1, value=-5, minimum=-7, maximum=11, from_epoch=13),
    ),
    (
        "Policy",
        log("ParameterSet(bytes32,int256,uint64)", [W1], ["int256", "uint64"], [-5, 13]),
        events.ParameterSet(at=AT, key=W1, value=-5, from_epoch=13),
    ),
    (
        "Settlement",
        log("Anchored(bytes32,uint64,bytes32)", [W1], ["uint64", "bytes32"], [53, W2]),
        events.Anchored(at=AT, log_id=W1, size=53, root=W2),
    ),
    (
        "Settlement",
        log(
            "Confirmed(uint64,address,(bytes32,uint64,bytes32)[])",
            [number(2), address(A)],
            ["(bytes32,uint64,bytes32)[]"],
            [[(W1, 53, W2), (W2, 59, W3)]],
        ),
        events.Confirmed(
            at=AT,
            epoch=2,
            verifier=A,
            tips=(
                events.Tip(log_id=W1, size=53, root=W2),
                events.Tip(log_id=W2, size=59, root=W3),
            ),
        ),
    ),
    (
        "Settlement",
        log(
            "Closed(uint64,bytes32,(bytes32,uint64,uint64,bytes32)[])",
            [number(2)],
            ["bytes32", "(bytes32,uint64,uint64,bytes32)[]"],
            [W3, [(W1, 53, 61, W2)]],
        ),
        events.Closed(
            at=AT,
            epoch=2,
            evidence_hash=W3,
            ranges=(events.Range(log_id=W1, first=53, size=61, root=W2),),
        ),
    ),
    (
        "Settlement",
        log("Attested(uint64,address,bytes32)", [number(2), address(A)], ["bytes32"], [W1]),
        events.Attested(at=AT, epoch=2, verifier=A, digest=W1),
    ),
    (
        "Settlement",
        log(
            f"Finalised(uint64,bytes32,{RESULT})",
            [number(2)],
            ["bytes32", RESULT],
            [
                W1,
                (
                    *(bytes([n]) * 32 for n in range(11, 19)),
                    19,
                    [(A, 23, 29), (B, 31, 37)],
                ),
            ],
        ),
        events.Finalised(at=AT, epoch=2, digest=W1, commitment=COMMITMENT),
    ),
    (
        "Vault",
        log(
            "Deposited(address,address,uint256,address)",
            [address(A), address(B)],
            ["uint256", "address"],
            [67, A],
        ),
        events.Deposited(at=AT, asset=A, account=B, amount=67, sender=A),
    ),
    (
        "Vault",
        log(
            "WithdrawalRequested(uint256,address,address,uint256)",
            [number(9), address(A), address(B)],
            ["uint256"],
            [67],
        ),
        events.WithdrawalRequested(at=AT, request=9, asset=A, account=B, amount=67),
    ),
    (
        "Vault",
        log(
            "SpendLimitSet(address,uint256,uint256)",
            [address(A), number(3)],
            ["uint256"],
            [71],
        ),
        events.SpendLimitSet(at=AT, account=A, device=3, limit=71),
    ),
    (
        "Vault",
        log(
            "Claimed(address,address,uint256,uint64)",
            [address(A), address(B)],
            ["uint256", "uint64"],
            [73, 2],
        ),
        events.Claimed(at=AT, asset=A, account=B, amount=73, epoch=2),
    ),
    (
        "Settlement",
        log("HaltVoted(uint64,address,uint256)", [number(2), address(A)], ["uint256"], [83]),
        stops.HaltVoted(at=AT, epoch=2, verifier=A, stake=83),
    ),
    (
        "Settlement",
        log("Halted(uint64,uint64)", [number(2)], ["uint64"], [89]),
        stops.Halted(at=AT, epoch=2, until=89),
    ),
    (
        "Vault",
        log("RootAccepted(uint64,bytes32,uint64)", [number(2)], ["bytes32", "uint64"], [W1, 97]),
        stops.RootAccepted(at=AT, epoch=2, root=W1, claimable_at=97),
    ),
    (
        "Vault",
        log("RootDelayed(uint64,uint64)", [number(2)], ["uint64"], [101]),
        stops.RootDelayed(at=AT, epoch=2, claimable_at=101),
    ),
    (
        "Vault",
        log("ExitEntered(uint64)", [], ["uint64"], [103]),
        stops.ExitEntered(at=AT, since=103),
    ),
    (
        "Vault",
        log("Exited(address,address,uint256)", [address(A), address(B)], ["uint256"], [107]),
        stops.Exited(at=AT, asset=A, account=B, amount=107),
    ),
    (
        "Guardian",
        log("Appointed(address,uint64)", [address(A)], ["uint64"], [109]),
        stops.GuardianAppointed(at=AT, holder=A, until=109),
    ),
    (
        "Guardian",
        log("Halted(uint64,address,uint64)", [number(2), address(A)], ["uint64"], [113]),
        stops.GuardianHalted(at=AT, epoch=2, holder=A, ready_at=113),
    ),
]


@pytest.mark.parametrize(
    ("source", "raw", "expected"), CASES, ids=[type(case[2]).__name__ for case in CASES]
)
def test_a_log_becomes_its_event(source: str, raw: RawLog, expected: events.Event) -> None:
    assert decode_log(source, raw, AT.time) == expected


def test_every_event_class_of_the_model_is_covered_here() -> None:
    declared = {
        name
        for name, value in (vars(events) | vars(stops)).items()
        if isinstance(value, type) and issubclass(value, events.Event) and value is not events.Event
    }
    assert {type(case[2]).__name__ for case in CASES} == declared


# What the contracts' interfaces declare and nobody reads, and why.
UNREAD = {
    ("Policy", "OwnershipTransferred"): "a vote's own calls say it: proposals have them in words",
    ("Devices", "OwnershipTransferred"): "as above",
    ("Guardian", "OwnershipTransferred"): "as above",
    ("Devices", "Approval"): "moves nothing",
    ("Devices", "ApprovalForAll"): "moves nothing",
    ("Devices", "EIP712DomainChanged"): "no contract of ours ever says it",
    ("Vault", "EIP712DomainChanged"): "no contract of ours ever says it",
}


def test_every_event_of_the_contracts_is_read_or_left_out_for_a_reason() -> None:
    declared = {
        (source, item.name) for source in WATCHED for item in contract(source).events.values()
    }
    names = {(source, raw.topics[0]) for source, raw, _ in CASES}
    read = {(source, contract(source).events[topic].name) for source, topic in names}
    assert declared - read == set(UNREAD)


def test_what_nobody_waits_for_gives_nothing() -> None:
    owned = "OwnershipTransferred(address,address)"
    ignored = [
        ("Policy", log(owned, [address(A), address(B)], [], [])),
        ("Vault", log("NoSuchEvent()", [], [], [])),
        (
            "Devices",
            log("Transfer(address,address,uint256)", [bytes(32), address(B), number(3)], [], []),
        ),
    ]
    for source, raw in ignored:
        assert decode_log(source, raw, AT.time) is None


def test_a_name_that_is_not_utf8_still_decodes() -> None:
    raw = log(
        "VerifierRegistered(address,string,string)",
        [address(A)],
        ["bytes", "bytes"],  # encoded like strings
        [b"\xff\xfeeye", b"\xc3"],
    )
    event = decode_log("Nodes", raw, AT.time)
    assert isinstance(event, events.VerifierRegistered)
    assert event.name == "��eye"


def test_a_log_that_does_not_fit_its_contract_is_corrupt() -> None:
    whole = log("Anchored(bytes32,uint64,bytes32)", [W1], ["uint64", "bytes32"], [53, W2])
    short = RawLog(
        address=A, topics=whole.topics, data=whole.data[:40], block=1, index=0, tx=W3, time=None
    )
    bare = RawLog(
        address=A, topics=whole.topics[:1], data=whole.data, block=1, index=0, tx=W3, time=None
    )
    for raw in (short, bare):
        with pytest.raises(Corrupt):
            decode_log("Settlement", raw, AT.time)


def test_a_commitment_survives_the_contracts_struct() -> None:
    assert commitment_of(commitment_values(COMMITMENT)) == COMMITMENT


def test_a_refusal_is_named_with_its_arguments() -> None:
    data = keccak256(b"CloseTooEarly(uint64,uint256)")[:4] + encode(["uint64", "uint256"], [2, 79])
    refusal = decode_refusal(data)
    assert (refusal.name, refusal.arguments) == ("CloseTooEarly", {"epoch": 2, "deadline": 79})
    conflict = refusal.conflict()
    assert str(conflict) == "the contract refuses: CloseTooEarly(epoch=2, deadline=79)"
    assert conflict.fields["refusal"] == "CloseTooEarly"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (keccak256(b"Error(string)")[:4] + encode(["string"], ["no"]), "Error"),
        (keccak256(b"Panic(uint256)")[:4] + encode(["uint256"], [17]), "Panic"),
        (b"", "unknown"),
        (b"\x01\x02", "unknown"),
        (keccak256(b"CloseTooEarly(uint64,uint256)")[:4] + b"\x01", "unknown"),
    ],
)
def test_any_revert_data_gives_a_refusal(data: bytes, name: str) -> None:
    assert decode_refusal(data).name == name


def test_no_two_errors_of_the_contracts_share_a_selector_with_different_meanings() -> None:
    seen: dict[bytes, str] = {}
    for name in WATCHED:
        for selector, item in contract(name).errors.items():
            assert seen.setdefault(selector, item.name) == item.name

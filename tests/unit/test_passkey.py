"""Assertions, nested messages and batches of a software passkey, checked by other software."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from commonworks.chain import passkey
from commonworks.chain.abi import contract, decode
from commonworks.chain.passkey import (
    Assertion,
    PasskeySigner,
    Step,
    Terms,
    assert_passkey,
    create_account,
    describe,
    sign_recovery,
)
from commonworks.chain.signer import (
    KeystoreSigner,
    Signer,
    Types,
    domain_of,
    sign_ballot,
    struct,
    typed_digest,
    typed_hash,
)
from commonworks.crypto.es256 import ORDER
from commonworks.crypto.hashes import keccak256, sha256
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import InvalidInput

KEY = PrivateKey.from_seed(Algorithm.ES256, bytes(range(32)))
ACCOUNT = bytes([0xAC]) * 20
APP = bytes([0xA9]) * 20
CHAIN_ID = 31_337
SIGNER = PasskeySigner(address=ACCOUNT, key=KEY)
ENCODED = ["bytes32", "bytes32", "uint256", "uint256", "bytes", "string"]

ENROL: Types = {
    "Enrol": struct("address owner,bytes32 thumbprint,bytes publicKey,uint256 nonce"),
}
BATCH: Types = {
    "EnrolBatch": struct("address owner,NewDevice[] devices"),
    "NewDevice": struct("bytes32 thumbprint,uint64 cell"),
}
REVERSED: Types = {
    "Wish": struct("address owner,Asset asset"),
    "Asset": struct("address at,uint256 amount"),
}
MESSAGES: list[tuple[Types, str, dict[str, Any]]] = [
    (ENROL, "Enrol", {"owner": ACCOUNT, "thumbprint": bytes(32), "publicKey": b"k", "nonce": 3}),
    (BATCH, "EnrolBatch", {"owner": ACCOUNT, "devices": [{"thumbprint": b"t" * 32, "cell": 7}]}),
    (REVERSED, "Wish", {"owner": ACCOUNT, "asset": {"at": APP, "amount": 2**255}}),
]
DOMAIN = domain_of("An Application", CHAIN_ID, APP)


def public() -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + KEY.public.raw)


def verified(signature: bytes, challenge: bytes) -> None:
    """Check an assertion as a relying party does, with other software than ours."""
    r, s, challenge_at, type_at, authenticator, client = decode(ENCODED, signature)
    assert isinstance(authenticator, bytes)
    assert isinstance(client, str)
    assert isinstance(r, bytes)
    assert isinstance(s, bytes)
    fields = json.loads(client)
    assert fields["type"] == "webauthn.get"
    padded = fields["challenge"] + "=" * (-len(fields["challenge"]) % 4)
    assert base64.urlsafe_b64decode(padded) == challenge
    assert "=" not in fields["challenge"]
    assert fields["origin"] == "http://localhost"
    assert fields["crossOrigin"] is False
    assert client[int(str(type_at)) :].startswith('"type":"webauthn.get"')
    assert client[int(str(challenge_at)) :].startswith(f'"challenge":"{fields["challenge"]}"')
    assert authenticator[:32] == sha256(b"localhost")
    assert authenticator[32] == 0x05, "present and verified, nothing else"
    assert authenticator[33:] == bytes(4)
    half = int.from_bytes(s, "big")
    assert 0 < half <= ORDER // 2
    public().verify(
        encode_dss_signature(int.from_bytes(r, "big"), half),
        authenticator + sha256(client.encode()),
        ec.ECDSA(hashes.SHA256()),
    )


@given(st.binary(min_size=32, max_size=32))
def test_an_assertion_is_what_a_relying_party_checks(challenge: bytes) -> None:
    verified(assert_passkey(KEY, challenge).encode(), challenge)


def test_the_encoding_starts_with_the_first_word_of_the_assertion() -> None:
    signature = assert_passkey(KEY, bytes(32)).encode()
    assert len(signature) % 32 == 0
    offsets = [int.from_bytes(signature[at : at + 32], "big") for at in (128, 160)]
    assert offsets == [192, 192 + 32 + 64], "offsets count from the first word"


def test_a_browsers_assertion_is_encoded_wherever_its_members_stand() -> None:
    client = b'{"challenge":"AAAA","extra":1,"type":"webauthn.get","origin":"https://x.example"}'
    made = Assertion(authenticator_data=bytes(37), client_data=client, signature=bytes(64))
    values = decode(ENCODED, made.encode())
    assert (values[2], values[3]) == (client.index(b'"challenge'), client.index(b'"type'))


@pytest.mark.parametrize(
    ("client", "signature"),
    [(b"{}", bytes(64)), (b'{"type":""}', bytes(64)), (b'"type":""challenge":"', bytes(63))],
)
def test_what_is_no_assertion_is_refused(client: bytes, signature: bytes) -> None:
    with pytest.raises(InvalidInput):
        Assertion(authenticator_data=bytes(37), client_data=client, signature=signature).encode()


def test_only_p256_keys_are_passkeys() -> None:
    other = PrivateKey.from_seed(Algorithm.EDDSA, bytes(32))
    with pytest.raises(InvalidInput, match="P-256"):
        assert_passkey(other, bytes(32))
    with pytest.raises(InvalidInput, match="P-256"):
        passkey.point(other.public)
    with pytest.raises(InvalidInput):
        passkey.key_of(bytes(32), bytes(32))


# --- nested messages ----------------------------------------------------------------------------


def split(signature: bytes) -> tuple[bytes, bytes, bytes, str]:
    """Take a nested signature apart from its end, as the contracts do."""
    length = int.from_bytes(signature[-2:], "big")
    body, description = signature[: -2 - length], signature[-2 - length : -2]
    return body[:-64], body[-64:-32], body[-32:], description.decode()


@pytest.mark.parametrize(("types", "primary", "message"), MESSAGES)
def test_a_message_is_nested_as_a_wallet_would(
    types: Types, primary: str, message: dict[str, Any]
) -> None:
    signature, separator, contents, description = split(
        SIGNER.sign_typed(DOMAIN, types, primary, message)
    )
    plain = typed_hash(DOMAIN, types, message)
    assert (separator, contents) == (plain.separator, plain.contents)
    # the wallet's side: the nested struct as one more EIP-712 message, hashed by the library
    wallet_types = {name: [dict(m) for m in members] for name, members in types.items()}
    wallet_types["TypedDataSign"] = [
        {"name": "contents", "type": primary},
        *(
            dict(member)
            for member in struct(
                "string name,string version,uint256 chainId,address verifyingContract,bytes32 salt"
            )
        ),
    ]
    wallet = encode_typed_data(
        dict(DOMAIN),
        wallet_types,
        {
            "contents": message,
            "name": "Commonworks Member",
            "version": "1",
            "chainId": CHAIN_ID,
            "verifyingContract": ACCOUNT,
            "salt": bytes(32),
        },
    )
    verified(signature, typed_digest(wallet.header, wallet.body))
    assert description.startswith(sorted(types)[0] + "(")


def test_descriptions_name_the_type_where_it_does_not_come_first() -> None:
    assert describe(ENROL, "Enrol")[2].endswith(b")")
    assert describe(BATCH, "EnrolBatch")[2].startswith(b"EnrolBatch(")
    assert describe(BATCH, "EnrolBatch")[2].endswith(b"NewDevice(bytes32 thumbprint,uint64 cell)")
    assert describe(REVERSED, "Wish")[2] == (
        b"Asset(address at,uint256 amount)Wish(address owner,Asset asset)Wish"
    )
    with pytest.raises(InvalidInput, match="Vote"):
        describe(ENROL, "Vote")


def test_both_forms_of_signer_are_signers() -> None:
    account = Account.from_key(bytes([7]) * 32)
    forms: list[Signer] = [KeystoreSigner(account), SIGNER]
    assert [signer.address for signer in forms] == [bytes.fromhex(account.address[2:]), ACCOUNT]
    ballots = [sign_ballot(s, APP, CHAIN_ID, 2**255, 1, nonce=0) for s in forms]
    assert len(ballots[0]) == 65
    name = b"Ballot(uint256 proposalId,uint8 support,address voter,uint256 nonce)"
    assert ballots[1].endswith(name + len(name).to_bytes(2, "big"))


# --- the account's own messages -----------------------------------------------------------------


def test_a_batch_is_signed_as_the_account_hashes_it() -> None:
    steps = [Step(target=APP, data=b"\x01\x02"), Step(target=ACCOUNT, data=b"", value=5)]
    signature = SIGNER.sign_batch(CHAIN_ID, steps, nonce=11, deadline=13)
    call = keccak256(b"Call(address target,uint256 value,bytes data)")
    execute = keccak256(
        b"Execute(Call[] calls,uint256 nonce,uint256 deadline)"
        b"Call(address target,uint256 value,bytes data)"
    )

    def word(value: int) -> bytes:
        return value.to_bytes(32, "big")

    hashed = b"".join(
        keccak256(call + step.target.rjust(32, b"\0") + word(step.value) + keccak256(step.data))
        for step in steps
    )
    contents = keccak256(execute + keccak256(hashed) + word(11) + word(13))
    kind = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    separator = keccak256(
        keccak256(kind)
        + keccak256(b"Commonworks Member")
        + keccak256(b"1")
        + word(CHAIN_ID)
        + ACCOUNT.rjust(32, b"\0")
    )
    verified(signature, typed_digest(separator, contents))


@pytest.mark.parametrize("count", [0, 65])
def test_a_batch_has_a_bound(count: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 64"):
        SIGNER.sign_batch(CHAIN_ID, [Step(target=APP, data=b"")] * count, nonce=0, deadline=0)


def test_a_recoverers_word_names_the_account_and_the_new_key() -> None:
    keeper = Account.from_key(bytes([9]) * 32)
    new = PrivateKey.from_seed(Algorithm.ES256, bytes(32)).public
    word = sign_recovery(KeystoreSigner(keeper), CHAIN_ID, ACCOUNT, new, nonce=2, deadline=3)
    message = {
        "account": ACCOUNT,
        "qx": new.raw[:32],
        "qy": new.raw[32:],
        "nonce": 2,
        "deadline": 3,
    }
    members = "address account,bytes32 qx,bytes32 qy,uint256 nonce,uint256 deadline"
    signable = encode_typed_data(
        dict(domain_of("Commonworks Member", CHAIN_ID, ACCOUNT)),
        {"Recover": [dict(member) for member in struct(members)]},
        message,
    )
    assert Account.recover_message(signable, signature=word) == keeper.address


def test_creating_names_everything_that_the_address_commits_to() -> None:
    terms = Terms(key=KEY.public, recoverers=(APP,), threshold=1, recovery_delay_s=86_400)
    call = create_account(APP, terms)
    item = contract("MemberAccounts")["create"]
    assert call.to == APP
    assert call.data[:4] == item.selector
    words = decode([field.type for field in item.inputs], call.data[4:])
    assert words == (KEY.public.raw[:32], KEY.public.raw[32:], (APP,), 1, 86_400)

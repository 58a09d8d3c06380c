"""Who may read sealed payloads: signed requests, as docs/spec/submission.md section 3 has them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from commonworks.crypto import cbor
from commonworks.errors import InvalidInput, Unauthorized
from commonworks.ports import Clock

SCHEME: Final = "Commonworks"
"""Scheme of the Authorization header."""

AHEAD_S_MAX: Final = 3_600
"""How far ahead, in network time, a request may expire."""

SIGNED_REQUEST_S: Final = 1_800
"""How long a signed request of ours holds, network time."""

HEADER_CHARS_MAX: Final = 512
"""Longest header that is looked at; a genuine one has some 130 characters."""

ACCEPTED_MAX: Final = 4_096
"""Signed requests remembered, so that a reader's thousand tiles cost one signature check."""

ACCOUNT_BYTES: Final = 20
SIGNATURE_BYTES: Final = 65


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedRequest:
    """Leave to read one log's sealed payloads until a time, signed by an account."""

    account: bytes
    """Who asks, 20 bytes."""
    expires: int
    """Network time until which it holds, Unix seconds."""
    signature: bytes
    """r || s || v of the account over `request_text`, 65 bytes."""


def request_text(network_id: bytes, log_id: bytes, expires: int) -> str:
    """Return the text that an account signs (EIP-191 `personal_sign`)."""
    return (
        "commonworks sealed read\n"
        f"network: 0x{network_id.hex()}\n"
        f"log: 0x{log_id.hex()}\n"
        f"expires: {expires}\n"
    )


def encode_authorization(request: SealedRequest) -> str:
    """Return the value of the Authorization header."""
    encoded = cbor.encode([request.account, request.expires, request.signature])
    return f"{SCHEME} {base64.urlsafe_b64encode(encoded).rstrip(b'=').decode()}"


def decode_authorization(header: str) -> SealedRequest:
    """Return the request in an Authorization header; raise InvalidInput where there is none."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != SCHEME.lower() or len(header) > HEADER_CHARS_MAX:
        raise InvalidInput(f"the Authorization header is not of the scheme {SCHEME}")
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("the Authorization header is not base64url") from error
    parts = cbor.decode(raw, tags=())
    if not isinstance(parts, list) or len(parts) != 3:
        raise InvalidInput("the Authorization header is not [account, expires, signature]")
    account, expires, signature = parts
    if not isinstance(account, bytes) or len(account) != ACCOUNT_BYTES:
        raise InvalidInput("the account in the Authorization header has 20 bytes")
    if not isinstance(expires, int) or isinstance(expires, bool):
        raise InvalidInput("the time in the Authorization header is an integer")
    if not isinstance(signature, bytes) or len(signature) != SIGNATURE_BYTES:
        raise InvalidInput("the signature in the Authorization header has 65 bytes")
    return SealedRequest(account=account, expires=expires, signature=signature)


def authorize(
    account: LocalAccount, network_id: bytes, log_id: bytes, clock: Clock
) -> Callable[[], str]:
    """Return what signs requests for the sealed payloads of a log, renewed when they expire."""
    held: tuple[int, str] | None = None

    def header() -> str:
        nonlocal held
        now = clock.now()
        if held is None or held[0] - now < SIGNED_REQUEST_S // 2:
            expires = now + SIGNED_REQUEST_S
            text = request_text(network_id, log_id, expires)
            signed = Account.sign_message(encode_defunct(text=text), account.key)
            request = SealedRequest(
                account=bytes.fromhex(account.address[2:]),
                expires=expires,
                signature=bytes(signed.signature),
            )
            held = (expires, encode_authorization(request))
        return held[1]

    return header


class Gatekeeper:
    """Checks the requests for one log's sealed payloads."""

    def __init__(self, *, network_id: bytes, log_id: bytes) -> None:
        self._network_id = network_id
        self._log_id = log_id
        self._accepted: dict[str, SealedRequest] = {}

    def check(self, header: str | None, *, readers: Collection[bytes], now: int) -> bytes:
        """Return the account that may read; `readers` are all that may.

        Raises: Unauthorized; with the field `forbidden` set where the account is known for what
        it is and simply may not read.
        """
        if header is None:
            raise Unauthorized("sealed payloads need a signed request", hint="sign the request")
        request = self._accepted.get(header)
        known = request is not None
        if request is None:
            try:
                request = decode_authorization(header)
            except InvalidInput as error:
                raise Unauthorized(error.message, hint="sign the request again") from error
        if not now < request.expires <= now + AHEAD_S_MAX:
            raise Unauthorized(
                "the signed request has expired, or expires too far ahead",
                hint=f"sign a new one that expires within {AHEAD_S_MAX} s of network time",
                now=now,
            )
        if request.account not in readers:
            raise Unauthorized(
                f"the account 0x{request.account.hex()} may not read sealed payloads",
                hint="members, node operators and auditors may",
                forbidden=True,
            )
        if not known:
            self._verify(request)
            while len(self._accepted) >= ACCEPTED_MAX:
                del self._accepted[next(iter(self._accepted))]
            self._accepted[header] = request
        return request.account

    def _verify(self, request: SealedRequest) -> None:
        text = request_text(self._network_id, self._log_id, request.expires)
        try:
            signer = Account.recover_message(encode_defunct(text=text), signature=request.signature)
        except (BadSignature, ValidationError, ValueError, TypeError) as error:
            raise Unauthorized("the request's signature is none", hint="sign it again") from error
        if bytes.fromhex(signer[2:]) != request.account:
            raise Unauthorized("the request is signed by another account", hint="sign it again")

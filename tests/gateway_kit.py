"""What the gateway's tests share: a network, keys by number, statements, a log to check."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import ParamSpec

from commonworks.crypto import cbor, cose
from commonworks.crypto.hashes import sha256
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.gateway import NOTE_KEY, RECEIPT_KEY, Gateway, GatewaySettings, Positions
from commonworks.model import (
    Network,
)
from commonworks.ports import Chain, Clock, Store
from commonworks.statements.codec import Item, sign_binding, sign_record
from commonworks.statements.model import Column, DType, Kind, Schema, Signer
from commonworks.translog.check import Verified, read_checkpoint, verified_bundles
from commonworks.translog.notes import Checkpoint
from commonworks.translog.receipts import Receipt, verify_receipt

P = ParamSpec("P")


def asynchronous(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """Run a test that is a coroutine in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


GENESIS_S = 1_700_000_000
EPOCH_S = 86_400
NETWORK = Network(
    network_id=sha256(b"network under test"),
    genesis_time=GENESIS_S,
    epoch_length_s=EPOCH_S,
    token=bytes(20),
    currency=bytes([1]) * 20,
    currency_code="TST",
    initial_emission_wei=0,
    treasury=b"t" * 20,
)


def schema(*, sealed: bool) -> Schema:
    """Return the schema of a report with one column."""
    column = Column(
        name="level_mm", dtype=DType.U64, minimum=0, maximum=2**40, description="a level"
    )
    return Schema(
        kind=Kind.REPORT,
        columns=(column,),
        max_rows=8_000,
        sealed=sealed,
        signer=Signer.DEVICE,
        description="levels",
        equal_length=True,
    )


class SeedKeys:
    """The Keys port over fixed seeds."""

    def __init__(self, seed: int = 1) -> None:
        self.note = PrivateKey.from_seed(Algorithm.EDDSA, bytes([seed]) * 32)
        self.receipt = PrivateKey.from_seed(Algorithm.ES256, bytes([seed + 100]) * 32)

    def signer(self, name: str) -> PrivateKey:
        """Return the key called `name`."""
        return {NOTE_KEY: self.note, RECEIPT_KEY: self.receipt}[name]


class StoppedClock:
    """Network time that a test sets."""

    def __init__(self, now_s: int = GENESIS_S) -> None:
        self.now_s = now_s

    def now(self) -> int:
        """Return the time set."""
        return self.now_s

    async def sleep_until(self, time_s: int) -> None:
        """Move time on."""
        self.now_s = max(self.now_s, time_s)


def device(number: int, algorithm: Algorithm = Algorithm.EDDSA) -> PrivateKey:
    """Return the key of device `number`."""
    return PrivateKey.from_seed(algorithm, sha256(b"device %d" % number))


def admitted(*keys: PrivateKey) -> dict[bytes, PublicKey]:
    """Return keys as `Gateway.admit` takes them."""
    return {key.public.thumbprint: key.public for key in keys}


def report(
    key: PrivateKey,
    number: int,
    *,
    sealed: bool = False,
    rows: int = 1,
    network_id: bytes = NETWORK.network_id,
) -> Item:
    """Return the report `number` of a device."""
    return sign_record(
        key,
        Kind.REPORT,
        network_id,
        "levels",
        GENESIS_S + number,
        {"level_mm": [number] * rows},
        schema(sealed=sealed),
        salt=sha256(b"salt %d" % number)[:16] if sealed else None,
    )


def binding(key: PrivateKey, generation: int = 0) -> Item:
    """Return a binding of a device to account 0x07..07."""
    return sign_binding(key, NETWORK.network_id, GENESIS_S, bytes([7]) * 20, generation)


async def open_gateway(
    store: Store,
    *,
    clock: Clock | None = None,
    chain: Chain | None = None,
    positions: Positions | None = None,
    devices: Sequence[PrivateKey] = (),
    keys: SeedKeys | None = None,
    **settings: object,
) -> Gateway:
    """Return an open gateway called `one` that knows `devices`."""
    gateway = await Gateway.open(
        settings=GatewaySettings(name="one", network=NETWORK, **settings),  # type: ignore[arg-type]
        store=store,
        chain=chain,
        clock=clock if clock is not None else StoppedClock(),
        keys=keys if keys is not None else SeedKeys(),
        positions=positions,
    )
    gateway.admit(admitted(*devices))
    return gateway


def receipt(gateway: Gateway, answer: bytes, item: Item) -> Receipt:
    """Return the verified receipt in an answer; fail where it is none."""
    return verify_receipt(
        answer, item.statement, gateway.receipt_key, NETWORK.network_id, gateway.log_id
    )


def refusal(gateway: Gateway, answer: bytes, item: bytes) -> str:
    """Return the reason in a verified refusal; fail where it is none."""
    signed = cose.decode_sign1(answer)
    assert signed.payload is not None
    assert signed.headers == {
        1: -7,
        3: "application/vnd.commonworks.refusal+cbor",
        4: gateway.receipt_key.thumbprint,
    }
    assert signed.unprotected == {}
    message = cose.sig_structure(signed.protected, signed.payload)
    assert gateway.receipt_key.verify(message, signed.signature)
    payload = cbor.decode(signed.payload)
    assert isinstance(payload, dict)
    assert payload.keys() == {"network", "log", "time", "reason", "item"}
    assert payload["network"] == NETWORK.network_id
    assert payload["log"] == gateway.log_id
    assert payload["item"] == sha256(item)
    return str(payload["reason"])


async def files(store: Store) -> dict[str, bytes]:
    """Return everything in a store."""
    found = {}
    for path in await store.list(""):
        data = await store.read(path)
        assert data is not None
        found[path] = data
    return found


def checked_entries(stored: Mapping[str, bytes]) -> list[bytes]:
    """Return the entries of a gateway's log after checking all of it independently."""
    vkey = stored["vkey"].decode().strip()

    def read(path: str) -> bytes | None:
        return stored.get(f"log/{path}")

    checkpoint = read_checkpoint(read, vkey)
    assert isinstance(checkpoint, Checkpoint)
    entries: list[bytes] = []
    for found in verified_bundles(read, checkpoint):
        assert isinstance(found, Verified), found
        entries += found.entries
    assert len(entries) == checkpoint.size
    return entries

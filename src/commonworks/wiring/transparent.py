"""A statement with its receipt in one object: the receipt rides in the unprotected header.

Source: RFC 9942, header parameter `receipts` (394), an array of byte strings.
"""

from __future__ import annotations

from typing import Final

from commonworks.crypto import cose
from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable
from commonworks.gateway import authorize
from commonworks.statements.codec import Item
from commonworks.transport.client import HttpTransport
from commonworks.transport.gateway_app import SUBMIT_PATH
from commonworks.transport.logs import DirectoryLog, HttpLog
from commonworks.verifier.reader import log_size, read_items
from commonworks.wiring.nodes import run_nodes
from commonworks.wiring.session import Session

HEADER_RECEIPTS: Final = 394


def join_transparent(statement: bytes, receipts: list[bytes]) -> bytes:
    """Return a statement with receipts in its unprotected header."""
    signed = cose.decode_sign1(statement)
    return cose.encode_sign1(
        signed.protected, {HEADER_RECEIPTS: receipts}, signed.payload, signed.signature
    )


def split_transparent(data: bytes) -> tuple[bytes, list[bytes]]:
    """Return the statement and its receipts; raise InvalidInput where there are none."""
    signed = cose.decode_sign1(data)
    receipts = signed.unprotected.get(HEADER_RECEIPTS)
    if not isinstance(receipts, list) or not all(isinstance(item, bytes) for item in receipts):
        raise InvalidInput("the file holds no receipt", hint="make it with: receipt get")
    statement = cose.encode_sign1(signed.protected, {}, signed.payload, signed.signature)
    return statement, receipts


async def transparent_statement(session: Session, gateway: str, entry: int) -> bytes:
    """Return an entry of a gateway's log with a receipt of it.

    A gateway answers a statement that it has already with a receipt for its original place, so the
    entry is submitted again: to the running gateway, or to one that is started for the purpose.
    Raises: NotFound for an unknown gateway or an entry beyond the log's end.
    """
    view = await session.view()
    registered = next((g for g in view.gateways.values() if g.name == gateway), None)
    if registered is None:
        raise NotFound(f"the network has no gateway {gateway}")
    folder = session.home.gateway(gateway)
    async with HttpTransport() as transport:
        log: DirectoryLog | HttpLog = DirectoryLog(folder)
        if not (folder / "log").is_dir():
            account = session.home.account("founder")
            leave = authorize(account, session.network.network_id, registered.log_id, session.clock)
            log = HttpLog(transport, registered.endpoint, authorization=leave)
        size = await log_size(log)
        if not 0 <= entry < size:
            raise NotFound(f"the log has entries 0..{size - 1}, not {entry}")
        (item,) = await read_items(log, entry, entry + 1)
        body = Item(statement=item.statement, preimage=item.preimage).encode()
        try:
            status, answer = await transport.post(registered.endpoint + SUBMIT_PATH, body)
        except Unavailable:
            async with run_nodes(session) as nodes:
                (answer,) = await nodes.gateway.submit([body])
                status = 200
    if status != 200:
        raise Conflict(f"the gateway answered with status {status}")
    return join_transparent(item.statement, [answer])

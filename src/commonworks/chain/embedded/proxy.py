"""The proxy: what clients may ask, in JSON-RPC 2.0 over HTTP.

Rule: only the methods of `METHODS` exist. Those that anvil answers differently from what a client
of this chain needs are answered here; every other one is passed on as it came.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from commonworks.chain.embedded.anvil import AnvilRefused
from commonworks.chain.embedded.config import LABEL, Head
from commonworks.chain.embedded.frames import MAX_RAW_TRANSACTION_BYTES
from commonworks.errors import CommonworksError, InvalidInput

MAX_REQUEST_BYTES: Final = 2 * 2**20
MAX_BATCH: Final = 100
# Bounds the nesting: the libraries that sign for Ethereum raise Python's recursion limit so far
# that a deeply nested request would overflow the C stack inside the JSON decoder.
MAX_OPENING_BRACKETS: Final = 2_000
MAX_ID_CHARACTERS: Final = 256

_PARSE_ERROR: Final = -32700
_INVALID_REQUEST: Final = -32600
_METHOD_NOT_FOUND: Final = -32601
_INVALID_PARAMS: Final = -32602
_REFUSED: Final = -32000

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Backend(Protocol):
    """What the proxy needs of the chain."""

    head: Head
    version: str

    async def send(self, raw: bytes) -> bytes:
        """Return a raw transaction's hash once it is durable."""
        ...

    async def forward(self, body: bytes) -> bytes:
        """Return the answer to a request that changes nothing."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """How a method that anvil answers is passed on."""

    tag: int | None = None
    """Position of the parameter that names a block, if there is one."""
    pending: bool = False
    """Whether the tag `pending` keeps its meaning; else it becomes `latest`."""
    filter: bool = False
    """Whether the first parameter is a log filter with two tags."""


# `finalized` and `safe` become `latest`: a visible block of this chain is never taken back, while
# anvil would count 64 blocks. `pending` would show a block with a time of anvil's own.
METHODS: Final[dict[str, Method]] = {
    "eth_call": Method(tag=1),
    "eth_estimateGas": Method(tag=1),
    "eth_feeHistory": Method(tag=1),
    "eth_getBalance": Method(tag=1),
    "eth_getBlockByHash": Method(),
    "eth_getBlockByNumber": Method(tag=0),
    "eth_getCode": Method(tag=1),
    "eth_getLogs": Method(filter=True),
    "eth_getStorageAt": Method(tag=2),
    "eth_getTransactionByHash": Method(),
    "eth_getTransactionCount": Method(tag=1, pending=True),
    "eth_getTransactionReceipt": Method(),
}
LOCAL_METHODS: Final = (
    "eth_accounts",
    "eth_blockNumber",
    "eth_chainId",
    "eth_gasPrice",
    "eth_maxPriorityFeePerGas",
    "eth_sendRawTransaction",
    "eth_syncing",
    "net_version",
    "web3_clientVersion",
)


class Proxy:
    """The ASGI application in front of a chain."""

    def __init__(self, backend: Backend, chain_id: int) -> None:
        self._backend = backend
        self._chain_id = chain_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request: POST, `application/json`, one call or a batch."""
        if scope["type"] != "http":
            return
        if scope["method"] != "POST":
            await _respond(send, 405, _error(None, _INVALID_REQUEST, "send JSON-RPC by POST"))
            return
        if not _is_json(scope):
            message = "send JSON-RPC with content-type application/json"
            await _respond(send, 415, _error(None, _INVALID_REQUEST, message))
            return
        body = await _read(receive)
        if body is None:
            message = f"a request has at most {MAX_REQUEST_BYTES} bytes"
            await _respond(send, 413, _error(None, _INVALID_REQUEST, message))
            return
        await _respond(send, 200, await self.answer(body))

    async def answer(self, body: bytes) -> bytes:
        """Return the response to a request body; every body has one."""
        if body.count(b"[") + body.count(b"{") > MAX_OPENING_BRACKETS:
            message = f"a request has at most {MAX_OPENING_BRACKETS} lists and objects"
            return _error(None, _INVALID_REQUEST, message)
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            return _error(None, _PARSE_ERROR, "the request is not JSON")
        if not isinstance(request, list):
            return await self._answer_one(request)
        if not 1 <= len(request) <= MAX_BATCH:
            return _error(None, _INVALID_REQUEST, f"a batch has 1 to {MAX_BATCH} calls")
        # Started one after another and each before the next, so that order means something.
        answers = [await self._answer_one(item) for item in request]
        return b"[" + b",".join(answers) + b"]"

    async def _answer_one(self, request: Any) -> bytes:
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            return _error(None, _INVALID_REQUEST, "not a JSON-RPC 2.0 call")
        identity, method = request.get("id"), request.get("method")
        if not _is_identity(identity) or not isinstance(method, str):
            return _error(None, _INVALID_REQUEST, "a call has a method and an id")
        parameters = request.get("params", [])
        if not isinstance(parameters, list):
            return _error(identity, _INVALID_PARAMS, "parameters are a list")
        try:
            if method in METHODS:
                return await self._pass_on(identity, method, parameters)
            if method not in LOCAL_METHODS:
                message = f"this chain does not offer {method[:64]}"
                return _error(identity, _METHOD_NOT_FOUND, message)
            return _result(identity, await self._local(method, parameters))
        except AnvilRefused as error:
            return _error(identity, error.code, error.message)
        except InvalidInput as error:
            return _error(identity, _INVALID_PARAMS, str(error))
        except CommonworksError as error:
            return _error(identity, _REFUSED, str(error))

    async def _pass_on(self, identity: object, method: str, parameters: list[Any]) -> bytes:
        call = {
            "jsonrpc": "2.0",
            "id": identity,
            "method": method,
            "params": _with_tags(METHODS[method], parameters),
        }
        return await self._backend.forward(json.dumps(call).encode())

    async def _local(self, method: str, parameters: list[Any]) -> object:
        match method:
            case "eth_sendRawTransaction":
                return "0x" + (await self._backend.send(_raw(parameters))).hex()
            case "eth_blockNumber":
                return hex(self._backend.head.number)
            case "eth_chainId":
                return hex(self._chain_id)
            case "net_version":
                return str(self._chain_id)
            case "eth_gasPrice" | "eth_maxPriorityFeePerGas":
                # Anvil says 1 gwei, which no account here could pay.
                return "0x0"
            case "eth_accounts":
                return []
            case "eth_syncing":
                return False
            case _:
                return f"commonworks/embedded ({LABEL}; anvil {self._backend.version})"


def _with_tags(method: Method, parameters: list[Any]) -> list[Any]:
    if method.filter and parameters and isinstance(parameters[0], dict):
        tags = {
            name: _tag(parameters[0][name], pending=False)
            for name in ("fromBlock", "toBlock")
            if name in parameters[0]
        }
        return [{**parameters[0], **tags}, *parameters[1:]]
    if method.tag is None or len(parameters) <= method.tag:
        return parameters
    tag = _tag(parameters[method.tag], pending=method.pending)
    return [*parameters[: method.tag], tag, *parameters[method.tag + 1 :]]


def _tag(value: Any, *, pending: bool) -> Any:
    if value in ("finalized", "safe") or (value == "pending" and not pending):
        return "latest"
    return value


def _raw(parameters: list[Any]) -> bytes:
    if len(parameters) != 1 or not isinstance(parameters[0], str):
        raise InvalidInput("eth_sendRawTransaction takes one hexadecimal string")
    if len(parameters[0]) > 2 + 2 * MAX_RAW_TRANSACTION_BYTES:
        raise InvalidInput(f"a transaction has at most {MAX_RAW_TRANSACTION_BYTES} bytes")
    try:
        return bytes.fromhex(parameters[0].removeprefix("0x"))
    except ValueError as error:
        raise InvalidInput("the transaction is not hexadecimal") from error


def _is_identity(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARACTERS
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _result(identity: object, result: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identity, "result": result}).encode()


def _error(identity: object, code: int, message: str) -> bytes:
    error = {"code": code, "message": message}
    return json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode()


def _is_json(scope: Scope) -> bool:
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return len(kinds) == 1 and kinds[0].split(b";")[0].strip().lower() == b"application/json"


async def _read(receive: Receive) -> bytes | None:
    """Return the body, or None when it is too large or its sender left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if len(body) > MAX_REQUEST_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _respond(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode("ascii")),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

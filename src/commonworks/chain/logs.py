"""Logs as the chain keeps them, read page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.chain.endpoints import Endpoint, Rejected, bytes_of, hex_of, int_of
from commonworks.errors import Unavailable

PAGE_BLOCKS: Final = 5_000
"""Blocks asked for in one request; halved where an endpoint finds that too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawLog:
    """A log, not yet decoded."""

    address: bytes
    """Contract that wrote it, 20 bytes."""
    topics: tuple[bytes, ...]
    """32 bytes each; the first names the event."""
    data: bytes
    """ABI encoding of the parameters that are not topics."""
    block: int
    """Number of its block."""
    index: int
    """Position in its block."""
    tx: bytes
    """Hash of its transaction, 32 bytes."""
    time: int | None
    """Timestamp of the block where the endpoint tells it with the log."""


def parse_log(entry: object) -> RawLog:
    """Return a log from JSON-RPC; raises Unavailable when the server's answer is not one."""
    if not isinstance(entry, dict) or entry.get("removed"):
        raise Unavailable("the endpoint answered something that is no final log")
    time = entry.get("blockTimestamp")
    try:
        return RawLog(
            address=bytes_of(entry["address"]),
            topics=tuple(bytes_of(topic) for topic in entry["topics"]),
            data=bytes_of(entry["data"]),
            block=int_of(entry["blockNumber"]),
            index=int_of(entry["logIndex"]),
            tx=bytes_of(entry["transactionHash"]),
            time=None if time is None else int_of(time),
        )
    except (KeyError, TypeError) as error:
        raise Unavailable(f"the endpoint answered a log without {error}") from error


async def read_logs(
    endpoint: Endpoint,
    addresses: Sequence[bytes],
    first: int,
    last: int,
    topics: Sequence[bytes] = (),
) -> Sequence[RawLog]:
    """Return the logs of these contracts in the blocks first..last, in chain order.

    Inputs: `topics` restricts to logs that begin with exactly these topics.
    Raises: Unavailable when this endpoint has no block `last` yet: it would leave logs out.
    """
    await endpoint.block(last)
    logs: list[RawLog] = []
    page = PAGE_BLOCKS
    while first <= last:
        until = min(first + page - 1, last)
        try:
            logs += await _page(endpoint, addresses, first, until, topics)
        except Rejected:
            if page == 1:
                raise
            page = max(1, page // 2)
            continue
        first = until + 1
    return sorted(logs, key=lambda log: (log.block, log.index))


async def last_log(
    endpoint: Endpoint, address: bytes, topics: Sequence[bytes], last: int
) -> RawLog | None:
    """Return the newest log with these topics up to block `last`, looking backwards in pages."""
    for first, until in _pages_backwards(last):
        logs = await read_logs(endpoint, [address], first, until, topics)
        if logs:
            return logs[-1]
    return None


def _pages_backwards(last: int) -> Iterator[tuple[int, int]]:
    while last >= 0:
        first = max(0, last - PAGE_BLOCKS + 1)
        yield first, last
        last = first - 1


async def _page(
    endpoint: Endpoint,
    addresses: Sequence[bytes],
    first: int,
    last: int,
    topics: Sequence[bytes],
) -> Sequence[RawLog]:
    found = await endpoint.request(
        "eth_getLogs",
        {
            "address": [hex_of(address) for address in addresses],
            "topics": [hex_of(topic) for topic in topics],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        },
    )
    if not isinstance(found, list):
        raise Unavailable(f"endpoint {endpoint.url} answered no list of logs")
    return [parse_log(entry) for entry in found]

"""The log's one writer: commits pools in an order that survives a crash, and proves what it holds.

Goal: nothing acknowledged is ever lost, and no checkpoint that was shown is ever taken back.
Rule: staging bundle, durable; signed checkpoint by compare-and-swap, durable (the commit point);
tiles and bundles, durable; published checkpoint; only then an answer. See docs/spec/submission.md
section 4.
Invariant: while `_head` is set, the store holds everything that its tree says. A step that fails
leaves it unset, because what happened on disk is in doubt; the next call starts with `recover`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from commonworks.crypto import cose
from commonworks.crypto.hashes import sha256
from commonworks.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from commonworks.gateway.growth import LOG, LogKeys, Tree, edge_paths, grow, stored_at
from commonworks.gateway.positions import Positions
from commonworks.gateway.staging import (
    STAGING,
    Addition,
    Staged,
    decode_staged,
    encode_staged,
    staging_path,
)
from commonworks.ports import Store
from commonworks.translog.notes import Checkpoint, open_checkpoint, sign_checkpoint
from commonworks.translog.receipts import encode_receipt, receipt_protected, receipt_tbs
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    ENTRIES,
    TILE_WIDTH,
    HashReader,
    TileId,
    consistency_tiles,
    decode_entries,
    entries_path,
    inclusion_tiles,
    split_bundle,
    tile_hashes,
    tile_path,
    width_at,
)
from commonworks.translog.tree import EMPTY_ROOT, HASH_SIZE, Frontier, leaf_hash, verify_consistency

COMMITTED: Final = "state/checkpoint"
"""The lock store: where the signed checkpoint is swapped. What stands here is the log."""

VKEY: Final = "vkey"
"""The log's verifier key, one line of text."""

TILES_CACHED_MAX: Final = 1_024
"""Tiles kept in memory for proofs, 8 KiB each."""


RECEIPTS_PER_TURN: Final = 128
"""Receipts built before other tasks get a turn, some 10 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The log as published, with the signature that every receipt of it carries."""

    tree: Tree
    """The log."""
    protected: bytes
    """Protected header of its receipts; empty for an empty log, which has none."""
    signature: bytes
    """ES256 over (network, log, size, root); empty for an empty log."""


class Sequencer:
    """Appends to one log. Calls must not overlap: the gateway's pools take turns."""

    def __init__(self, *, store: Store, positions: Positions, keys: LogKeys) -> None:
        self._store = store
        self._positions = positions
        self._keys = keys
        self._head: Head | None = None
        self._tiles: dict[str, bytes] = {}
        self._litter: list[str] = []

    @property
    def head(self) -> Head | None:
        """The log as last published; None while its state on disk is in doubt."""
        return self._head

    def find(self, identities: Sequence[bytes]) -> Mapping[bytes, int]:
        """Return the positions of those identities that are logged, as far as is known now."""
        return self._positions.find(identities)

    async def append(self, additions: Iterable[Addition]) -> tuple[Head, Mapping[bytes, int]]:
        """Log what is not logged yet; return the log and the position of every addition.

        On return everything is durable and published. Raises Unavailable when the store fails: then
        nothing may be taken as logged, and the call may be repeated. Raises Corrupt to stop.
        """
        head = self._head if self._head is not None else await self.recover()
        await self._fill_positions(head.tree)
        pool = {addition.identity: addition for addition in additions}
        positions = dict(self._positions.find(tuple(pool)))
        fresh = [addition for identity, addition in pool.items() if identity not in positions]
        if fresh:
            first = head.tree.size
            head = await self._commit(head.tree, fresh)
            identities = [addition.identity for addition in fresh]
            positions.update((identity, first + n) for n, identity in enumerate(identities))
            self._positions.append(first, identities)
            await self._tidy()
        return head, positions

    async def recover(self) -> Head:
        """Bring the log to its committed state, whatever a crash or failure left; return it.

        Idempotent. Raises Corrupt when what is stored contradicts itself, Unavailable as the store.
        """
        self._head = None
        self._tiles.clear()
        committed = await self._committed()
        checkpoint = self._opened(committed, COMMITTED)
        await self._replay(committed)
        tree = await self._load(checkpoint.size, committed)
        if tree.root != checkpoint.root:
            raise Corrupt(
                f"the tiles of {self._keys.origin} do not lead to its committed checkpoint",
                hint="restore the log folder from a mirror; do not delete anything",
                size=checkpoint.size,
            )
        await self._check_published(tree)
        await self._store.write(
            {VKEY: f"{self._keys.note.vkey}\n".encode(), LOG + CHECKPOINT_PATH: committed}
        )
        for path in await self._store.list(STAGING):
            await self._store.delete(path)
        await self._doubt_positions(tree)
        await self._fill_positions(tree)
        self._head = self._signed(tree)
        return self._head

    async def receipts(self, head: Head, positions: Mapping[bytes, int]) -> dict[bytes, bytes]:
        """Return a receipt for each identity, at its position in the log as it was at `head`."""
        size = head.tree.size
        # Entries under one level-0 tile have the same way up: one of them tells all their tiles.
        groups = {position // TILE_WIDTH: position for position in positions.values()}
        tiles = await self._read_tiles(
            tile for position in groups.values() for tile in inclusion_tiles(position, size)
        )
        reader = HashReader(tiles.get, size)
        receipts: dict[bytes, bytes] = {}
        for identity, position in positions.items():
            path = reader.inclusion_proof(position)
            receipts[identity] = encode_receipt(
                head.protected, head.signature, size, position, path
            )
            if len(receipts) % RECEIPTS_PER_TURN == 0:
                await asyncio.sleep(0)
        return receipts

    async def check_prefix(self, size: int, root: bytes, said: str) -> None:
        """Raise Corrupt unless the log's first `size` entries have `root`, as `said` says.

        Call it with `head` set.
        """
        if self._head is None:
            raise Unavailable("the log's state is in doubt", hint="try again")
        await self._check_prefix(self._head.tree, size, root, said)

    async def _commit(self, tree: Tree, fresh: Sequence[Addition]) -> Head:
        growth = grow(tree, self._keys, fresh)
        after = growth.tree
        staged = Staged(first=tree.size, checkpoint=after.checkpoint, additions=tuple(fresh))
        path = staging_path(after.size)
        self._head = None
        await self._store.write({path: encode_staged(staged)})
        try:
            await self._store.swap(COMMITTED, tree.checkpoint, after.checkpoint)
        except Conflict as error:
            raise Corrupt(
                f"somebody else writes the log {self._keys.origin}",
                hint="run one gateway per folder; stop the other process, then start again",
            ) from error
        await self._store.write({stored_at(name): data for name, data in growth.files.items()})
        await self._store.write({LOG + CHECKPOINT_PATH: after.checkpoint})
        self._remember(growth.files)
        self._litter += [path, *(stored_at(prefix) for prefix in growth.outgrown)]
        self._head = self._signed(after)
        return self._head

    def _signed(self, tree: Tree) -> Head:
        if tree.size == 0:
            return Head(tree=tree, protected=b"", signature=b"")
        key = self._keys.receipt_key
        protected = receipt_protected(
            key.public.thumbprint, self._keys.network_id, self._keys.log_id, tree.size
        )
        signature = key.sign(receipt_tbs(protected, tree.root))
        return Head(tree=tree, protected=protected, signature=signature)

    async def _tidy(self) -> None:
        """Delete what is done with. Nothing depends on it: what fails now is tried again later."""
        try:
            while self._litter:
                prefix = self._litter[-1]
                for path in await self._store.list(prefix):
                    await self._store.delete(path)
                self._litter.pop()
        except Unavailable:
            return

    async def _committed(self) -> bytes:
        """Return the committed checkpoint, certainly durable; begin an empty log where none is."""
        committed = await self._store.read(COMMITTED)
        if committed is None:
            if await self._store.read(LOG + CHECKPOINT_PATH) is not None:
                raise Corrupt(
                    f"the log {self._keys.origin} is there, but its {COMMITTED} is missing",
                    hint="restore the gateway's whole folder, the state included",
                )
            empty = Checkpoint(origin=self._keys.origin, size=0, root=EMPTY_ROOT)
            note = sign_checkpoint(empty, self._keys.note_key)
            await self._store.swap(COMMITTED, None, note)
            return note
        # A swap that failed may show its new value and still lose it at a power cut. Nothing may be
        # built on it before it was written once more.
        await self._store.swap(COMMITTED, committed, committed)
        return committed

    def _opened(self, note: bytes, where: str) -> Checkpoint:
        try:
            return open_checkpoint(note, self._keys.note)
        except InvalidInput as error:
            raise Corrupt(
                f"{where} of {self._keys.origin} is no checkpoint of this gateway: {error.message}",
                hint="restore the folder, or the gateway's keys, that belong together",
            ) from error

    async def _replay(self, committed: bytes) -> None:
        """Write again what the bundle that leads to the committed checkpoint says, if it is there.

        Every earlier bundle's files were durable before the next commit began.
        """
        for path in await self._store.list(STAGING):
            data = await self._store.read(path)
            staged = decode_staged(data) if data is not None else None
            if staged is None or staged.checkpoint != committed:
                continue
            growth = grow(await self._load(staged.first, b""), self._keys, staged.additions)
            if growth.tree.checkpoint != committed:
                raise Corrupt(
                    f"the staging bundle {path} does not lead to the checkpoint it names",
                    hint="restore the log folder from a mirror; do not delete anything",
                    path=path,
                )
            files = {stored_at(name): content for name, content in growth.files.items()}
            await self._store.write(files)

    async def _load(self, size: int, checkpoint: bytes) -> Tree:
        """Return the tree of the first `size` entries out of the store, as its edge tells it."""
        edge: dict[str, bytes] = {}
        for path in edge_paths(size):
            edge[path] = await self._existing(path)
        try:
            frontier = HashReader(edge.get, size).frontier() if size else Frontier()
        except NotFound as error:
            raise self._broken(error.message) from error
        index, width = divmod(size, TILE_WIDTH)
        if width:
            entries = decode_entries(edge[entries_path(index, width)], width)
            hashes = tile_hashes(edge[tile_path(0, index, width)])
            if [leaf_hash(entry) for entry in entries] != hashes:
                raise self._broken(f"{entries_path(index, width)} does not match its tile")
        return Tree(frontier=frontier, root=frontier.root(), checkpoint=checkpoint, edge=edge)

    async def _existing(self, path: str) -> bytes:
        """Return a tile or bundle that must be there; a partial one may be cut from the full."""
        data = await self._store.read(stored_at(path))
        if data is not None:
            return data
        full, partial, width = path.partition(".p/")
        whole = await self._store.read(stored_at(full)) if partial else None
        if whole is None:
            raise self._broken(f"{path} is missing")
        if _is_tile(path):
            return whole[: int(width) * HASH_SIZE]
        kept = list(split_bundle(whole))[: int(width)]
        return b"".join(len(entry).to_bytes(2, "big") + entry for entry in kept)

    def _broken(self, what: str) -> Corrupt:
        return Corrupt(
            f"the log {self._keys.origin} is damaged: {what}",
            hint="restore the log folder from a mirror; do not delete anything",
        )

    async def _check_published(self, tree: Tree) -> None:
        note = await self._store.read(LOG + CHECKPOINT_PATH)
        if note is not None:
            published = self._opened(note, LOG + CHECKPOINT_PATH)
            said = "its published checkpoint"
            await self._check_prefix(tree, published.size, published.root, said)

    async def _check_prefix(self, tree: Tree, size: int, root: bytes, said: str) -> None:
        if size > tree.size:
            raise Corrupt(
                f"the log {self._keys.origin} has {tree.size} entries, but {said} has {size}",
                hint="an old copy of the log was restored; restore a newer one, or a mirror's",
                size=tree.size,
                expected=size,
            )
        tiles = await self._read_tiles(consistency_tiles(size, tree.size))
        proof = HashReader(tiles.get, tree.size).consistency_proof(size)
        if not verify_consistency(size, root, tree.size, tree.root, proof):
            raise Corrupt(
                f"the log {self._keys.origin} contradicts {said} at {size} entries",
                hint="this log was changed or forked; restore it from a mirror",
                size=size,
            )

    async def _read_tiles(self, tiles: Iterable[TileId]) -> dict[str, bytes]:
        """Return the bytes of hash tiles by path, from memory or from the store."""
        found: dict[str, bytes] = {}
        for tile in tiles:
            path = tile.path
            if path not in found:
                data = self._tiles.get(path)
                found[path] = data if data is not None else await self._existing(path)
        self._remember(found)
        return found

    def _remember(self, files: Mapping[str, bytes]) -> None:
        """Keep hash tiles in memory; the oldest go first."""
        self._tiles.update((path, data) for path, data in files.items() if _is_tile(path))
        while len(self._tiles) > TILES_CACHED_MAX:
            del self._tiles[next(iter(self._tiles))]

    async def _doubt_positions(self, tree: Tree) -> None:
        """Make the index forget everything unless it ends as this log does at that place."""
        count = self._positions.size
        if count == 0:
            return
        if count <= tree.size:
            last = (await self._identities(count - 1, tree.size))[0]
            if self._positions.find([last]).get(last) == count - 1:
                return
        self._positions.reset()

    async def _fill_positions(self, tree: Tree) -> None:
        """Make the index know every entry of `tree`, reading from the log what it lacks."""
        while (first := self._positions.size) < tree.size:
            self._positions.append(first, await self._identities(first, tree.size))

    async def _identities(self, first: int, size: int) -> list[bytes]:
        """Return the identities of the entries from `first` to the end of their bundle."""
        index, offset = divmod(first, TILE_WIDTH)
        width = width_at(size, 0, index)
        entries = decode_entries(await self._existing(entries_path(index, width)), width)
        return [_identity(entry) for entry in entries[offset:]]


def _identity(entry: bytes) -> bytes:
    """Return the identity of a logged statement; Corrupt where it is none."""
    try:
        signed = cose.decode_sign1(entry)
    except InvalidInput as error:
        raise Corrupt(
            f"an entry of the log is no statement: {error.message}",
            hint="restore the log folder from a mirror; do not delete anything",
        ) from error
    return sha256(cose.sig_structure(signed.protected, signed.payload or b""))


def _is_tile(path: str) -> bool:
    """Whether a path is that of a tile of hashes."""
    return path.startswith("tile/") and not path.startswith(f"{ENTRIES}/")

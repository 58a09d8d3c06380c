"""One step of a log, in memory: the tree before, what is added, the tree and files after. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from commonworks.crypto.keys import PrivateKey
from commonworks.events import (
    Tip,
)
from commonworks.gateway.staging import Addition
from commonworks.translog.notes import Checkpoint, NoteKey, sign_checkpoint
from commonworks.translog.tiles import (
    SEALED,
    TILE_WIDTH,
    bundles_for,
    edge_tiles,
    entries_path,
    sealed_path,
    tiles_for,
)
from commonworks.translog.tree import Frontier, leaf_hash

LOG: Final = "log/"
"""Folder that holds the log as tlog-tiles and nothing else."""


def stored_at(path: str) -> str:
    """Return where a gateway stores the resource `path` (sealed bundles lie beside the log)."""
    return path if path.startswith(SEALED) else LOG + path


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeys:
    """Which log this is, and the two keys that sign for it."""

    origin: str
    """Name of the log in its checkpoints."""
    network_id: bytes
    """Network that the log serves, 32 bytes."""
    note_key: PrivateKey
    """Ed25519: signs checkpoints."""
    receipt_key: PrivateKey
    """ES256: signs receipts and refusals."""

    note: NoteKey = field(init=False)
    """The public half that readers check checkpoints with."""
    log_id: bytes = field(init=False)
    """The log's identity, 32 bytes."""

    def __post_init__(self) -> None:
        """Work out once what every commit and refusal needs."""
        note = NoteKey(name=self.origin, public=self.note_key.public)
        object.__setattr__(self, "note", note)
        object.__setattr__(self, "log_id", note.log_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A log at one size: all that appending needs to know of what came before."""

    frontier: Frontier
    """The right edge of the tree."""
    root: bytes
    """Root of the tree, 32 bytes."""
    checkpoint: bytes
    """The signed checkpoint."""
    edge: Mapping[str, bytes]
    """Path -> bytes of the partial tiles and bundles at the right edge."""

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.frontier.size

    def tip(self, log_id: bytes) -> Tip:
        """Return size and root as they are anchored."""
        return Tip(log_id=log_id, size=self.size, root=self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What a pool does to a log."""

    tree: Tree
    """The log afterwards."""
    files: Mapping[str, bytes]
    """Path -> bytes of every tile and bundle that is new (log and sealed)."""
    outgrown: tuple[str, ...]
    """Prefixes of partial tiles and bundles whose full one is among the new files."""


def edge_paths(size: int) -> tuple[str, ...]:
    """Return the paths of the partial tiles and bundles of a tree of `size` entries."""
    paths = [tile.path for tile in edge_tiles(size)]
    index, width = divmod(size, TILE_WIDTH)
    if width:
        paths += [entries_path(index, width), sealed_path(index, width)]
    return tuple(paths)


def grow(tree: Tree, keys: LogKeys, additions: Sequence[Addition]) -> Growth:
    """Return the log after appending `additions`, in order, to `tree`.

    Guarantees: the same inputs give the same bytes, signature included, so that a replay after a
    crash rebuilds exactly what was committed.
    Raises: Corrupt when the tree's edge is not what its size needs.
    """
    leaf_hashes = [leaf_hash(addition.statement) for addition in additions]
    frontier = tree.frontier.extend(leaf_hashes)
    root = frontier.root()
    checkpoint = Checkpoint(origin=keys.origin, size=frontier.size, root=root)
    read = tree.edge.get
    files = {
        **tiles_for(tree.size, leaf_hashes, read),
        **bundles_for(tree.size, [a.statement for a in additions], read),
        **bundles_for(tree.size, [a.preimage or b"" for a in additions], read, SEALED),
    }
    edge = {}
    for path in edge_paths(frontier.size):
        edge[path] = files[path] if path in files else tree.edge[path]
    return Growth(
        tree=Tree(
            frontier=frontier,
            root=root,
            checkpoint=sign_checkpoint(checkpoint, keys.note_key),
            edge=edge,
        ),
        files=files,
        outgrown=_outgrown(tree, files),
    )


def _outgrown(tree: Tree, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the prefixes of partial files that a full file of the same index has replaced."""
    partial = {path.rpartition(".p/")[0] for path in tree.edge}
    return tuple(f"{path}.p/" for path in files if path in partial)

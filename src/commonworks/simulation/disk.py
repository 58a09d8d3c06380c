"""A file system that loses power: bytes that were not fsynced, and names whose directory was not.

Goal: prove that a file store's fsyncs are enough. A killed process proves nothing about the disk.
Rule: a file's bytes are durable once the file was synced, a name once its directory was. After a
power cut a name may be the old one or the new one; a file whose bytes were not synced is empty.
Implements the steps that `storage.files.FileStore` is built on.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from commonworks.simulation.store import Fault, FaultPlan, PowerCut, Survival, coin


@dataclass(slots=True)
class _File:
    visible: bytes
    durable: bytes = b""


@dataclass(slots=True)
class _Directory:
    visible: dict[str, _File | _Directory] = field(default_factory=dict)
    durable: dict[str, _File | _Directory] = field(default_factory=dict)


class SimulatedDisk:
    """One file system in memory; every change and every sync is one step of the fault plan."""

    def __init__(self, faults: Mapping[int, Fault] | None = None) -> None:
        self.plan = FaultPlan(faults=dict(faults or {}))
        self._root = _Directory()

    def reboot(
        self,
        survival: Survival = Survival.NOTHING,
        *,
        seed: int = 0,
        faults: Mapping[int, Fault] | None = None,
    ) -> SimulatedDisk:
        """Return the disk as it is after a power cut now."""
        survives = coin(survival, seed)

        def kept(directory: _Directory) -> _Directory:
            after = _Directory()
            for name in sorted(directory.durable.keys() | directory.visible.keys()):
                old, new = directory.durable.get(name), directory.visible.get(name)
                node = new if new is not old and survives() else old
                if isinstance(node, _Directory):
                    after.durable[name] = kept(node)
                elif node is not None:
                    synced = node.visible == node.durable or survives()
                    data = node.visible if synced else node.durable
                    after.durable[name] = _File(visible=data, durable=data)
            after.visible = dict(after.durable)
            return after

        disk = SimulatedDisk(faults)
        disk._root = kept(self._root)
        self.plan.dead = True
        return disk

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None where there is none."""
        self._powered()
        node = self._node(path)
        return node.visible if isinstance(node, _File) else None

    def names(self, directory: str) -> Iterator[tuple[str, bool]]:
        """Yield (name, is a directory) of what a directory holds."""
        self._powered()
        node = self._node(directory)
        if isinstance(node, _Directory):
            for name, child in list(node.visible.items()):
                yield name, isinstance(child, _Directory)

    def make(self, directory: str) -> None:
        """Create a directory in an existing one, unless it is there."""
        fault = self._step()
        parent, name = self._parent(directory)
        if not _skipped(fault) and name and name not in parent.visible:
            parent.visible[name] = _Directory()
        _finish(fault)

    def create(self, path: str, data: bytes) -> None:
        """Write a file, replacing any, and fsync its bytes."""
        fault = self._step()
        parent, name = self._parent(path)
        if not _skipped(fault):
            partly = fault in (Fault.FAILED_PARTLY, Fault.CUT_PARTLY)
            file = _File(visible=data[: len(data) // 2] if partly else data)
            if fault is None:
                file.durable = data
            parent.visible[name] = file
        _finish(fault)

    def rename(self, source: str, target: str) -> None:
        """Give a file another name, replacing what has it."""
        fault = self._step()
        parent, name = self._parent(source)
        other, new_name = self._parent(target)
        if name not in parent.visible:
            raise FileNotFoundError(errno.ENOENT, "no such file", source)
        if not _skipped(fault):
            other.visible[new_name] = parent.visible.pop(name)
        _finish(fault)

    def remove(self, path: str) -> None:
        """Remove a file where it is there."""
        fault = self._step()
        node = self._node(posixpath.dirname(path))
        if not _skipped(fault) and isinstance(node, _Directory):
            node.visible.pop(posixpath.basename(path), None)
        _finish(fault)

    def sync(self, directory: str) -> None:
        """Make the names in a directory durable."""
        fault = self._step()
        node = self._node(directory)
        if not isinstance(node, _Directory):
            raise FileNotFoundError(errno.ENOENT, "no such directory", directory)
        # A sync that fails has synced nothing: the worst that a kernel may do.
        if fault is None:
            node.durable = dict(node.visible)
        _finish(fault)

    def _powered(self) -> None:
        if self.plan.dead:
            raise PowerCut

    def _step(self) -> Fault | None:
        return self.plan.next()

    def _node(self, path: str) -> _File | _Directory | None:
        node: _File | _Directory | None = self._root
        for part in path.split("/"):
            if part:
                node = node.visible.get(part) if isinstance(node, _Directory) else None
        return node

    def _parent(self, path: str) -> tuple[_Directory, str]:
        parent = self._node(posixpath.dirname(path))
        if not isinstance(parent, _Directory):
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        return parent, posixpath.basename(path)


def _skipped(fault: Fault | None) -> bool:
    return fault in (Fault.FAILED, Fault.CUT_BEFORE)


def _finish(fault: Fault | None) -> None:
    """Report a step's fault."""
    if fault is None:
        return
    if fault.is_cut:
        raise PowerCut
    raise OSError(errno.ENOSPC, "No space left on device (simulated)")

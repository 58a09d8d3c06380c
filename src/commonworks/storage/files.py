"""The Store port on a folder of a local disk.

Goal: what a call reported as durable is there after a power cut, whole, under its name.
Rule: a value is written to a temporary file, fsynced, renamed to its name, and then the directory
is fsynced; a new directory is fsynced into its parent. Only then the call returns.
Invariant: a reader sees an old or a new value, never a mixture. Temporary files live in one folder
of their own, so that every other folder holds finished values only.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Final, Protocol, TypeVar

from commonworks.errors import Conflict, InvalidInput, Unavailable

TEMPORARY: Final = ".tmp"
"""Folder of unfinished values; whatever lies there after a crash is worthless."""

LOCK: Final = ".lock"
"""File that an exclusive store holds locked for as long as its process lives."""

PATH_BYTES_MAX: Final = 512
"""Longest path of a value."""

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_T = TypeVar("_T")


class Disk(Protocol):
    """What a file system does, one step at a time; paths are absolute or relative to one root.

    Nothing is durable before it was synced: `create` syncs a file's bytes but not its name,
    `sync` makes the names in a directory durable.
    """

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None where there is none."""
        ...

    def names(self, directory: str) -> Iterator[tuple[str, bool]]:
        """Yield (name, is a directory) of what a directory holds; nothing where there is none."""
        ...

    def make(self, directory: str) -> None:
        """Create a directory in an existing one, unless it is there."""
        ...

    def create(self, path: str, data: bytes) -> None:
        """Write a file, replacing any, and fsync its bytes."""
        ...

    def rename(self, source: str, target: str) -> None:
        """Give a file another name, atomically replacing what has it."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file where it is there."""
        ...

    def sync(self, directory: str) -> None:
        """Make the names in a directory durable."""
        ...


class OsDisk:
    """The operating system's file system."""

    def read(self, path: str) -> bytes | None:
        """See `Disk.read`."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def names(self, directory: str) -> Iterator[tuple[str, bool]]:
        """See `Disk.names`."""
        try:
            with os.scandir(directory) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return
        yield from found

    def make(self, directory: str) -> None:
        """See `Disk.make`."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, 0o700)

    def create(self, path: str, data: bytes) -> None:
        """See `Disk.create`."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(descriptor)

    def rename(self, source: str, target: str) -> None:
        """See `Disk.rename`."""
        os.replace(source, target)

    def remove(self, path: str) -> None:
        """See `Disk.remove`."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)

    def sync(self, directory: str) -> None:
        """See `Disk.sync`."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class FileStore:
    """Values as files below one root folder. Implements `ports.Store`.

    Calls may overlap: changes run one after the other, in a worker thread, reads beside them.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, exclusive: bool = False, disk: Disk | None = None
    ) -> None:
        """Open the folder `root`, creating it where it is missing.

        With `exclusive`, raise Conflict while another process (or store) has it open so.
        """
        self._root = os.path.abspath(root)
        self._disk: Disk = disk if disk is not None else OsDisk()
        self._changing = threading.Lock()
        self._durable: set[str] = set()
        self._lock: IO[bytes] | None = None
        if disk is None:
            _guarded(lambda: os.makedirs(self._root, mode=0o700, exist_ok=True), self._root)
        if exclusive:
            self._lock = _locked(self._root)

    def close(self) -> None:
        """Give up the exclusive lock, where there is one."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def read(self, path: str) -> bytes | None:
        """See `ports.Store.read`."""
        full = self._full(path)
        return await asyncio.to_thread(_guarded, lambda: self._disk.read(full), path)

    async def write(self, files: Mapping[str, bytes]) -> None:
        """See `ports.Store.write`."""
        if files:
            await asyncio.to_thread(self._change, lambda: self._write(files), next(iter(files)))

    async def swap(self, path: str, old: bytes | None, new: bytes) -> None:
        """See `ports.Store.swap`. Replacing a value by itself writes it again, durably."""
        await asyncio.to_thread(self._change, lambda: self._swap(path, old, new), path)

    async def delete(self, path: str) -> None:
        """See `ports.Store.delete`."""
        full = self._full(path)
        await asyncio.to_thread(self._change, lambda: self._disk.remove(full), path)

    async def list(self, prefix: str) -> Sequence[str]:
        """See `ports.Store.list`."""
        return await asyncio.to_thread(_guarded, lambda: self._list(prefix), prefix)

    def _list(self, prefix: str) -> builtins.list[str]:
        # Only the folder that the prefix names can hold matches: nothing else is walked.
        directory = prefix.rpartition("/")[0]
        if directory:
            self._full(directory)
        return sorted(path for path in self._walk(directory) if path.startswith(prefix))

    def _walk(self, directory: str) -> Iterator[str]:
        for name, is_directory in self._disk.names(os.path.join(self._root, directory)):
            path = f"{directory}/{name}" if directory else name
            if name.startswith("."):
                continue
            if is_directory:
                yield from self._walk(path)
            else:
                yield path

    def _full(self, path: str) -> str:
        parts = path.split("/")
        hidden = any(part == "" or part.startswith(".") for part in parts)
        if hidden or "\0" in path or len(path.encode()) > PATH_BYTES_MAX:
            raise InvalidInput("not a path of this store", path=path)
        return os.path.join(self._root, *parts)

    def _change(self, change: Callable[[], _T], path: str) -> _T:
        with self._changing:
            return _guarded(change, path)

    def _write(self, files: Mapping[str, bytes]) -> None:
        targets = {self._full(path): data for path, data in files.items()}
        fresh: dict[str, None] = {}  # ordered: parents before children
        self._make(os.path.join(self._root, TEMPORARY), fresh)
        for target in targets:
            self._make(os.path.dirname(target), fresh)
        for target, data in targets.items():
            self._place(target, data)
        changed = {os.path.dirname(directory): None for directory in fresh}
        changed.update((os.path.dirname(target), None) for target in targets)
        for directory in changed:
            self._disk.sync(directory)
        self._durable.update(fresh)

    def _swap(self, path: str, old: bytes | None, new: bytes) -> None:
        if self._disk.read(self._full(path)) != old:
            raise Conflict(f"{path} holds another value than expected", path=path)
        self._write({path: new})

    def _make(self, directory: str, fresh: dict[str, None]) -> None:
        """Create a directory below the root with its parents, noting whose names need a sync.

        A directory that is there may have been made by a write that failed before its sync, so that
        only a directory which this store has synced itself counts as durable.
        """
        if directory in self._durable or directory in fresh:
            return
        if directory != self._root:
            self._make(os.path.dirname(directory), fresh)
        self._disk.make(directory)
        fresh[directory] = None

    def _place(self, target: str, data: bytes) -> None:
        temporary = os.path.join(self._root, TEMPORARY, "value")
        try:
            self._disk.create(temporary, data)
            self._disk.rename(temporary, target)
        except OSError:
            with contextlib.suppress(OSError):  # on a full disk the unfinished value is in the way
                self._disk.remove(temporary)
            raise


def _locked(root: str) -> IO[bytes]:
    """Return the lock file of a folder, locked; raise Conflict when somebody else holds it."""
    file = open(os.path.join(root, LOCK), "ab")  # noqa: SIM115 (held until close)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise Conflict(
            f"the folder {root} is in use by another process",
            hint="stop that process, or choose another folder",
            path=root,
        ) from error
    return file


def _guarded(action: Callable[[], _T], path: str) -> _T:
    """Run `action`; what the operating system refuses is Unavailable, in one line."""
    try:
        return action()
    except OSError as error:
        full = error.errno in _NO_ROOM
        hint = "free some space; nothing was acknowledged" if full else "check the disk"
        reason = error.strerror or str(error)
        raise Unavailable(f"cannot use {path}: {reason}", hint=hint, path=path) from error

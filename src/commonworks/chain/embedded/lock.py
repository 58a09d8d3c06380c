"""One process owns a chain's folder; others find it through its endpoint.

The lock belongs to an open file, not to a process: the kernel gives it back when the holder
dies in whatever way, and two chains inside one process exclude each other as well.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Final

from commonworks.chain.embedded.files import replace_file
from commonworks.errors import Conflict, InvalidInput

_LOCK: Final = "lock"
_ENDPOINT: Final = "endpoint.json"

# struct flock of 64-bit Linux: type, whence, start, length, pid (0 for locks of open files).
_FLOCK: Final = struct.Struct("hhqqi4x")
_HELD: Final = (errno.EAGAIN, errno.EACCES)


def _whole_file(kind: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, 0, 0, 0)


class FolderLock:
    """Ownership of a chain's folder, from construction to `release`."""

    def __init__(self, folder: Path) -> None:
        """Raises: Conflict when another holder is alive, InvalidInput without access."""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidInput(
                f"{folder} cannot hold a chain: {error.strerror}",
                hint="choose a folder that you may write to",
            ) from error
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _whole_file(fcntl.F_WRLCK))
        except OSError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            if error.errno not in _HELD:
                raise InvalidInput(
                    f"{folder} cannot be locked: {error.strerror}", hint="use a local disk"
                ) from error
            raise Conflict(
                f"the chain in {folder} is run by process {holder or 'unknown'}",
                hint="use its endpoint, or stop that process first",
            ) from error
        # A process that was killed left its endpoint behind.
        (folder / _ENDPOINT).unlink(missing_ok=True)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode("ascii"), 0)

    def publish(self, endpoint: str) -> None:
        """Tell other processes where the chain is served."""
        content = json.dumps({"pid": os.getpid(), "endpoint": endpoint}).encode()
        replace_file(self._folder / _ENDPOINT, content)

    def withdraw(self) -> None:
        """Tell nobody any more."""
        (self._folder / _ENDPOINT).unlink(missing_ok=True)

    def release(self) -> None:
        """Give the folder back."""
        os.close(self._descriptor)


def live_endpoint(folder: Path) -> str | None:
    """Return the URL of the chain that is running in `folder`, or None.

    The lock is asked, not the file alone: a process that was killed leaves the file behind.
    """
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _whole_file(fcntl.F_RDLCK))
    finally:
        os.close(descriptor)
    if _FLOCK.unpack(answer)[0] == fcntl.F_UNLCK:
        return None
    try:
        endpoint = json.loads((folder / _ENDPOINT).read_bytes())["endpoint"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return endpoint if isinstance(endpoint, str) else None

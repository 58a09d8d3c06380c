"""Durable files: what a name points to is complete, also after a crash."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from commonworks.errors import CommonworksError, Corrupt, Unavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def storage_failure(error: OSError, path: Path) -> CommonworksError:
    """Return the error of our tree for a failed write or sync of `path`."""
    if error.errno in _FULL:
        return Unavailable(
            f"no room to write {path}: {error.strerror}",
            hint="free some space, then start again; nothing acknowledged is lost",
        )
    return Corrupt(
        f"writing {path} failed: {error.strerror or error}",
        hint="check the disk, then start again; a failed sync is never tried twice",
    )


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; a single `write` may take only a part of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Give `path` this content: after a crash it has the old or the new one, whole.

    Raises: Unavailable when there is no room, Corrupt when the disk fails.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_failure(error, path) from error

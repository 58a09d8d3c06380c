"""Backing up a network's folder, and bringing it back. One file, checked before it is believed."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path
from typing import Final

from commonworks.chain.embedded import live_endpoint
from commonworks.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from commonworks.wiring.home import MANIFEST, Home

INDEX: Final = "backup.json"
FORMAT: Final = "commonworks backup/1"
SKIPPED: Final = frozenset({"endpoint.json", "lock", ".lock"})
"""Files that speak of a running process, not of the network."""
DERIVED: Final = ("explorer/index.sqlite*", "explorer/payouts.sqlite*", "explorer/rebuilding/*")
"""What chain and logs give again: `commonworks index rebuild`, or the explorer as it starts. What
else is in that folder cannot be derived: who wants to be told what, and what signs sessions."""


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.is_symlink() or path.name in SKIPPED:
            continue
        name = path.relative_to(root).as_posix()
        if not any(fnmatchcase(name, pattern) for pattern in DERIVED):
            yield path


def back_up(home: Home, target: Path, progress: Callable[[int, int], None]) -> int:
    """Write the whole folder into one compressed file; return how many files it holds.

    Raises: NotFound when there is no network, Conflict when it is running or the file exists.
    """
    if not home.exists():
        raise NotFound(f"no network in {home.path}", hint="give its folder with --home")
    if live_endpoint(home.chain) is not None:
        raise Conflict(
            "the network is running, so its files change", hint="stop it, back up, start it again"
        )
    if target.exists():
        raise Conflict(f"{target} exists already", hint="choose another name")
    files = list(_files(home.path))
    digests: dict[str, str] = {}
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)  # keys, passwords and people's addresses are in it
        with tarfile.open(partial, "w:gz", compresslevel=6) as archive:
            for number, path in enumerate(files, start=1):
                name = path.relative_to(home.path).as_posix()
                with path.open("rb") as file:
                    digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
                archive.add(path, arcname=name, recursive=False)
                progress(number, len(files))
            index = json.dumps({"format": FORMAT, "files": digests}, sort_keys=True).encode()
            entry = tarfile.TarInfo(INDEX)
            entry.size = len(index)
            archive.addfile(entry, BytesIO(index))
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Unavailable(
            f"the backup cannot be written ({error.strerror})", hint="make room and try again"
        ) from error
    return len(files)


def restore(source: Path, home: Home, progress: Callable[[int, int], None]) -> int:
    """Unpack a backup into an empty folder; return how many files it held.

    Nothing is left in place unless every file is what the backup says.
    Raises: NotFound, Conflict when the folder is not empty, Corrupt when the backup is damaged.
    """
    if not source.is_file():
        raise NotFound(f"no backup at {source}")
    if home.path.exists() and any(home.path.iterdir()):
        raise Conflict(f"{home.path} is not empty", hint="restore into a new folder with --home")
    staging = home.path.with_name(f".{home.path.name}.restoring")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir(parents=True)
        count = _unpack(source, staging, progress)
        if not (staging / MANIFEST).is_file():
            raise Corrupt("the backup holds no network.json")
        if home.path.exists():
            home.path.rmdir()
        staging.rename(home.path)
    except (OSError, tarfile.TarError, EOFError, ValueError, KeyError) as error:
        raise Corrupt(f"{source} is no whole backup ({error})", hint="use another copy") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return count


def _unpack(source: Path, staging: Path, progress: Callable[[int, int], None]) -> int:
    with tarfile.open(source, "r:gz") as archive:
        index_file = archive.extractfile(INDEX)
        if index_file is None:
            raise Corrupt("the backup has no index")
        index = json.loads(index_file.read())
        if index["format"] != FORMAT:
            raise InvalidInput(f"the backup has format {index['format']!r}, not {FORMAT!r}")
        wanted: dict[str, str] = index["files"]
        members = [m for m in archive.getmembers() if m.name != INDEX]
        if {m.name for m in members} != set(wanted):
            raise Corrupt("the backup's files are not those of its index")
        for number, member in enumerate(members, start=1):
            archive.extract(member, staging, filter="data")
            with (staging / member.name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != wanted[member.name]:
                raise Corrupt(f"{member.name} in the backup is damaged", hint="use another copy")
            progress(number, len(members))
    return len(wanted)

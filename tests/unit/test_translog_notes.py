"""Signed notes, vkeys and checkpoints, against the example of the Go project."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import InvalidInput
from commonworks.translog import notes, tree

VECTORS = Path(__file__).parents[1] / "vectors" / "translog"


def vector(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    return loaded


def test_the_note_of_the_go_project_both_ways() -> None:
    case = vector("note_go")
    key = notes.parse_vkey(case["vkey"])
    assert key.vkey == case["vkey"]
    assert notes.open_note(case["note"].encode(), key) == case["text"]
    assert notes.open_note(case["note_with_unknown_signature"].encode(), key) == case["text"]
    seed = base64.b64decode(case["skey"].split("+", 4)[4])[1:]
    private = PrivateKey.from_seed(Algorithm.EDDSA, seed)
    assert notes.sign_note(case["text"], key.name, private) == case["note"].encode()


def test_checkpoint_vector() -> None:
    case = vector("checkpoint")
    key = notes.note_key(case["origin"], bytes.fromhex(case["public_key"]))
    private = PrivateKey.from_seed(Algorithm.EDDSA, bytes.fromhex(case["seed"]))
    root = tree.root([tree.leaf_hash(bytes.fromhex(entry)) for entry in case["entries"]])
    checkpoint = notes.Checkpoint(origin=case["origin"], size=len(case["entries"]), root=root)
    assert (root.hex(), key.vkey, key.log_id.hex()) == (case["root"], case["vkey"], case["log_id"])
    assert notes.sign_checkpoint(checkpoint, private).decode() == case["checkpoint"]
    assert notes.open_checkpoint(case["checkpoint"].encode(), key) == checkpoint
    assert key.key_id == key.log_id[:4] == bytes.fromhex(case["vkey"].split("+")[1])


KEY = PrivateKey.from_seed(Algorithm.EDDSA, b"k" * 32)
OTHER = PrivateKey.from_seed(Algorithm.EDDSA, b"o" * 32)
NAME = "0badcafe.commonworks/street"
PUBLIC = notes.note_key(NAME, KEY.public.raw)
NOTE = notes.sign_note("text\n", NAME, KEY).decode()
LINE = NOTE.splitlines()[-1]


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        f"text\n{LINE}\n",  # no empty line
        NOTE[:-1],  # no final newline
        NOTE + "\n",
        NOTE.replace("\N{EM DASH}", "-"),
        NOTE.replace("\N{EM DASH}", "\N{EN DASH}"),
        NOTE.replace("\N{EM DASH} ", "\N{EM DASH}"),
        NOTE.replace("text", "te\txt"),
        NOTE.replace("text", "te\rxt"),
        NOTE + "trailing\n",
        NOTE + "\N{EM DASH} other AAAA\n",  # key id only, no signature
        NOTE + "\N{EM DASH} other !!!!AAAA\n",
        NOTE + "\N{EM DASH} other AAAAAAB=\n",  # bits after the end: a second spelling
        NOTE + "\N{EM DASH} ot+her AAAAAAAA\n",
        NOTE + "\N{EM DASH} other\N{NO-BREAK SPACE}key AAAAAAAA\n",
        NOTE + "\N{EM DASH}  AAAAAAAA\n",
        "text\n\n" + f"{LINE}\n" * 101,
        "x" * 1_000_001,
    ],
)
def test_malformed_notes(note: str) -> None:
    with pytest.raises(InvalidInput):
        notes.open_note(note.encode(), PUBLIC)


def test_notes_that_are_not_utf8() -> None:
    with pytest.raises(InvalidInput, match="UTF-8"):
        notes.parse_note(b"te\xffxt\n\n" + LINE.encode() + b"\n")
    with pytest.raises(InvalidInput, match="UTF-8"):
        notes.sign_note("\ud800\n", NAME, KEY)


def test_signatures_of_others_are_ignored_and_bad_ones_of_ours_are_not() -> None:
    same_name = notes.sign_note("text\n", NAME, OTHER).decode().splitlines()[-1]
    same_id = LINE.replace(NAME, "another")
    text = f"text\n\n{same_name}\n{same_id}\n{LINE}\n"
    assert notes.open_note(text.encode(), PUBLIC) == "text\n"
    with pytest.raises(InvalidInput, match="not signed by"):
        notes.open_note(f"text\n\n{same_name}\n{same_id}\n".encode(), PUBLIC)
    raw = bytearray(base64.b64decode(LINE.rpartition(" ")[2]))
    raw[-40] ^= 1
    forged = f"\N{EM DASH} {NAME} {base64.b64encode(raw).decode()}"
    with pytest.raises(InvalidInput, match="does not verify"):
        notes.open_note(f"text\n\n{forged}\n".encode(), PUBLIC)
    with pytest.raises(InvalidInput, match="does not verify"):
        notes.open_note(f"text\n\n{LINE}\n{forged}\n".encode(), PUBLIC)


def test_text_with_empty_lines_is_split_at_the_last() -> None:
    note = notes.sign_note("one\n\ntwo\n", NAME, KEY)
    assert notes.open_note(note, PUBLIC) == "one\n\ntwo\n"


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n"])
def test_text_that_no_note_carries(text: str) -> None:
    with pytest.raises(InvalidInput):
        notes.sign_note(text, NAME, KEY)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "a\x7f\x00"])
def test_names_that_no_key_has(name: str) -> None:
    with pytest.raises(InvalidInput):
        notes.note_key(name, KEY.public.raw)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        PUBLIC.vkey + "\n",
        PUBLIC.vkey.replace(NAME, "other"),
        PUBLIC.vkey.replace(PUBLIC.key_id.hex(), PUBLIC.key_id.hex().upper()),
        f"{NAME}+{PUBLIC.key_id.hex()}+AAAA",
        f"{NAME}+{PUBLIC.key_id.hex()}+{base64.b64encode(bytes([2]) + KEY.public.raw).decode()}",
    ],
)
def test_bad_vkeys(vkey: str) -> None:
    with pytest.raises(InvalidInput):
        notes.parse_vkey(vkey)


def test_a_note_key_is_ed25519() -> None:
    other = PrivateKey.from_seed(Algorithm.ES256, b"k" * 32)
    with pytest.raises(InvalidInput, match="Ed25519"):
        notes.NoteKey(name=NAME, public=other.public)
    with pytest.raises(InvalidInput, match="Ed25519"):
        notes.note_key(NAME, bytes(32))


ROOT64 = base64.b64encode(b"r" * 32).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"origin\n3\n{ROOT64}",
        f"origin\n3\n{ROOT64}\nextension\n",
        f"origin\n3\n{ROOT64}\n\n",
        f"\n3\n{ROOT64}\n",
        f"origin\n03\n{ROOT64}\n",
        f"origin\n+3\n{ROOT64}\n",
        f"origin\n-3\n{ROOT64}\n",
        f"origin\n3 \n{ROOT64}\n",
        f"origin\n\u0663\n{ROOT64}\n",
        f"origin\n9223372036854775808\n{ROOT64}\n",
        f"origin\n{'9' * 20}\n{ROOT64}\n",
        f"origin\n\n{ROOT64}\n",
        "origin\n3\nAAAA\n",
        f"origin\n3\n{ROOT64.rstrip('=')}\n",
        f"origin\n0\n{ROOT64}\n",
    ],
)
def test_malformed_checkpoints(text: str) -> None:
    with pytest.raises(InvalidInput):
        notes.Checkpoint.decode(text)


def test_checkpoint_round_trip() -> None:
    for size in (1, 9, 10, tree.MAX_SIZE):
        checkpoint = notes.Checkpoint(origin="origin", size=size, root=b"r" * 32)
        assert notes.Checkpoint.decode(checkpoint.encode()) == checkpoint
    empty = notes.Checkpoint(origin="origin", size=0, root=tree.EMPTY_ROOT)
    assert notes.Checkpoint.decode(empty.encode()) == empty


def test_a_checkpoint_of_another_log_is_refused() -> None:
    checkpoint = notes.Checkpoint(origin="another", size=1, root=b"r" * 32)
    note = notes.sign_note(checkpoint.encode(), NAME, KEY)
    with pytest.raises(InvalidInput, match="another log"):
        notes.open_checkpoint(note, PUBLIC)

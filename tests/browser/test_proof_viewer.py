"""The proof viewer in a real browser: its modules against Python, vector by vector, and the page.

The modules are imported by the page they belong to, under its own content security policy.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from commonworks.crypto import cbor
from commonworks.crypto.keys import Algorithm, PublicKey
from commonworks.errors import InvalidInput
from commonworks.explorer.web.templating import static
from commonworks.model import Total
from commonworks.proofs import Status, Why, check_proof
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest as epoch_digest
from commonworks.settlement.commitment import evidence_hash
from commonworks.statements.codec import decode_statement, verify_signature
from commonworks.statements.model import Reason
from commonworks.translog.notes import NoteKey, open_checkpoint
from commonworks.translog.tree import inclusion_proof, leaf_hash, node_hash, root_from_inclusion
from explorer_kit import account
from proof_kit import (
    CLOSED,
    LOG_ID,
    NOTE_KEY,
    ORIGIN,
    RECEIPT_KEY,
    entries,
    epoch,
    identity,
    log_files,
    proof_site,
    real_network,
    serving,
)

BESIDES = ("tx", "receipt_key")
VECTORS = Path(__file__).parents[1] / "vectors"
TOKEN = real_network().token


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the explorer on a free port of this machine."""
    with serving(proof_site()) as url:
        yield url


@pytest.fixture(scope="module")
def lab(chromium: Browser, address: str) -> Iterator[Page]:
    """Return a page of the explorer in which modules can be imported."""
    page = chromium.new_page()
    page.goto(f"{address}/proofs")
    yield page
    page.close()


def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """Run `body` with the bytes module as `b`, another module as `m` and an argument as `v`."""
    source = f"""async ([bytes, module, v]) => {{
        const b = await import(bytes);
        const m = await import(module);
        {body}
    }}"""
    paths = [static("js/proof-bytes.js"), static(f"js/{module}.js")]
    return page.evaluate(source, [*paths, argument])


def hexes(values: list[bytes] | tuple[bytes, ...]) -> list[str]:
    return ["0x" + value.hex() for value in values]


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


# --- the modules, vector by vector ----------------------------------------------------------------


def inclusion_vectors() -> list[tuple[bytes, int, int, list[bytes]]]:
    chance = random.Random(2026)
    made = []
    for size in (1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33):
        leaves = [leaf_hash(b"%d" % place) for place in range(size)]

        def node(level: int, place: int, leaves: list[bytes] = leaves) -> bytes:
            if level == 0:
                return leaves[place]
            return node_hash(node(level - 1, 2 * place), node(level - 1, 2 * place + 1))

        for position in {0, size // 2, size - 1}:
            path = list(inclusion_proof(position, size, node))
            good = (leaves[position], position, size, path)
            made += [
                good,
                (leaf_hash(b"another"), position, size, path),
                (leaves[position], position, size, [*path, leaves[0]]),
                (leaves[position], position, size, path[:-1]),
                (leaves[position], position, size, path[::-1]),
                (leaves[position], size, size, path),
                (leaves[position], 2**63 - 1, 2**63, path),
            ]
            made += [(leaves[position], place, size, path) for place in range(size + 1)]
            made += [(leaves[position], position, other, path) for other in range(size + 3)]
            for number in range(len(path)):
                changed = list(path)
                changed[number] = flipped(changed[number], chance.randrange(256))
                made.append((leaves[position], position, size, changed))
    return made


def test_inclusion_paths_lead_where_python_says(lab: Page) -> None:
    vectors = inclusion_vectors()
    body = """return Promise.all(v.map(async ([leaf, position, size, path]) => {
        const found = await m.climb(b.fromHex(leaf), BigInt(position), BigInt(size),
            path.map((item) => b.fromHex(item)));
        return found.root === null ? null : b.toHex(found.root);
    }));"""
    given = [["0x" + leaf.hex(), str(p), str(s), hexes(path)] for leaf, p, s, path in vectors]
    found = run(lab, "proof-log", body, given)
    expected = [root_from_inclusion(leaf, p, s, path) for leaf, p, s, path in vectors]
    assert len(vectors) > 900
    assert 0 < sum(root is None for root in expected) < len(expected)
    assert found == [None if root is None else "0x" + root.hex() for root in expected]


def test_a_path_longer_than_any_tree_is_not_walked(lab: Page) -> None:
    body = """const path = Array.from({length: 65}, () => new Uint8Array(32));
        const found = await m.climb(path[0], 0n, 2n ** 63n - 1n, path);
        return [found.fault, found.nodes.length];"""
    assert run(lab, "proof-log", body) == ["path_too_long", 0]


def test_the_published_tree_is_ours(lab: Page) -> None:
    case = json.loads((VECTORS / "translog/tree_certificate_transparency.json").read_text())
    body = """return Promise.all(v.inclusion.map(async ({index, size, path}) => {
        const leaf = await m.leafHash(b.fromHex('0x' + v.entries[index]));
        const found = await m.climb(leaf, BigInt(index), BigInt(size),
            path.map((item) => b.fromHex('0x' + item)));
        return b.toHex(found.root) === '0x' + v.roots[size - 1];
    }));"""
    assert all(run(lab, "proof-log", body, case))


def test_cbor_is_read_as_python_reads_it(lab: Page) -> None:
    chance = random.Random(8949)
    seeds = [
        cbor.encode(value)
        for value in (
            [1, -1, 2**63, b"\x00" * 30, "ä€𝄞", None, True, {"a": 1, "b": [2]}, {1: 2, -1: b""}],
            cbor.Tag(18, [b"\xa1\x01\x26", {}, b"x" * 300, b"y" * 64]),
            {b"k": cbor.Tag(64, b"12")},
        )
    ]
    vectors = list(seeds)
    for seed in seeds:
        vectors += [flipped(seed, bit) for bit in range(0, len(seed) * 8, 3)]
        vectors += [seed[:end] for end in range(0, len(seed), 5)]
    vectors += [chance.randbytes(chance.randrange(1, 12)) for _ in range(2_000)]
    vectors += [
        bytes.fromhex(text)
        for text in ("", "1817", "190017", "9f01ff", "f93c00", "f7", "a201020102")
    ]
    vectors += [b"\x81" * depth + b"\x00" for depth in (15, 16, 17, 200)]

    def reads(data: bytes) -> bool:
        try:
            return cbor.encode(cbor.decode(data)) == data
        except InvalidInput:
            return False

    body = """return v.map((item) => { try { const data = b.fromHex(item);
        return b.equal(m.encode(m.decode(data)), data) ? true : 'another encoding'; }
        catch (error) { if (!(error instanceof b.ProofError)) throw error; return false; } });"""
    expected = [reads(data) for data in vectors]
    assert 100 < sum(expected) < len(expected)
    assert run(lab, "proof-cbor", body, hexes(vectors)) == expected


def test_statements_decode_and_verify_as_in_python(lab: Page) -> None:
    vectors: list[tuple[bytes, dict[str, Any] | None]] = []
    for path in sorted((VECTORS / "statements").glob("*.json")):
        case = json.loads(path.read_text())
        vectors.append((bytes.fromhex(case["statement"]), case["public_key"]))
    for name in ("report-public-es256", "report-public-eddsa", "order-sealed-es256"):
        case = json.loads((VECTORS / f"statements/{name}.json").read_text())
        raw = bytes.fromhex(case["statement"])
        vectors += [(flipped(raw, bit), case["public_key"]) for bit in range(0, len(raw) * 8, 7)]
    body = """return Promise.all(v.map(async ([data, key]) => {
        const keys = await import(v.keys ?? location.origin + KEYS);
        try {
            const said = m.decodeStatement(b.fromHex(data));
            const good = key === null ? null : await keys.verify(key.algorithm,
                b.fromHex('0x' + key.raw), said.message, said.signature);
            const named = key === null ? null : b.equal(said.kid,
                await keys.thumbprint(key.algorithm, b.fromHex('0x' + key.raw)));
            return [said.kind, said.sealed, b.toHex(await b.sha256(said.message)),
                good === null ? null : good && named && said.algorithm === key.algorithm];
        } catch (error) { if (!(error instanceof b.ProofError)) throw error; return null; }
    }));""".replace("v.keys ?? location.origin + KEYS", repr(static("js/proof-keys.js")))
    found = run(lab, "proof-log", body, [["0x" + raw.hex(), key] for raw, key in vectors])
    decoded = 0
    for (raw, key), said in zip(vectors, found, strict=True):
        statement = decode_statement(raw, None)
        if statement is Reason.BAD_SCHEMA:
            continue  # what a payload says is settlement's to judge; the viewer reads its form
        if isinstance(statement, Reason):
            assert said is None, (raw.hex(), statement)
            continue
        decoded += 1
        verified = None
        if key is not None:
            public = PublicKey(algorithm=Algorithm(key["algorithm"]), raw=bytes.fromhex(key["raw"]))
            verified = verify_signature(statement, public)
        assert said == [
            str(statement.kind), statement.sealed, "0x" + statement.identity.hex(), verified,
        ], raw.hex()  # fmt: skip
    assert decoded > 100


def test_ed25519_has_the_one_strict_predicate(lab: Page) -> None:
    cases = [json.loads(path.read_text()) for path in sorted((VECTORS / "ed25519").glob("*.json"))]
    body = """return Promise.all(v.map((c) => m.verify(-8, b.fromHex('0x' + c.public_key),
        b.fromHex('0x' + c.message), b.fromHex('0x' + c.signature))));"""
    assert run(lab, "proof-keys", body, cases) == [case["valid"] for case in cases]


def test_es256_refuses_the_higher_of_two_signatures(lab: Page) -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    good = RECEIPT_KEY.sign(b"message")
    high = good[:32] + (order - int.from_bytes(good[32:], "big")).to_bytes(32, "big")
    zero, public = bytes(32), RECEIPT_KEY.public.raw
    vectors = [
        (public, good), (public, high), (public, zero + good[32:]), (public, good[:32] + zero),
        (public, good[:63]), (bytes(64), good), (public[:32] + bytes(32), good),
    ]  # fmt: skip
    body = """return Promise.all(v.map(([key, signature]) => m.verify(-7, b.fromHex(key),
        b.fromText('message'), b.fromHex(signature))));"""
    found = run(lab, "proof-keys", body, [hexes(vector) for vector in vectors])
    assert found == [RECEIPT_KEY.public.verify(b"message", high_or_low) for _, high_or_low in
                     vectors[:5]] + [False, False]  # fmt: skip
    assert found[0]
    assert not any(found[1:])


def test_every_flipped_bit_of_a_receipt_is_refused(lab: Page) -> None:
    case = json.loads((VECTORS / "translog/receipt.json").read_text())
    receipt = bytes.fromhex(case["receipts"][3])
    vectors = [receipt, *(flipped(receipt, bit) for bit in range(len(receipt) * 8))]
    body = """const key = b.fromHex('0x' + v.key);
        const leaf = await m.leafHash(b.fromHex('0x' + v.entry));
        const network = b.fromHex('0x' + v.network), log = b.fromHex('0x' + v.log);
        const kid = await m.receiptKeyId(key);
        return Promise.all(v.receipts.map(async (data) => {
            try {
                const said = m.decodeReceipt(b.fromHex(data));
                const { root } = await m.climb(leaf, said.position, said.size, said.path);
                return root !== null && b.equal(said.kid, kid) && b.equal(said.network, network)
                    && b.equal(said.logId, log) && await m.verifyReceipt(said, root, key);
            } catch (error) { if (!(error instanceof b.ProofError)) throw error; return false; }
        }));"""
    found = run(
        lab, "proof-log", body,
        {"key": case["public_key"], "entry": case["entries"][3], "receipts": hexes(vectors),
         "network": case["network"], "log": case["log_id"]},
    )  # fmt: skip
    assert found == [True] + [False] * (len(vectors) - 1)


def test_checkpoints_are_believed_as_in_python(lab: Page) -> None:
    note = log_files()["checkpoint"]
    go = json.loads((VECTORS / "translog/note_go.json").read_text())["note"].encode()
    vectors = [note, go, note.rstrip(b"\n"), note + b"\n", note.replace(b"300", b"0300")]
    vectors += [note.replace(b"\n\n", b"\nextension\n\n"), note + note.split(b"\n\n")[1]]
    vectors += [flipped(note, bit) for bit in range(len(note) * 8)]
    vectors = [vector for vector in vectors if _is_text(vector)]
    own = NoteKey(name=ORIGIN, public=NOTE_KEY.public)

    def opens(data: bytes) -> bool:
        try:
            return open_checkpoint(data, own).size > 0
        except InvalidInput:
            return False

    body = """const key = b.fromHex(v.key), log = b.fromHex(v.log);
        return Promise.all(v.notes.map(async (note) => {
            try {
                const head = m.parseCheckpoint(note);
                return head.origin === v.origin && await m.verifyCheckpoint(head, key, log);
            } catch (error) { if (!(error instanceof b.ProofError)) throw error; return false; }
        }));"""
    given = {
        "key": "0x" + NOTE_KEY.public.raw.hex(), "log": "0x" + LOG_ID.hex(), "origin": ORIGIN,
        "notes": [vector.decode() for vector in vectors],
    }  # fmt: skip
    expected = [opens(vector) for vector in vectors]
    assert expected[0]
    assert len(expected) > 1_000
    assert run(lab, "proof-log", body, given) == expected


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def payout_vectors() -> list[tuple[bytes, Total, list[bytes]]]:
    made = []
    for path in sorted((VECTORS / "payouts").glob("*.json")):
        case = json.loads(path.read_text())
        root = bytes.fromhex(case["root"][2:])
        for (asset, holder, earned, spent), proof in zip(
            case["leaves"], case["proofs"], strict=True
        ):
            total = Total(
                asset=bytes.fromhex(asset[2:]),
                account=bytes.fromhex(holder[2:]),
                earned=int(earned),
                spent=int(spent),
            )
            siblings = [bytes.fromhex(item[2:]) for item in proof]
            other = (total.earned + 1) % 2**256
            made += [
                (root, total, siblings),
                (flipped(root, 7), total, siblings),
                (root, dataclasses.replace(total, earned=other), siblings),
                (root, dataclasses.replace(total, asset=flipped(total.asset, 9)), siblings),
                (root, total, [*siblings, root]),
                (root, total, siblings[1:]),
                (root, total, siblings[::-1]),
            ]
            made += [
                (root, total, [*siblings[:at], flipped(item, 77), *siblings[at + 1 :]])
                for at, item in enumerate(siblings)
            ]
    return made


def test_payouts_are_proven_as_in_python(lab: Page) -> None:
    vectors = payout_vectors()
    body = """return v.map(([root, asset, account, earned, spent, siblings]) => {
        const { leaf } = m.payoutLeaf({ asset: b.fromHex(asset), account: b.fromHex(account),
            earned: BigInt(earned), spent: BigInt(spent) });
        const nodes = m.climbPayouts(leaf, siblings.map((item) => b.fromHex(item)));
        return b.toHex(nodes.at(-1)?.hash ?? leaf) === root;
    });"""
    given = [
        ["0x" + root.hex(), *hexes([t.asset, t.account]), str(t.earned), str(t.spent), hexes(path)]
        for root, t, path in vectors
    ]
    expected = [payout.verify(root, total, path) for root, total, path in vectors]
    assert len(vectors) > 400
    assert 40 < sum(expected) < len(expected)
    assert run(lab, "proof-payout", body, given) == expected


def test_numbers_have_one_spelling(lab: Page) -> None:
    good = ["0", "7", str(2**256 - 1)]
    bad = [
        "", "00", "01", "-1", "+1", "1.0", "1e3", " 1", "1 ", "0x1", "1_000", "١", str(2**256),
        "9" * 79, 1, None, ["1"],
    ]  # fmt: skip
    body = """return v.map((text) => { try { b.fromDigits(text); return true; }
        catch (error) { if (!(error instanceof b.ProofError)) throw error; return false; } });"""
    found = run(lab, "proof-cbor", body, good + bad)
    assert found == [True] * len(good) + [False] * len(bad)


# --- whole proofs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def statement_document(lab: Page, address: str) -> dict[str, Any]:
    path = f"{address}/api/v1/proofs/receipt/{identity(entries()[256]).hex()}"
    document: dict[str, Any] = lab.request.get(path).json()
    return document


@pytest.fixture(scope="module")
def payout_document(lab: Page, address: str) -> dict[str, Any]:
    path = f"{address}/api/v1/proofs/payout/1/0x{TOKEN.hex()}/0x{account(3).hex()}"
    document: dict[str, Any] = lab.request.get(path).json()
    return document


def check(page: Page, documents: list[Any]) -> list[tuple[str, list[str]]]:
    """Return each proof's verdict and the steps at which it fails."""
    body = """const epoch = await import(EPOCH), form = await import(FORM);
        const found = [];
        for (const one of v) {
            const verify = one?.format === form.PAYOUT_FORMAT
                ? epoch.checkPayoutProof : m.checkStatementProof;
            const { verdict, failed } = await verify(one);
            found.push([verdict, failed]);
        }
        return found;"""
    body = body.replace("EPOCH", repr(static("js/proof-epoch.js")), 1)
    body = body.replace("FORM)", repr(static("js/proof-form.js")) + ")", 1)
    return [(verdict, failed) for verdict, failed in run(page, "proof-statement", body, documents)]


def fields(document: Any, prefix: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every hexadecimal field of a proof that is part of what is proven."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in items:
        place = (*prefix, name)
        if isinstance(value, (dict, list)):
            yield from fields(value, place)
        # Without a chain to ask, a transaction's hash is only where to look.
        elif str(value).startswith("0x") and len(value) != 42 and name not in BESIDES:
            yield place


def changed(document: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    at: Any = made
    for name in place[:-1]:
        at = at[name]
    at[place[-1]] = value
    return made


def flips(document: dict[str, Any], step: int) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield the proof with one bit of one field flipped, every `step`-th bit of every field."""
    for place in fields(document):
        value: Any = document
        for name in place:
            value = value[name]
        raw = bytes.fromhex(value[2:])
        for bit in range(0, len(raw) * 8, step):
            yield place, changed(document, place, "0x" + flipped(raw, bit).hex())


def test_a_sound_proof_holds_as_far_as_the_site_is_honest(
    lab: Page, statement_document: dict[str, Any], payout_document: dict[str, Any]
) -> None:
    assert check(lab, [statement_document, payout_document]) == [("told", []), ("told", [])]


@pytest.mark.parametrize("kind", ["statement", "payout"])
def test_every_flipped_bit_breaks_a_proof(
    lab: Page, statement_document: dict[str, Any], payout_document: dict[str, Any], kind: str
) -> None:
    document = statement_document if kind == "statement" else payout_document
    vectors = list(flips(document, 7 if kind == "statement" else 2))
    assert len(vectors) > 1_500
    found = check(lab, [vector for _, vector in vectors])
    survived = [place for (place, _), (verdict, _) in zip(vectors, found, strict=True)
                if verdict != "fails"]  # fmt: skip
    assert not survived


@pytest.mark.parametrize("kind", ["statement", "payout"])
def test_the_command_line_names_the_same_steps(
    lab: Page, statement_document: dict[str, Any], payout_document: dict[str, Any], kind: str
) -> None:
    document = statement_document if kind == "statement" else payout_document
    vectors = [document, *(vector for _, vector in flips(document, 31))]
    vectors += [changed(document, place, None) for place in fields(document)]
    for found, vector in zip(check(lab, vectors), vectors, strict=True):
        checked = check_proof(json.dumps(vector).encode())
        verdict, failed = found
        assert verdict == str(checked.verdict)
        if any(step.why is Why.NOT_STATEMENT for step in checked.steps):
            continue  # the viewer reads a payload's form only, and names other steps
        named = {str(name) for name in checked.named(Status.FAIL)}
        # with another log id the viewer looks for the checkpoint's signature under that id, too
        assert named in (set(failed), set(failed) - {"checkpoint"})


def test_every_byte_of_the_statement_counts(lab: Page, statement_document: dict[str, Any]) -> None:
    raw = bytes.fromhex(statement_document["statement"][2:])
    vectors = [
        changed(statement_document, ("statement",), "0x" + flipped(raw, bit).hex())
        for bit in range(0, len(raw) * 8, 5)
    ]
    assert {verdict for verdict, _ in check(lab, vectors)} == {"fails"}


def test_another_form_is_refused(
    lab: Page, statement_document: dict[str, Any], payout_document: dict[str, Any]
) -> None:
    inclusion = ("inclusion",)
    path = statement_document["inclusion"]["path"]
    asset = payout_document["leaf"]["asset"]
    siblings = payout_document["siblings"]
    totals = payout_document["finality"]["commitment"]["totals"]
    place = ("finality", "commitment", "totals")
    bad = [
        changed(statement_document, (*inclusion, "position"), "257"),
        changed(statement_document, (*inclusion, "position"), 256),
        changed(statement_document, (*inclusion, "position"), "0256"),
        changed(statement_document, (*inclusion, "position"), str(CLOSED)),
        changed(statement_document, (*inclusion, "size"), str(CLOSED + 1)),
        changed(statement_document, (*inclusion, "size"), str(2**63)),
        changed(statement_document, (*inclusion, "path"), [*path, path[0]]),
        changed(statement_document, (*inclusion, "path"), path[:-1]),
        changed(statement_document, (*inclusion, "path"), path * 20),
        changed(statement_document, (*inclusion, "path"), None),
        changed(statement_document, ("statement",), "0x" + "00" * 65_536),
        changed(statement_document, ("statement",), statement_document["statement"].upper()),
        changed(statement_document, ("surprise",), "0x00"),
        changed(statement_document, ("inclusion", "surprise"), 1),
        {k: v for k, v in statement_document.items() if k != "anchor"},
        changed(statement_document, ("anchor", "size"), str(CLOSED - 1)),
        changed(statement_document, ("evidence", "epoch"), 1),
        changed(statement_document, ("network", "chain_id"), 31_338),
        changed(statement_document, ("checkpoint", "note"), "no note"),
        changed(statement_document, ("device", "algorithm"), -8),
        changed(payout_document, ("leaf", "earned"), "0" + payout_document["leaf"]["earned"]),
        changed(payout_document, ("leaf", "earned"), int(payout_document["leaf"]["earned"])),
        changed(payout_document, ("leaf", "earned"), str(2**256)),
        changed(payout_document, ("leaf", "asset"), asset.lower().replace("0x", "0X")),
        changed(payout_document, ("leaf", "account"), "0x" + "ab" * 20),  # not EIP-55
        changed(payout_document, ("siblings",), siblings * 30),
        changed(payout_document, ("siblings",), [*siblings, siblings[0]]),
        changed(payout_document, place, totals[::-1]),
        changed(payout_document, place, [*totals, totals[-1]]),
        changed(payout_document, ("finality", "commitment", "epoch"), 2),
        changed(payout_document, ("finality", "commitment", "minted_wei"), "1"),
        [], "text", 7, None,
    ]  # fmt: skip
    assert [verdict for verdict, _ in check(lab, bad)] == ["fails"] * len(bad)


def test_an_honest_site_may_leave_out_what_is_not_there_yet(
    lab: Page, statement_document: dict[str, Any]
) -> None:
    bare = dict(statement_document, anchor=None, evidence=None, checkpoint=None, device=None)
    waiting = changed(statement_document, ("evidence", "finality"), None)
    assert check(lab, [bare, waiting]) == [("open", []), ("told", [])]


def test_what_cannot_be_read_is_proven_by_its_leaf(lab: Page, address: str) -> None:
    path = f"{address}/api/v1/proofs/receipt/{identity(entries()[5]).hex()}"
    document: dict[str, Any] = lab.request.get(path).json()
    wrong = changed(document, ("identity",), statement_id(6))
    assert check(lab, [document, wrong]) == [("told", []), ("fails", ["leaf_identity"])]


def statement_id(position: int) -> str:
    return "0x" + identity(entries()[position]).hex()


def test_epochs_and_networks_hash_as_in_python(lab: Page) -> None:
    chance = random.Random(5)
    first = epoch(0).commitment
    vectors, expected = [], []
    for number in range(20):
        totals = tuple(
            dataclasses.replace(
                first.totals[0], asset=account(place + 1), earned=chance.getrandbits(256)
            )
            for place in range(number % 4)
        )
        one = dataclasses.replace(
            first,
            totals=totals,
            minted_wei=chance.getrandbits(256),
            facts_hash=chance.randbytes(32),
        )
        ranges = epoch(0).ranges[: number % 3]
        vectors.append({
            "epoch": number, "minted_wei": str(one.minted_wei),
            "hashes": {name: "0x" + getattr(one, name).hex() for name in HASHES},
            "totals": [["0x" + t.asset.hex(), str(t.earned), str(t.spent)] for t in totals],
            "ranges": [
                ["0x" + r.log_id.hex(), r.first, r.size, "0x" + r.root.hex()] for r in ranges
            ],
        })  # fmt: skip
        made = epoch_digest(real_network().network_id, number, one)
        expected.append(hexes([made, evidence_hash(number, ranges)]))
    body = """const { fromHex: raw, toHex, keccak256 } = b;
        return v.vectors.map((one) => {
            const totals = one.totals.map(([asset, earned, spent]) =>
                ({ asset: raw(asset), earned: BigInt(earned), spent: BigInt(spent) }));
            const commitment = { minted_wei: BigInt(one.minted_wei), totals };
            for (const [name, hash] of Object.entries(one.hashes)) commitment[name] = raw(hash);
            const ranges = one.ranges.map(([log, first, size, root]) => ({ log_id: raw(log),
                first: BigInt(first), size: BigInt(size), root: raw(root) }));
            const number = BigInt(one.epoch);
            return [m.digestWords(raw(v.network), number, commitment),
                m.evidenceWords(number, ranges)].map((words) => toHex(keccak256(words)));
        });"""
    network = "0x" + real_network().network_id.hex()
    given = {"network": network, "vectors": vectors}
    assert run(lab, "proof-payout", body, given) == expected


HASHES = (
    "previous_digest", "evidence_hash", "facts_hash", "policy_hash", "rules_hash", "result_hash",
    "state_hash", "payout_root",
)  # fmt: skip

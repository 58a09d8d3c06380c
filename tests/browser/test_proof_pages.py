"""The proof pages: what is sound holds, what was tampered with fails and says where."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import NARROW, Visit
from eth_abi.abi import encode
from playwright.sync_api import Page, expect

from commonworks.crypto.hashes import keccak256
from commonworks.crypto.keys import Algorithm
from commonworks.explorer.proof_words import proof_words
from explorer_kit import account, contracts, digest
from proof_kit import (
    CLOSED,
    DEVICES,
    ENTRIES,
    LOG_ID,
    RECEIPT_KEY,
    entries,
    epoch,
    identity,
    proof_site,
    real_network,
    receipt_file,
    root_at,
    serving,
)

SCRIPTS = Path(__file__).parents[2] / "src/commonworks/explorer/static/js"
VERDICT = '[data-proof="verdict"]'
RECEIPT = f"/proofs/receipt/{identity(entries()[256]).hex()}"
PAYOUT = f"/proofs/payout/1/0x{real_network().token.hex()}/0x{account(3).hex()}"
RESULT = "(bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,bytes32,uint256,(address,uint256,uint256)[])"  # noqa: E501


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(proof_site()) as url:
        yield url


def verdict(page: Page, expected: str, failed: str | None = None) -> None:
    """Wait for the page's verdict."""
    place = page.locator(VERDICT)
    expect(place).to_have_attribute("data-verdict", expected)
    if failed is not None:
        expect(place).to_have_attribute("data-failed", re.compile(rf"(^| ){failed}( |$)"))


def statuses(page: Page) -> dict[str, str]:
    """Return the status of each step by its name."""
    steps = page.locator("[data-step]").all()
    return {
        str(step.get_attribute("data-step")): str(step.get_attribute("data-status"))
        for step in steps
    }


Visits = Callable[..., Visit]


def test_a_sound_statement_holds_and_says_what_was_only_told(visit: Visits, address: str) -> None:
    page = visit().page
    page.goto(address + RECEIPT)
    verdict(page, "told")
    found = statuses(page)
    assert {name for name, status in found.items() if status == "told"} == {
        "anchor", "closed", "finalised",
    }  # fmt: skip
    assert {name for name, status in found.items() if status == "skip"} == {"wallet"}
    assert found["device_signature"] == found["checkpoint"] == found["network"] == "ok"
    expect(page.locator(VERDICT)).to_contain_text("told by this site")
    steps = page.locator("ol [data-step]")
    assert steps.first.evaluate("step => step.parentElement.localName") == "ol"
    root = page.locator('[data-step="root"] .proof-result code')
    expect(root).to_have_text("0x" + root_at(CLOSED).hex())


FLIPS = {
    RECEIPT: {
        "statement": "root",
        "identity": "identity",
        "inclusion.path.2": "root",
        "inclusion.position": "root",
        "inclusion.root": "anchor",
        "anchor.root": "anchor",
        "device.public_key": "device_key",
        "checkpoint.note": "checkpoint",
        "log.note_key": "log",
        "evidence.ranges.0.root": "evidence",
        "evidence.finality.commitment.state_hash": "digest",
    },
    PAYOUT: {
        "leaf.earned": "payout_root",
        "leaf.account": "payout_root",
        "siblings.1": "payout_root",
        "finality.commitment.payout_root": "payout_root",
        "finality.commitment.minted_wei": "digest",
        "finality.digest": "digest",
        "network.settlement": "network",
    },
}


@pytest.mark.parametrize("path", [RECEIPT, PAYOUT])
def test_a_flipped_byte_is_found_where_it_is(visit: Visits, address: str, path: str) -> None:
    page = visit().page
    page.goto(address + path)
    verdict(page, "told")
    for field, step in FLIPS[path].items():
        page.get_by_label("Field").select_option(field)
        page.get_by_role("button", name="Flip a byte").click()
        verdict(page, "fails", step)
        expect(page.locator(VERDICT)).to_contain_text(field)
        expect(page.locator(f'[data-step="{step}"]').first).to_contain_text("Does not fit")
        page.get_by_role("button", name="Put it right").click()
        verdict(page, "told")


def test_every_field_that_is_offered_breaks_the_proof(visit: Visits, address: str) -> None:
    page = visit().page
    for path in (RECEIPT, PAYOUT):
        page.goto(address + path)
        verdict(page, "told")
        fields = page.get_by_label("Field").locator("option").all_inner_texts()
        assert len(fields) > 20
        for field in fields:
            page.get_by_label("Field").select_option(field)
            page.get_by_role("button", name="Flip a byte").click()
            expect(page.locator(VERDICT)).to_contain_text(f"You flipped a byte of {field}.")
            verdict(page, "fails")
        page.get_by_role("button", name="Put it right").click()
        verdict(page, "told")


# --- a file, without any network ------------------------------------------------------------------


def opened(visit: Visits, address: str) -> tuple[Page, list[str]]:
    """Open the page for files, switch the network off, and listen to what it asks for."""
    page = visit().page
    page.goto(f"{address}/proofs", wait_until="networkidle")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.context.set_offline(True)
    return page, asked


@pytest.mark.parametrize("path", [RECEIPT, PAYOUT])
def test_a_proof_file_is_verified_offline(visit: Visits, address: str, path: str) -> None:
    source = visit().page.request.get(address + path.replace("/proofs", "/api/v1/proofs")).text()
    page, asked = opened(visit, address)
    page.locator('[name="source"]').fill(source)
    page.get_by_role("button", name="Verify", exact=True).click()
    verdict(page, "told")
    page.locator('[name="source"]').fill(source.replace("0x", "0x0", 1))
    page.get_by_role("button", name="Verify", exact=True).click()
    verdict(page, "fails", "form")
    page.locator('[name="file"]').set_input_files(
        {"name": "proof.json", "mimeType": "application/json", "buffer": source.encode()}
    )
    verdict(page, "told")
    assert asked == []


def test_a_dropped_file_is_read(visit: Visits, address: str) -> None:
    page, asked = opened(visit, address)
    transfer = page.evaluate_handle(
        """(bytes) => { const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], 'a.cose')); return transfer; }""",
        list(receipt_file(7)),
    )
    page.dispatch_event('[data-proof="open"]', "drop", {"dataTransfer": transfer})
    verdict(page, "told")
    assert asked == []


def give(page: Page, data: bytes) -> None:
    page.locator('[name="file"]').set_input_files(
        {"name": "statement.cose", "mimeType": "application/cose", "buffer": data}
    )


@pytest.mark.parametrize("position", [0, 1])
def test_a_receipt_is_verified_offline(visit: Visits, address: str, position: int) -> None:
    page, asked = opened(visit, address)
    give(page, receipt_file(position))
    verdict(page, "told")
    assert statuses(page)["receipt_signature"] == "ok"
    assert statuses(page)["device_signature"] == "skip"
    page.get_by_text("Keys that you have from elsewhere").click()
    signer = DEVICES[Algorithm.EDDSA if position else Algorithm.ES256]
    page.locator('[name="receipt_key"]').fill(RECEIPT_KEY.public.raw.hex())
    page.locator('[name="device_key"]').fill("0x" + signer.public.raw.hex())
    page.locator('[name="source"]').fill(receipt_file(position).hex())
    page.get_by_role("button", name="Verify", exact=True).click()
    verdict(page, "holds")
    assert statuses(page)["device_signature"] == "ok"
    other = DEVICES[Algorithm.ES256].public.raw.hex()
    page.locator('[name="receipt_key"]').fill(other)
    page.get_by_role("button", name="Verify", exact=True).click()
    verdict(page, "fails", "receipt_key")
    assert asked == []


def test_a_receipt_with_a_flipped_byte_is_refused(visit: Visits, address: str) -> None:
    page, _ = opened(visit, address)
    good = receipt_file(3)
    for at in range(0, len(good), 23):
        broken = bytearray(good)
        broken[at] ^= 1
        give(page, bytes(broken))
        verdict(page, "fails")
        page.locator('[name="file"]').set_input_files([])
    give(page, good)
    verdict(page, "told")
    page.get_by_label("Field").select_option(index=3)
    page.get_by_role("button", name="Flip a byte").click()
    verdict(page, "fails")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "d2", "0xd284", "a" * 600_000, "null"])
def test_what_is_no_proof_is_refused(visit: Visits, address: str, text: str) -> None:
    page, _ = opened(visit, address)
    page.locator('[name="source"]').fill(text)
    page.get_by_role("button", name="Verify", exact=True).click()
    verdict(page, "fails")
    nothing_to_try(page)


def nothing_to_try(page: Page) -> None:
    """What cannot be read has no fields and no steps: it is said what is wrong, and what to do."""
    place = page.locator(VERDICT)
    expect(place).to_contain_text("This is no proof that can be read")
    expect(place).to_contain_text("Download the proof")
    for what in ("Flip a byte", "Put it right", "Step by step", "Field"):
        expect(page.get_by_text(what, exact=True)).to_be_hidden()


def test_a_file_of_another_form_after_a_good_one_leaves_nothing_of_it(
    visit: Visits, address: str
) -> None:
    source = visit().page.request.get(address + RECEIPT.replace("/proofs", "/api/v1/proofs")).json()
    page, _ = opened(visit, address)

    def paste(document: Any) -> None:
        page.locator('[name="source"]').fill(json.dumps(document))
        page.get_by_role("button", name="Verify", exact=True).click()

    paste(source)
    verdict(page, "told")
    expect(page.get_by_role("button", name="Flip a byte")).to_be_visible()
    paste({**source, "log": {**source["log"], "note_key": "0x12"}})
    verdict(page, "fails", "form")
    nothing_to_try(page)
    expect(page.locator(VERDICT)).to_contain_text("log.note_key")
    give(page, b"\xd2\x84 and so on")
    verdict(page, "fails", "receipt_form")
    nothing_to_try(page)
    paste(source)
    verdict(page, "told")
    expect(page.get_by_text("Step by step", exact=True)).to_be_visible()


# --- the chain, asked through a wallet ------------------------------------------------------------


class Wallet:
    """A wallet whose chain says what a test wants it to."""

    def __init__(self) -> None:
        self.chain_id = contracts().chain_id
        self.network_id = real_network().network_id
        self.anchored = root_at(CLOSED)
        self.digests = [epoch(0).digest, epoch(1).digest]
        self.evidence = epoch(0).commitment.evidence_hash
        self.logs = self._logs()
        self.fails = False
        self.asked: list[str] = []

    def _logs(self) -> dict[str, list[dict[str, Any]]]:
        zero = encode(["uint64"], [0])
        closed = encode(["bytes32", "uint256"], [self.evidence, 64])
        anchored = encode(["uint64", "bytes32"], [CLOSED, self.anchored])
        return {
            "0x" + digest(0xA000 + CLOSED).hex(): [
                self._log("Anchored(bytes32,uint64,bytes32)", LOG_ID, anchored)
            ],
            "0x" + digest(0xC100).hex(): [
                self._log("Closed(uint64,bytes32,(bytes32,uint64,uint64,bytes32)[])", zero, closed)
            ],
            **{
                "0x" + digest(0xF100 + number).hex(): [
                    self._log(
                        f"Finalised(uint64,bytes32,{RESULT})",
                        encode(["uint64"], [number]),
                        encode(["bytes32", "uint256"], [one, 64]),
                    )
                ]
                for number, one in enumerate(self.digests)
            },
        }

    @staticmethod
    def _log(event: str, key: bytes, data: bytes) -> dict[str, Any]:
        return {
            "address": "0x" + contracts().settlement.hex(),
            "topics": ["0x" + keccak256(event.encode()).hex(), "0x" + key.hex()],
            "data": "0x" + data.hex(),
        }

    def request(self, call: dict[str, Any]) -> Any:
        """Answer a request of EIP-1193."""
        method, parameters = call["method"], call.get("params", [])
        self.asked.append(method)
        if self.fails:
            raise RuntimeError("the wallet is locked")
        if method == "eth_chainId":
            return hex(self.chain_id)
        if method == "wallet_switchEthereumChain":
            return None
        if method == "eth_getTransactionReceipt":
            logs = self.logs.get(parameters[0])
            return None if logs is None else {"logs": logs}
        assert method == "eth_call"
        assert parameters[0]["to"] == "0x" + contracts().settlement.hex()
        return "0x" + self._call(bytes.fromhex(parameters[0]["data"][2:])).hex()

    def _call(self, data: bytes) -> bytes:
        answers: dict[bytes, bytes] = {
            self._selector("networkId()"): self.network_id,
            self._selector("anchorOf(bytes32,uint64)")
            + LOG_ID
            + encode(["uint64"], [CLOSED]): self.anchored,
            self._selector("evidenceHashOf(uint64)") + encode(["uint64"], [0]): self.evidence,
        }
        for number, one in enumerate(self.digests):
            answers[self._selector("digestOf(uint64)") + encode(["uint64"], [number])] = one
        return answers.get(data, bytes(32))

    @staticmethod
    def _selector(function: str) -> bytes:
        return keccak256(function.encode())[:4]


ANNOUNCE = """addEventListener('eip6963:requestProvider', () => dispatchEvent(
    new CustomEvent('eip6963:announceProvider', { detail: {
        info: { uuid: '1', name: 'Test wallet' },
        provider: { request: (call) => window.walletAnswer(call) } } })));"""


def with_wallet(visit: Visits, address: str, path: str, wallet: Wallet) -> Page:
    page = visit().page
    page.expose_function("walletAnswer", wallet.request)
    page.add_init_script(ANNOUNCE)
    page.goto(address + path)
    verdict(page, "told")
    assert wallet.asked == []  # nobody asks a wallet before the reader says so
    page.get_by_role("button", name="Test wallet").click()
    return page


@pytest.mark.parametrize("path", [RECEIPT, PAYOUT])
def test_a_wallet_asks_the_chain_instead_of_this_site(
    visit: Visits, address: str, path: str
) -> None:
    wallet = Wallet()
    page = with_wallet(visit, address, path, wallet)
    verdict(page, "holds")
    assert set(statuses(page).values()) == {"ok"}
    assert set(wallet.asked) == {"eth_chainId", "eth_call", "eth_getTransactionReceipt"}
    expect(page.locator('[data-step="finalised"]')).to_contain_text("Your wallet's chain says so")


def test_a_chain_that_holds_something_else_refutes_the_site(visit: Visits, address: str) -> None:
    for name, value, path, step in (
        ("anchored", digest(1), RECEIPT, "anchor"),
        ("anchored", bytes(32), RECEIPT, "anchor"),
        ("evidence", digest(1), RECEIPT, "closed"),
        ("digests", [digest(1), digest(2)], PAYOUT, "finalised"),
        ("network_id", digest(1), PAYOUT, "wallet"),
    ):
        wallet = Wallet()
        setattr(wallet, name, value)
        page = with_wallet(visit, address, path, wallet)
        verdict(page, "fails", step)


def test_a_transaction_that_says_something_else_refutes_the_site(
    visit: Visits, address: str
) -> None:
    for tx, path, step in (
        (digest(0xA000 + CLOSED), RECEIPT, "anchor"),
        (digest(0xF101), PAYOUT, "finalised"),
    ):
        wallet = Wallet()
        wallet.logs["0x" + tx.hex()][0]["data"] = "0x" + bytes(64).hex()
        verdict(with_wallet(visit, address, path, wallet), "fails", step)
        wallet = Wallet()
        wallet.logs["0x" + tx.hex()][0]["address"] = "0x" + account(1).hex()
        verdict(with_wallet(visit, address, path, wallet), "fails", step)


def test_a_receipt_that_the_chain_no_longer_has_is_not_needed(visit: Visits, address: str) -> None:
    wallet = Wallet()
    wallet.logs.clear()
    verdict(with_wallet(visit, address, PAYOUT, wallet), "holds")


def test_a_wallet_that_is_elsewhere_or_silent_proves_nothing(visit: Visits, address: str) -> None:
    for name, value, reason in (
        ("chain_id", 1, "another chain"),
        ("fails", True, "did not answer"),
    ):
        wallet = Wallet()
        setattr(wallet, name, value)
        page = with_wallet(visit, address, PAYOUT, wallet)
        expect(page.locator('[data-step="wallet"]')).to_contain_text(reason)
        verdict(page, "told")


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [RECEIPT, PAYOUT, "/proofs"])
def test_without_a_script_every_value_and_a_command_stand_there(
    visit: Visits, address: str, path: str
) -> None:
    page = visit(java_script_enabled=False).page
    page.goto(address + path)
    text = page.locator("main").inner_text()
    assert "Without a script" in text
    assert "commonworks " in text
    assert page.locator("[data-proof-viewer]").is_hidden()
    if path == "/proofs":
        return
    document = page.request.get(address + path.replace("/proofs", "/api/v1/proofs")).json()
    source = page.locator("main").text_content() or ""
    for value in values(document):
        assert str(value) in source, value


def values(document: Any) -> Iterator[Any]:
    """Yield every text of a proof that a reader would have to copy."""
    if isinstance(document, dict):
        for name, item in document.items():
            if name not in ("format", "note"):
                yield from values(item)
    elif isinstance(document, list):
        for item in document:
            yield from values(item)
    elif isinstance(document, str) and document.startswith("0x"):
        yield document


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", [RECEIPT, PAYOUT, "/proofs"])
def test_a_phone_does_not_scroll_sideways(
    visit: Visits, address: str, path: str, scheme: str
) -> None:
    page = visit(viewport=NARROW, color_scheme=scheme).page
    page.goto(address + path)
    if path != "/proofs":
        verdict(page, "told")
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_what_waits_for_an_anchor_is_said_to_wait(visit: Visits, address: str) -> None:
    page = visit().page
    page.goto(f"{address}/proofs/receipt/{identity(entries()[ENTRIES - 1]).hex()}")
    verdict(page, "open")
    expect(page.locator(VERDICT)).to_contain_text("No anchor")


def test_every_code_of_the_scripts_has_words() -> None:
    """The scripts say codes; a reader sees words."""
    words = proof_words()
    source = "".join(path.read_text() for path in sorted(SCRIPTS.glob("proof-*.js")))
    steps = set(
        re.findall(r'(?:steps\.(?:add|same|refuse)|checkOnChain)\((?:steps, )?"(\w+)"', source)
    )
    steps |= set(re.findall(r'signatureStep\(steps, "(\w+)"', source))
    assert len(steps) > 25
    reasons = set(re.findall(r'(?:reason:|fault:|ProofError\(|\? null :|\? ")\s*"?(\w+)"', source))
    reasons |= set(re.findall(r'"((?:wrong|bad|no|not|other|path|told)_\w+)"', source))
    missing = {f"step.{step}" for step in steps} - words.keys()
    missing |= {f"what.{step}" for step in steps} - words.keys()
    known = {code.removeprefix("reason.") for code in words if code.startswith("reason.")}
    assert not missing
    assert {code for code in reasons if "_" in code} <= known, reasons - known
    said = set(re.findall(r'say\("([\w.]+)"', source))
    assert said <= words.keys() | {"verdict.fails"}, said - words.keys()
    assert json.dumps(words)

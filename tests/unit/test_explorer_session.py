"""Signing in with a wallet: what is accepted, and everything that is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import defunct_hash_message, encode_defunct
from eth_account.signers.local import LocalAccount
from httpx2 import Response
from starlette.testclient import TestClient

import explorer_kit as kit
from commonworks.crypto.hashes import sha256
from commonworks.errors import InvalidInput
from commonworks.explorer import sessions
from commonworks.explorer.sessions import Door, compose, cookie_name, parse
from commonworks.explorer.site import Site

NOW = 1_800_000_000


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.time_s = NOW

    def __call__(self) -> int:
        return self.time_s


def key(name: str) -> LocalAccount:
    made: LocalAccount = Account.from_key(sha256(b"session test " + name.encode()))
    return made


ADA = key("ada")


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def told() -> kit.Told:
    return kit.Told()


@pytest.fixture
def site(hand: Hand, told: kit.Told) -> Site:
    return kit.make_site(told, door=Door(now=hand))


@pytest.fixture
def browser(site: Site) -> TestClient:
    return kit.client(site)


def message(browser: TestClient, account: LocalAccount = ADA) -> str:
    answer = browser.post("/api/v1/session/message", json={"account": account.address})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["message"])


def hand_in(browser: TestClient, text: str, account: LocalAccount = ADA, **more: Any) -> Response:
    signature = account.sign_message(encode_defunct(text=text)).signature
    body = {"message": text, "signature": "0x" + bytes(signature).hex()}
    answer: Response = browser.post("/api/v1/session", json=body, **more)
    return answer


def refused(answer: Response, *words: str) -> None:
    assert answer.status_code in (400, 401, 403), answer.text
    assert "set-cookie" not in answer.headers
    for word in words:
        assert word in answer.json()["detail"]


# --- the message ----------------------------------------------------------------------------------


def test_the_message_is_the_one_that_wallets_know(browser: TestClient) -> None:
    lines = message(browser).split("\n")
    assert lines[0] == "127.0.0.1 wants you to sign in with your Ethereum account:"
    assert lines[1] == ADA.address
    assert lines[2] == lines[4] == ""
    assert lines[5:8] == ["URI: http://127.0.0.1/", "Version: 1", "Chain ID: 31337"]
    assert lines[8].startswith("Nonce: ")
    assert lines[9] == "Issued At: 2027-01-15T08:00:00Z"
    assert lines[10] == "Expiration Time: 2027-01-15T08:05:00Z"


def test_a_message_is_read_as_it_was_made() -> None:
    text = compose(
        host="example.org",
        scheme="https",
        account=bytes(range(20)),
        chain_id=17,
        nonce="abcdefgh12",
        now=NOW,
        statement="Hello.",
    )
    read = parse(text)
    assert (read.domain, read.address, read.uri) == (
        "example.org",
        bytes(range(20)),
        "https://example.org/",
    )
    assert (read.chain_id, read.nonce, read.issued_at) == (17, "abcdefgh12", NOW)
    assert read.expires_at == NOW + 300


def test_a_message_without_statement_and_expiry_is_read_too() -> None:
    address = ADA.address
    head = "https://example.org wants you to sign in with your Ethereum account:"
    read = parse(
        f"{head}\n{address}\n\n\nURI: https://example.org/\nVersion: 1\nChain ID: 1\n"
        "Nonce: 12345678\nIssued At: 2026-01-01T00:00:00.000Z\nResources:\n- https://a.example/"
    )
    assert (read.scheme, read.expires_at) == ("https", None)


@pytest.mark.parametrize(
    "change",
    [
        ("Version: 1\n", ""),
        ("Chain ID: 31337", "Chain ID: 0x7a69"),
        ("Nonce: ", "Nonce: -"),
        ("Issued At: 2027", "Issued At: soon"),
        ("\nURI:", "\nURI: a\nURI:"),
        (" wants you", " asks you"),
    ],
)
def test_what_is_no_sign_in_message_is_refused(
    browser: TestClient, change: tuple[str, str]
) -> None:
    text = message(browser)
    assert change[0] in text
    refused(hand_in(browser, text.replace(*change, 1)))


def test_a_misspelt_account_is_refused(browser: TestClient) -> None:
    text = message(browser)
    refused(hand_in(browser, text.replace(ADA.address, ADA.address.lower())), "misspelt")
    with pytest.raises(InvalidInput):
        parse("x" * 3_000)


# --- signing in -----------------------------------------------------------------------------------


def test_whoever_signs_is_signed_in(browser: TestClient, site: Site) -> None:
    answer = hand_in(browser, message(browser))
    assert answer.status_code == 200, answer.text
    assert answer.json()["account"]["address"] == ADA.address
    assert answer.json()["expires_at"] == NOW + 12 * 3_600
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert "Secure" not in cookie
    assert site.secret.hex() not in cookie
    state = browser.get("/api/v1/session")
    assert state.json()["account"]["address"] == ADA.address
    assert state.headers["cache-control"] == "no-store"
    page = browser.get("/session").text
    assert "You are signed in" in page


def test_behind_https_the_cookie_is_for_https_only(told: kit.Told, hand: Hand) -> None:
    site = kit.make_site(told, door=Door(now=hand), hosts={"net.example": "https"})
    browser = kit.client(site)
    browser.base_url = "https://net.example"  # type: ignore[assignment]
    answer = hand_in(browser, message(browser))
    assert answer.status_code == 200, answer.text
    assert "Secure" in answer.headers["set-cookie"]


def test_a_nonce_that_was_never_given_out(browser: TestClient) -> None:
    text = message(browser)
    nonce = text.split("Nonce: ")[1].split("\n")[0]
    refused(hand_in(browser, text.replace(nonce, "0" * len(nonce))), "nonce")
    other = nonce[:-1] + ("0" if nonce[-1] != "0" else "1")
    refused(hand_in(browser, text.replace(nonce, other)), "nonce")


def test_a_message_works_once(browser: TestClient) -> None:
    text = message(browser)
    assert hand_in(browser, text).status_code == 200
    refused(hand_in(browser, text), "used already")


def test_a_message_of_another_process_is_worth_nothing(told: kit.Told, hand: Hand) -> None:
    first = kit.client(kit.make_site(told, door=Door(now=hand)))
    second = kit.client(kit.make_site(told, door=Door(now=hand)))
    refused(hand_in(second, message(first)), "nonce")


def test_a_message_for_another_site(browser: TestClient) -> None:
    text = message(browser).replace("127.0.0.1 wants", "evil.example wants")
    refused(hand_in(browser, text), "evil.example")
    about = message(browser).replace("URI: http://127.0.0.1/", "URI: http://evil.example/")
    refused(hand_in(browser, about), "evil.example")
    other = message(browser).replace("URI: http:", "URI: https:")
    refused(hand_in(browser, other))


def test_a_host_that_is_not_ours_gets_nothing(browser: TestClient) -> None:
    foreign = {"host": "evil.example"}
    answer = browser.post("/api/v1/session/message", json={"account": ADA.address}, headers=foreign)
    refused(answer, "evil.example")
    text = message(browser).replace("127.0.0.1", "evil.example")
    refused(hand_in(browser, text, headers=foreign), "evil.example")


def test_named_hosts_are_the_only_ones(told: kit.Told, hand: Hand) -> None:
    site = kit.make_site(told, door=Door(now=hand), hosts={"net.example": "https"})
    browser = kit.client(site)
    answer = browser.post("/api/v1/session/message", json={"account": ADA.address})
    refused(answer, "127.0.0.1")


def test_a_message_that_waited_too_long(browser: TestClient, hand: Hand) -> None:
    text = message(browser)
    hand.time_s += 300
    refused(hand_in(browser, text), "too long")
    hand.time_s -= 300
    endless = text[: text.index("\nExpiration")]
    hand.time_s += 300
    refused(hand_in(browser, endless), "too long")


def test_a_message_of_the_future(browser: TestClient, hand: Hand) -> None:
    text = message(browser)
    ahead = datetime.fromtimestamp(NOW + 61, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    refused(hand_in(browser, text.replace("2027-01-15T08:00:00Z", ahead)), "future")


def test_a_message_for_another_chain(browser: TestClient) -> None:
    text = message(browser).replace("Chain ID: 31337", "Chain ID: 1")
    refused(hand_in(browser, text), "chain 1")


def test_somebody_elses_signature(browser: TestClient) -> None:
    refused(hand_in(browser, message(browser), key("eve")), "signature")


def test_a_signature_over_other_words(browser: TestClient) -> None:
    text = message(browser)
    signature = ADA.sign_message(encode_defunct(text=text + " ")).signature
    body = {"message": text, "signature": "0x" + bytes(signature).hex()}
    refused(browser.post("/api/v1/session", json=body), "signature")
    short = {"message": message(browser), "signature": "0x00"}
    refused(browser.post("/api/v1/session", json=short), "signature")


def test_a_contract_account_stands_by_its_signature(browser: TestClient, told: kit.Told) -> None:
    text = message(browser)
    account = bytes.fromhex(ADA.address[2:])
    told.signatures.add((account, bytes(defunct_hash_message(text=text)), b"\x07" * 90))
    body = {"message": text, "signature": "0x" + "07" * 90}
    assert browser.post("/api/v1/session", json=body).status_code == 200
    again = {"message": message(browser), "signature": "0x" + "07" * 90}
    refused(browser.post("/api/v1/session", json=again), "signature")


# --- the cookie -----------------------------------------------------------------------------------


def test_a_session_ends_by_itself(browser: TestClient, hand: Hand) -> None:
    hand_in(browser, message(browser))
    hand.time_s += 12 * 3_600 - 1
    assert browser.get("/api/v1/session").json()["account"] is not None
    hand.time_s += 1
    assert browser.get("/api/v1/session").json()["account"] is None


def test_signing_out_ends_it_everywhere(browser: TestClient, site: Site) -> None:
    hand_in(browser, message(browser))
    kept = browser.cookies[cookie_name(site)]
    answer = browser.delete("/api/v1/session")
    assert answer.json()["account"] is None
    assert "Max-Age=0" in answer.headers["set-cookie"]
    browser.cookies.set(cookie_name(site), kept)
    assert browser.get("/api/v1/session").json()["account"] is None


@pytest.mark.parametrize("damage", ["", "A", "not base64 ~", "AAAA" * 40])
def test_a_damaged_cookie_is_nobodys(browser: TestClient, site: Site, damage: str) -> None:
    hand_in(browser, message(browser))
    kept = browser.cookies[cookie_name(site)]
    browser.cookies.clear()
    tampered = damage or ("B" if kept[0] == "A" else "A") + kept[1:]
    answer = browser.get("/api/v1/session", headers={"cookie": f"{cookie_name(site)}={tampered}"})
    assert answer.json()["account"] is None


def test_a_cookie_of_another_network_is_nobodys(hand: Hand, told: kit.Told) -> None:
    ours = kit.make_site(told, door=Door(now=hand))
    hand_in(first := kit.client(ours), message(first))
    kept = first.cookies[cookie_name(ours)]
    others = kit.make_site(told, door=Door(now=hand), secret=bytes([1]) * 32)
    answer = kit.client(others).get(
        "/api/v1/session", headers={"cookie": f"{cookie_name(others)}={kept}"}
    )
    assert answer.json()["account"] is None


# --- other sites' pages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_another_sites_page_changes_nothing(browser: TestClient, headers: dict[str, str]) -> None:
    hand_in(browser, message(browser))
    assert browser.delete("/api/v1/session", headers=headers).status_code == 403
    wish = {"account": ADA.address, "asset": "token"}
    answer = browser.post("/api/v1/actions/claim", json=wish, headers=headers)
    assert answer.status_code == 403
    assert browser.get("/api/v1/session").json()["account"] is not None


def test_a_form_of_another_site_cannot_speak_json(browser: TestClient) -> None:
    text = '{"account":"' + ADA.address + '"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = browser.post(
            "/api/v1/session/message", content=text, headers={"content-type": kind}
        )
        assert answer.status_code in (400, 422)


def test_our_own_page_may(browser: TestClient) -> None:
    headers = {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1"}
    answer = browser.post("/api/v1/session/message", json={"account": ADA.address}, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "x"])
def test_the_way_back_stays_on_this_site(browser: TestClient, path: str) -> None:
    assert "evil" not in browser.get("/session", params={"next": path}).text


def test_used_nonces_do_not_fill_the_memory(hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "USED_MAX", 2)
    door = Door(now=hand)
    first, second, third = (door.nonce() for _ in range(3))
    door.take(first)
    door.take(second)
    with pytest.raises(Exception, match="too many"):
        door.take(third)
    hand.time_s += 299
    fourth = door.nonce()
    hand.time_s += 1
    door.take(fourth)

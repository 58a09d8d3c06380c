"""A member with a wallet in the browser: claims, sells, signs in; and what can go wrong."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from browsing import NARROW, Shown, Visit
from playwright.sync_api import Locator, Page, expect
from wallet import Wallet

from commonworks.wiring.home import Home

SLOW_MS = 30_000
NEWEST = "async (path) => (await (await fetch(path)).json()).items[0].kind === 'KIND'"


def get(shown: Shown, path: str) -> Any:
    with urllib.request.urlopen(f"{shown.url}/api/v1{path}", timeout=30) as answer:
        return json.load(answer)


def wallet_of(shown: Shown, owner: str, **options: Any) -> Wallet:
    account = Home(path=shown.home).account(owner)
    return Wallet(account=account, chain=shown.chain, **options)


def due(shown: Shown, wallet: Wallet, asset: str = "currency") -> dict[str, Any]:
    """Return an account's books in an asset."""
    books = get(shown, f"/accounts/{wallet.account.address}")["books"]
    return next(one for one in books if one["asset"] == asset)


def farms(shown: Shown, count: int) -> list[str]:
    """Return names of accounts that have something to claim in both assets."""
    found = []
    for row in get(shown, "/accounts?asset=token&limit=200")["items"]:
        books = get(shown, f"/accounts/{row['account']['address']}")["books"]
        if all(int(one["claimable"]) > 0 for one in books):
            found.append(row["account"]["label"])
    assert len(found) >= count
    return found[:count]


def opened(visit: Callable[..., Visit], shown: Shown, *wallets: Wallet, **options: Any) -> Page:
    page = visit(**options).page
    for wallet in wallets:
        wallet.inject(page)
    page.goto(f"{shown.url}/accounts/{wallets[0].account.address}")
    return page


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def agree(page: Page) -> None:
    dialog(page).get_by_role("button", name="Go to the wallet").click()


def finish(page: Page) -> None:
    """Wait for the end, close the dialog, and wait for the page that comes then."""
    expect(dialog(page).get_by_role("status")).to_contain_text("Done. It is", timeout=SLOW_MS)
    with page.expect_navigation():
        dialog(page).get_by_role("button", name="Close").click()


def test_claim_and_sell(visit: Callable[..., Visit], shown: Shown) -> None:
    (name,) = farms(shown, 1)
    wallet = wallet_of(shown, name)
    page = opened(visit, shown, wallet)
    before = due(shown, wallet)
    card = page.locator("#claim-currency")
    expect(card.locator(".command code")).to_contain_text(f"claim --account {name}")
    card.get_by_role("button", name="Claim tEUR").click()
    expect(dialog(page)).to_contain_text(f"Pays to {wallet.account.address} what it earned")
    agree(page)
    finish(page)
    assert len(wallet.sent) == 1
    after = get(shown, f"/accounts/{wallet.account.address}")
    assert after["wallet"]["currency"] == before["claimable"]
    # the transaction's own page says the same, once the index has followed
    page.goto(f"{shown.url}/transactions/{wallet.sent[0]}")
    expect(page.get_by_text("Succeeded")).to_be_visible()

    page.goto(f"{shown.url}/accounts/{wallet.account.address}")
    expect(page.locator("[data-wallet-account]")).to_contain_text("Connected")
    page.locator("#claim-token").get_by_role("button", name=re.compile("Claim")).click()
    agree(page)
    finish(page)
    tokens = int(get(shown, f"/accounts/{wallet.account.address}")["wallet"]["token"])
    assert tokens > 0

    card = page.locator("#sell-token")
    card.get_by_role("button", name="All").click()
    expect(card.get_by_role("status").first).to_contain_text("This would bring about")
    card.get_by_role("button", name="Sell").click()
    steps = dialog(page).get_by_role("listitem")
    expect(steps).to_have_count(2)
    expect(steps.nth(0)).to_contain_text("Allows the exchange to take up to")
    expect(steps.nth(1)).to_contain_text("Sells exactly")
    agree(page)
    finish(page)
    held = get(shown, f"/accounts/{wallet.account.address}")["wallet"]
    assert held["token"] == "0"
    assert int(held["currency"]) > int(before["claimable"])


def test_what_a_device_may_spend_is_set_on_both_pages(
    visit: Callable[..., Visit], shown: Shown
) -> None:
    rows = get(shown, "/devices?limit=200")["items"]
    own = next(one for one in rows if one["owner"]["label"] and one["device"]["label"])
    number, owner = own["device"]["device"], own["owner"]
    wallet = wallet_of(shown, owner["label"])

    def limit() -> str:
        found: str = get(shown, f"/devices/{number}")["spend_limit"]
        return found

    page = visit().page
    wallet.inject(page)
    page.goto(f"{shown.url}/devices/{number}")
    card = page.locator("#limit")
    expect(card.locator(".command code")).to_contain_text(
        f"limit {own['device']['label']} AMOUNT --account {owner['label']}"
    )
    card.get_by_label("Limit for one epoch, in tEUR").fill("3.25")
    card.get_by_role("button", name="Set the limit").click()
    expect(dialog(page)).to_contain_text("3.25 tEUR")
    agree(page)
    finish(page)
    expect(page.locator("#limit")).to_contain_text("up to 3.25 tEUR in an epoch", timeout=SLOW_MS)
    assert limit() == "3250000"

    page.goto(f"{shown.url}/accounts/{owner['address']}")
    card = page.locator("#limit-currency")
    expect(card.locator(".command code")).to_contain_text(
        f"limit DEVICE AMOUNT --account {owner['label']}"
    )
    card.get_by_label("Device").select_option(str(number))
    card.get_by_label("Limit for one epoch, in tEUR").fill("0")
    card.get_by_role("button", name="Set the limit").click()
    agree(page)
    finish(page)
    page.goto(f"{shown.url}/devices/{number}")
    expect(page.locator("#limit")).to_contain_text("lets it spend nothing", timeout=SLOW_MS)
    assert limit() == "0"
    assert len(wallet.sent) == 2


def test_a_stranger_s_wallet_sets_no_limit(visit: Callable[..., Visit], shown: Shown) -> None:
    first, second = farms(shown, 2)
    address = wallet_of(shown, first).account.address
    own = get(shown, f"/devices?owner={address}&limit=1")["items"][0]["device"]["device"]
    wallet = wallet_of(shown, second)
    page = visit().page
    wallet.inject(page)
    page.goto(f"{shown.url}/devices/{own}")
    card = page.locator("#limit")
    card.get_by_label("Limit for one epoch, in tEUR").fill("1")
    card.get_by_role("button", name="Set the limit").click()
    expect(card).to_contain_text("Choose that account there")
    assert not wallet.sent


def test_votes_are_lent_and_taken_back(visit: Callable[..., Visit], shown: Shown) -> None:
    wallet, name = wallet_of(shown, "verifier-1"), farms(shown, 1)[0]
    own, other = wallet.account.address, wallet_of(shown, name).account.address

    def lent_to() -> str:
        delegate: str = get(shown, f"/accounts/{own}")["wallet"]["delegate"]["address"]
        return delegate

    page = opened(visit, shown, wallet)
    assert lent_to() == own
    card = page.locator("#delegate-")
    expect(card.locator(".command code")).to_contain_text(
        "proposal delegate ACCOUNT --as verifier-1"
    )
    card.get_by_label("Account that shall vote for you").fill(other)
    card.get_by_role("button", name="Delegate with a wallet").click()
    expect(dialog(page)).to_contain_text(f"Lets {other} vote with your votes")
    agree(page)
    finish(page)
    assert lent_to() == other
    expect(page.get_by_text("Its own votes are lent.")).to_be_visible()
    back = page.locator("#recall-")
    expect(back.get_by_role("link", name=name)).to_be_visible()
    expect(back.locator(".command code")).to_contain_text(
        "proposal delegate verifier-1 --as verifier-1"
    )
    back.get_by_role("button", name="Take the votes back").click()
    agree(page)
    finish(page)
    assert lent_to() == own
    expect(page.locator("#recall-")).to_have_count(0)


def test_withdraw_and_deposit_on_a_phone(visit: Callable[..., Visit], shown: Shown) -> None:
    name = farms(shown, 1)[0]
    wallet = wallet_of(shown, name, old=True)
    page = opened(visit, shown, wallet, viewport=NARROW)
    books = due(shown, wallet)
    card = page.locator("#withdraw-currency")
    card.get_by_label("Amount in tEUR").fill("0.25")
    card.get_by_label("Amount in tEUR").press("Enter")
    expect(dialog(page)).to_contain_text("give 0.25 tEUR of your unspent deposit back")
    box = dialog(page).bounding_box()
    assert box is not None
    assert box["width"] <= NARROW["width"]
    agree(page)
    finish(page)
    assert books["unspent"] == due(shown, wallet)["unspent"]  # the next settlement moves it
    page.wait_for_function(
        NEWEST.replace("KIND", "withdrawal_requested"),
        arg=f"/api/v1/accounts/{wallet.account.address}/movements?limit=1",
    )
    page.reload()
    expect(page.get_by_text("Asked for deposit back")).to_be_visible()

    page.locator("#claim-currency").get_by_role("button", name="Claim tEUR").click()
    agree(page)
    finish(page)
    card = page.locator("#deposit-currency")
    card.get_by_label("Amount in tEUR").fill("0.5")
    card.get_by_role("button", name="Deposit").click()
    expect(dialog(page).get_by_role("listitem")).to_have_count(2)
    agree(page)
    finish(page)
    page.wait_for_function(
        NEWEST.replace("KIND", "deposit"),
        arg=f"/api/v1/accounts/{wallet.account.address}/movements?limit=1",
    )
    assert int(due(shown, wallet)["unspent"]) == int(books["unspent"]) + 500_000


def test_an_amount_is_checked_before_the_wallet_is_asked(
    visit: Callable[..., Visit], shown: Shown
) -> None:
    one = visit()
    wallet = wallet_of(shown, farms(shown, 1)[0])
    wallet.inject(one.page)
    one.page.goto(f"{shown.url}/accounts/{wallet.account.address}")
    card = one.page.locator("#withdraw-currency")
    card.get_by_label("Amount in tEUR").fill("1e3")
    card.get_by_role("button", name="Ask for it back").click()
    assert not dialog(one.page).is_visible()  # the browser's own check
    card.get_by_label("Amount in tEUR").fill("999999999")
    card.get_by_role("button", name="Ask for it back").click()
    expect(card).to_contain_text("of unspent deposit")
    assert not wallet.sent
    one.wrong = [line for line in one.wrong if "409" not in line]  # the browser logs the refusal


@pytest.mark.parametrize("knows", [True, False])
def test_a_wallet_on_another_chain_is_asked_to_switch(
    visit: Callable[..., Visit], shown: Shown, knows: bool
) -> None:
    wallet = wallet_of(shown, farms(shown, 1)[0], chain_id=1, knows_chain=knows)
    page = opened(visit, shown, wallet)
    card = page.locator("#withdraw-currency")
    card.get_by_label("Amount in tEUR").fill("0.01")
    card.get_by_role("button", name="Ask for it back").click()
    agree(page)
    finish(page)
    methods = [method for method, _ in wallet.asked]
    assert "wallet_switchEthereumChain" in methods
    assert ("wallet_addEthereumChain" in methods) is not knows


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"refuses": {"eth_sendTransaction"}}, "You refused it in your wallet"),
        ({"broke": True}, "too little of the chain's coin"),
        ({"chain_id": 1, "refuses": {"wallet_switchEthereumChain"}}, "You refused it"),
    ],
)
def test_what_goes_wrong_is_said(
    visit: Callable[..., Visit], shown: Shown, options: dict[str, Any], words: str
) -> None:
    wallet = wallet_of(shown, farms(shown, 1)[0], **options)
    page = opened(visit, shown, wallet)
    card = page.locator("#withdraw-currency")
    card.get_by_label("Amount in tEUR").fill("0.01")
    card.get_by_role("button", name="Ask for it back").click()
    agree(page)
    expect(dialog(page).get_by_role("status")).to_contain_text(words)
    dialog(page).get_by_role("button", name="Close").click()
    expect(dialog(page)).to_have_count(0)
    assert not wallet.sent


def test_who_does_not_connect_or_agree_sends_nothing(
    visit: Callable[..., Visit], shown: Shown
) -> None:
    wallet = wallet_of(shown, farms(shown, 1)[0], refuses={"eth_requestAccounts"})
    page = opened(visit, shown, wallet)
    card = page.locator("#withdraw-currency")
    card.get_by_label("Amount in tEUR").fill("0.01")
    button = card.get_by_role("button", name="Ask for it back")
    button.click()
    expect(card).to_contain_text("You refused it in your wallet")
    wallet.refuses.clear()
    button.click()
    expect(dialog(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(button).to_be_enabled()
    expect(button).to_be_focused()
    assert not wallet.sent


def test_somebody_elses_account_is_not_acted_for(visit: Callable[..., Visit], shown: Shown) -> None:
    first, second = farms(shown, 2)
    owner, other = wallet_of(shown, first), wallet_of(shown, second)
    page = visit().page
    other.inject(page)
    page.goto(f"{shown.url}/accounts/{owner.account.address}")
    card = page.locator("#withdraw-currency")
    card.get_by_label("Amount in tEUR").fill("0.01")
    card.get_by_role("button", name="Ask for it back").click()
    expect(card).to_contain_text("Choose that account there")


def test_one_of_several_wallets_is_chosen_by_keyboard(
    visit: Callable[..., Visit], shown: Shown
) -> None:
    first, second = farms(shown, 2)
    one, two = wallet_of(shown, first, name="One"), wallet_of(shown, second, name="Two")
    page = opened(visit, shown, one, two)
    page.get_by_role("button", name="Connect a wallet").press("Enter")
    expect(dialog(page)).to_contain_text("Choose a wallet")
    expect(dialog(page).get_by_role("button", name="One")).to_be_focused()
    page.keyboard.press("Tab")
    expect(dialog(page).get_by_role("button", name="Two")).to_be_focused()
    page.keyboard.press("Enter")
    shown_account = page.locator("[data-wallet-account]")
    expect(shown_account).to_have_attribute("title", two.account.address)
    page.reload()  # remembered for this tab
    expect(shown_account).to_have_attribute("title", two.account.address)
    assert page.evaluate("localStorage.length") == 0
    assert not [method for method, _ in one.asked if method == "eth_requestAccounts"]


def test_without_a_wallet_the_command_line_is_named(
    visit: Callable[..., Visit], shown: Shown
) -> None:
    account = get(shown, "/accounts?limit=1&asset=currency")["items"][0]["account"]["address"]
    page = visit().page
    page.goto(f"{shown.url}/accounts/{account}")
    page.get_by_role("button", name="Connect a wallet").click()
    expect(dialog(page)).to_contain_text("This browser has no wallet")
    page.keyboard.press("Enter")
    expect(dialog(page)).to_have_count(0)


def test_signing_in_shows_what_only_the_account_may_see(
    visit: Callable[..., Visit], shown: Shown
) -> None:
    wallet = wallet_of(shown, farms(shown, 1)[0])
    page = visit().page
    wallet.inject(page)
    statement = f"/accounts/{wallet.account.address}/statement?month=2016-06"
    page.goto(shown.url + statement)
    expect(page.get_by_text("Payments received").first).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    page.get_by_role("button", name="Sign in with a wallet").click()
    page.wait_for_url("**/statement?month=2016-06")
    expect(page.get_by_text("Payments received")).to_have_count(0)
    (message,) = [params[0] for method, params in wallet.asked if method == "personal_sign"]
    assert b"wants you to sign in" in bytes.fromhex(message[2:])
    cookies = page.context.cookies()
    (cookie,) = [one for one in cookies if one["name"].startswith("commonworks_")]
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    page.goto(f"{shown.url}/session")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in with a wallet")).to_be_visible()


def test_a_refused_message_signs_nobody_in(visit: Callable[..., Visit], shown: Shown) -> None:
    wallet = wallet_of(shown, farms(shown, 1)[0], refuses={"personal_sign"})
    page = visit().page
    wallet.inject(page)
    page.goto(f"{shown.url}/session")
    page.get_by_role("button", name="Sign in with a wallet").click()
    expect(page.get_by_text("You refused it in your wallet")).to_be_visible()


def test_an_explorer_that_is_gone_is_said(visit: Callable[..., Visit], shown: Shown) -> None:
    one = visit()
    wallet = wallet_of(shown, farms(shown, 1)[0])
    wallet.inject(one.page)
    one.page.goto(f"{shown.url}/accounts/{wallet.account.address}")
    one.page.route("**/api/v1/**", lambda route: route.abort())
    card = one.page.locator("#withdraw-currency")
    card.get_by_label("Amount in tEUR").fill("0.01")
    card.get_by_role("button", name="Ask for it back").click()
    expect(card).to_contain_text("The explorer does not answer")
    one.wrong.clear()  # the browser logs every request that got no answer

"""What a person does after `make run`: understand a rejection, check an epoch, claim, vote."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from browsing import Shown, Visit
from playwright.sync_api import Page, expect
from wallet import Wallet

from commonworks.wiring.home import Home

SLOW_MS = 60_000


def follow(page: Page, name: str | re.Pattern[str]) -> None:
    """Follow a link as a reader does: by its words."""
    with page.expect_navigation():
        page.get_by_role("link", name=name).first.click()


def test_a_rejected_statement_is_found_and_understood(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    page = visit().page
    page.goto(shown.url)
    follow(page, "Epochs")
    page.get_by_role("row").nth(2).get_by_role("link").first.click()
    page.wait_for_load_state()
    verdicts = page.locator("table", has_text="rejected").first
    verdicts.get_by_role("row").filter(has_text="rejected").first.get_by_role("link").last.click()
    page.wait_for_load_state()
    expect(page.locator("h1")).to_have_text(re.compile("Statements"))
    page.locator("table tbody tr").first.get_by_role("link").first.click()
    page.wait_for_load_state()
    notice = page.locator(".notice.bad")
    expect(notice).to_contain_text("rejected it")
    expect(notice).to_contain_text("What that means for money")
    expect(notice).to_contain_text("What to do")
    follow(page, "Prove it in the browser")
    expect(page.get_by_role("status").first).to_contain_text("holds", timeout=SLOW_MS)


def test_an_epoch_is_checked_with_the_printed_command(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    page = visit().page
    page.goto(f"{shown.url}/epochs/1")
    printed = [
        text
        for text in page.locator(".command pre").all_inner_texts()
        if re.search(r" audit 1 --home \S+$", text) and str(shown.home) in text
    ]
    assert printed, "the page prints the command that recomputes the epoch"
    words = shlex.split(printed[0])  # as it stands, from any folder
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "equal: the payments follow from the evidence" in done.stdout


def test_a_payout_is_proven_and_a_forgery_refused(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    page = visit().page
    page.goto(f"{shown.url}/epochs/1")
    follow(page, "Prove")
    expect(page.get_by_role("status").first).to_contain_text("holds", timeout=SLOW_MS)
    page.get_by_role("button", name="Flip a byte").click()
    expect(page.get_by_role("status").first).to_contain_text("does not hold", timeout=SLOW_MS)


def test_a_member_votes_with_a_wallet(shown: Shown, visit: Callable[..., Visit]) -> None:
    account = Home(path=shown.home).account("farm-1")
    wallet = Wallet(account=account, chain=shown.chain)
    page = visit().page
    wallet.inject(page)
    page.goto(f"{shown.url}/governance")
    follow(page, "Dearer wires")
    expect(page.locator("main")).to_contain_text("grid")
    page.get_by_role("radio", name="For").check()
    page.get_by_label("Reason, for everybody to read").fill("The wires <b>age</b>.")
    page.get_by_role("button", name="Vote with a wallet").click()
    page.get_by_role("dialog").get_by_role("button", name="Go to the wallet").click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text(
        "Done.", timeout=SLOW_MS
    )
    page.goto(f"{shown.url}/governance/1")
    expect(page.locator("main")).to_contain_text("The wires <b>age</b>.")


def test_what_happens_is_shown_live(shown: Shown, visit: Callable[..., Visit]) -> None:
    page = visit().page
    page.goto(shown.url)
    feed = page.locator(".feed").last
    expect(feed).to_be_visible()
    own = str(Path(sys.executable).with_name("commonworks"))
    words = ("claim", "--account", "house-3", "--asset", "currency", "--home", str(shown.home))
    done = subprocess.run([own, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    expect(feed).to_contain_text("house-3 claimed", timeout=SLOW_MS)


def test_a_run_grows_in_its_place(shown: Shown, visit: Callable[..., Visit]) -> None:
    """New anchors make the newest line longer; lines that are the same are not read out again."""
    page = visit().page
    page.goto(f"{shown.url}/activity")
    found = page.evaluate("""async () => {
      const { grow } = await import(document.querySelector('script[src*="activity.js"]').src);
      const list = (...entries) => {
        const made = document.createElement("ol");
        for (const [key, count] of entries) {
          const entry = document.createElement("li");
          Object.assign(entry.dataset, { key, count });
          made.append(entry);
        }
        return made;
      };
      const told = (feed) => [...feed.children].map((entry) =>
        [entry.dataset.key, entry.dataset.count, entry.classList.contains("fresh"),
          entry.dataset.old ?? ""].join(" "));
      const feed = list(["9-0", 3], ["5-0", 1], ["4-0", 2], ["1-0", 1]);
      for (const entry of feed.children) entry.dataset.old = "kept";
      const seen = [];
      grow(feed, list(["10-0", 4], ["5-0", 1], ["4-0", 2], ["1-0", 1]));
      seen.push(told(feed));
      grow(feed, list(["12-0", 1], ["11-0", 5], ["5-0", 1], ["4-0", 1]));
      seen.push(told(feed));
      grow(feed, list(["12-0", 1], ["11-0", 5], ["5-0", 1], ["4-0", 1]));
      seen.push(told(feed));
      return seen;
    }""")
    grown = ["12-0 1 true ", "11-0 5 true ", "5-0 1 false kept", "4-0 1 false "]
    assert found == [
        ["10-0 4 true ", "5-0 1 false kept", "4-0 2 false kept", "1-0 1 false kept"],
        grown,
        grown,
    ]


def test_anchors_in_a_row_are_one_line_that_opens(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    page = visit().page
    page.goto(f"{shown.url}/activity")
    line = page.locator(".feed li").filter(has_text=re.compile(r"anchored its log .* times")).first
    count = int(line.get_attribute("data-count") or 0)
    newest = line.get_attribute("data-key")
    assert count > 1
    line.get_by_role("link", name="Show each of them").click()
    each = page.locator(".feed li")
    expect(each.first).to_have_attribute("data-key", newest or "")
    assert each.count() >= count
    expect(page.get_by_text(re.compile("anchored its log .* times"))).to_have_count(0)


def test_a_page_says_when_it_may_be_old_and_recovers(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    opened = visit()
    page = opened.page
    page.route("**/api/v1/stream", lambda route: route.fulfill(status=503, body="not now"))
    page.goto(shown.url)
    notice = page.get_by_text("This explorer does not answer just now")
    expect(notice).to_be_visible(timeout=SLOW_MS)
    page.unroute("**/api/v1/stream")
    expect(notice).to_be_hidden(timeout=SLOW_MS)
    assert all("503" in line for line in opened.wrong)
    opened.wrong.clear()  # what was refused here, on purpose


def test_a_consumer_finds_prices_and_how_to_buy(shown: Shown, visit: Callable[..., Visit]) -> None:
    page = visit().page
    page.goto(shown.url)
    follow(page, "How to buy")
    buying = page.get_by_role("region", name="How to buy")
    expect(buying).to_contain_text("What is paid for")
    said = [shlex.split(text) for text in buying.locator(".command pre").all_inner_texts()]
    assert [words[1] for words in said] == ["deposit", "limit"]
    assert all(str(shown.home) in words for words in said)
    follow(page, "Prices and limits that members voted on")
    expect(page.locator("#of-energy")).to_contain_text("energy.grid_charge")


def test_paper_is_white_whatever_the_reader_chose(
    shown: Shown, visit: Callable[..., Visit]
) -> None:
    page = visit(color_scheme="dark").page
    page.goto(shown.url)
    for _ in range(2):
        page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    paper = "getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()"
    assert page.evaluate(paper) != "#ffffff"
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "#ffffff"


def test_reading_works_without_scripts(shown: Shown, visit: Callable[..., Visit]) -> None:
    page = visit(java_script_enabled=False).page
    for path in ("/", "/devices", "/epochs/1", "/statements?outcome=rejected", "/resources/energy"):
        answer = page.goto(shown.url + path)
        assert answer is not None
        assert answer.status == 200
        assert page.locator("main").inner_text().strip()
        assert page.locator(".chart .canvas:visible").count() == 0  # no frame without a picture
    assert page.locator("table").count() > 0


def test_german_is_whole(shown: Shown, visit: Callable[..., Visit]) -> None:
    page = visit(locale="de-DE").page
    page.goto(shown.url)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("navigation").first).to_contain_text("Geräte")
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(shown.url + "/epochs")
    expect(page.locator("html")).to_have_attribute("lang", "en")

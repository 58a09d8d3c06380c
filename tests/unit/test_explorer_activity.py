"""The diary in words, its filters and pages, and the stream that tells what happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from commonworks import events as chain
from commonworks import stops
from commonworks.errors import InvalidInput
from commonworks.explorer.api.activity import frames
from commonworks.explorer.events_in_words import KINDS, SENTENCES, describe, names_of
from commonworks.explorer.index import schema
from commonworks.explorer.index.feed_chain import kind_of
from commonworks.explorer.queries.activity import ROWS_MAX, Wanted, diary, events
from commonworks.explorer.site import Site
from commonworks.explorer.web import stream
from commonworks.explorer.web.stream import CLIENT_LISTENERS_MAX, QUEUE_MAX, Broadcast
from explorer_kit import account, client, digest, fill, make_site

HOSTILE = "<b onmouseover=alert(1)>%(account)s</b>"
ANNA, BERT, TOKEN, CURRENCY = account(0xA), account(0xB), account(0x70), account(0xE0)
LOG = digest(0x109)


def event_row(block: int, log_index: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a row of the diary."""
    detail = changes.pop("detail", {})
    row: dict[str, Any] = {
        "block": block, "log_index": log_index, "time": 1_767_225_600, "tx": digest(block),
        "kind": "claimed", "epoch": None, "device": None, "log_id": None, "account": None,
        "other": None, "asset": None, "amount": None, "detail": json.dumps(detail),
    }  # fmt: skip
    return row | changes


@pytest.fixture
def site() -> Site:
    """A site with one device and one gateway that have names."""
    made = make_site(labels={ANNA: "anna"}, device_labels={digest(12): "mill"})
    fill(made.engine, schema.device, {
        "device": 12, "owner": ANNA, "thumbprint": digest(12), "algorithm": -8,
        "public_key": bytes(32), "resource": "energy", "cell": None, "enroller": ANNA,
        "enrolled_at": 0, "enrolled_tx": digest(1), "reference": False, "statements": 0,
        "rejected": 0, "last_judged_epoch": None,
    })  # fmt: skip
    fill(made.engine, schema.gateway, {
        "log_id": LOG, "operator": ANNA, "name": "North", "origin": "o", "endpoint": "e",
        "note_key": digest(1), "receipt_key": bytes(32), "registered_at": 0,
        "registered_tx": digest(1),
    })  # fmt: skip
    return made


def told(site: Site, **changes: Any) -> str:
    """Return one event's sentence."""
    fill(site.engine, schema.chain_event, event_row(900, **changes))
    with site.engine.connect() as connection:
        rows = connection.execute(schema.chain_event.select()).all()
        return describe(site, rows[-1], names_of(connection, site, rows)).text


def blocks(site: Site, wanted: Wanted, **options: Any) -> list[int]:
    """Return the blocks of the events that are wanted."""
    with site.engine.connect() as connection:
        return [one.block for one in events(connection, site, wanted, limit=50, **options).items]


# --- sentences ------------------------------------------------------------------------------------

WORD = "0x" + b"grace_s".ljust(32, b"\0").hex()

SAID: dict[str, tuple[dict[str, Any], str]] = {
    "enrolled": (
        {"account": ANNA, "device": 12, "detail": {"resource": "energy"}},
        "anna enrolled device 12 (mill) for Energy shared and traded between neighbours.",
    ),
    "transferred": (
        {"account": ANNA, "other": BERT, "device": 13},
        "Device 13 went from anna to 0x000000…000b.",
    ),
    "payees_set": (
        {"device": 12, "detail": {"shares": [1]}},
        "Device 12 (mill) has new payees: what it earns is shared by a list.",
    ),
    "registrar_set": (
        {"detail": {"resource": "unknown", "active": True}},
        "A registrar's key was admitted for unknown.",
    ),
    "reference_set": (
        {"device": 12, "detail": {"admitted": False}},
        "Device 12 (mill) is no longer an independent reference.",
    ),
    "site_adopted": (
        {"detail": {"resource": "x"}},
        "A new site table is in force for x.",
    ),
    "gateway_registered": (
        {"account": ANNA, "log_id": LOG, "detail": {"name": "North"}},
        "anna registered the gateway North.",
    ),
    "verifier_registered": (
        {"account": BERT, "detail": {"name": "Vera"}},
        "0x000000…000b registered the verifier Vera.",
    ),
    "bonded": (
        {"account": ANNA, "amount": 1500 * 10**18},
        "anna put up a bond of 1,500.00 CWT.",
    ),
    "unbonding_started": (
        {"account": ANNA, "amount": 10**18, "detail": {"ready_at": 1_767_225_600}},
        "anna takes 1.00 CWT out of its bond; it stays at stake until 1 Jan 2026, 00:00 UTC.",
    ),
    "unbonded": (
        {"account": ANNA, "amount": 10**18},
        "anna took out its released bond of 1.00 CWT.",
    ),
    "stake_changed": (
        {"account": ANNA, "amount": 5, "detail": {"stake": str(3 * 10**18)}},
        "The stake of verifier anna is now 3.00 CWT.",
    ),
    "parameter_defined": (
        {"detail": {"key": WORD, "value": 601}},
        "The parameter grace_s began with the value 10 minutes 1 second.",
    ),
    "parameter_set": (
        {"detail": {"key": "grace_s", "value": "1009", "from_epoch": 7}},
        "The parameter grace_s is 16 minutes 49 seconds from epoch 7 on.",
    ),
    "anchored": (
        {"log_id": LOG, "detail": {"size": 1013}},
        "Gateway North anchored its log on chain: 1,013 statements.",
    ),
    "confirmed": (
        {"account": ANNA, "epoch": 3},
        "Verifier anna confirmed that it holds the evidence of epoch 3.",
    ),
    "closed": ({"epoch": 3}, "Epoch 3 was closed: its evidence is frozen."),
    "attested": (
        {"account": ANNA, "epoch": 3},
        "Verifier anna signed off on the result of epoch 3.",
    ),
    "finalised": ({"epoch": 3}, "Epoch 3 is final: what it pays is fixed."),
    "deposited": (
        {"account": ANNA, "other": BERT, "asset": CURRENCY, "amount": 12_340_000},
        "0x000000…000b deposited 12.34 tEUR for anna.",
    ),
    "withdrawal_requested": (
        {"account": ANNA, "asset": CURRENCY, "amount": 1},
        "anna asked for 0.000001 tEUR of its deposit back.",
    ),
    "spend_limit_set": (
        {"account": ANNA, "device": 12, "amount": 7, "detail": {"limit": 40_000_000}},
        "anna lets device 12 (mill) spend up to 40.00 tEUR an epoch.",
    ),
    "claimed": (
        {"account": ANNA, "asset": TOKEN, "amount": 17 * 10**17},
        "anna claimed 1.70 CWT.",
    ),
    "halt_voted": (
        {"account": ANNA, "epoch": 3, "amount": 7 * 10**18},
        "Verifier anna voted with a stake of 7.00 CWT to stop the payout of epoch 3.",
    ),
    "halted": (
        {"epoch": 3, "detail": {"until": 1_767_225_600}},
        "The payout of epoch 3 was stopped until 1 Jan 2026, 00:00 UTC.",
    ),
    "root_accepted": (
        {"epoch": 3, "detail": {"claimable_at": 1_767_225_600}},
        "The Vault took in the payout of epoch 3; its hold ends at 1 Jan 2026, 00:00 UTC.",
    ),
    "root_delayed": (
        {"epoch": 3, "detail": {"claimable_at": 1_767_225_600}},
        "The payout root of epoch 3 cannot be claimed against before 1 Jan 2026, 00:00 UTC.",
    ),
    "exit_entered": (
        {"detail": {"since": 1_767_225_600}},
        "The Vault's exit was opened: everybody can take out what is theirs, and no epoch is "
        "settled any more.",
    ),
    "exited": (
        {"account": ANNA, "asset": CURRENCY, "amount": 7_000_000},
        "anna took 7.00 tEUR out of the Vault by its exit.",
    ),
    "guardian_appointed": (
        {"account": ANNA, "detail": {"until": 1_767_225_600}},
        "anna is guardian until 1 Jan 2026, 00:00 UTC and may stop payouts that wait.",
    ),
    "guardian_halted": (
        {"account": ANNA, "epoch": 3, "detail": {"ready_at": 1_767_225_600}},
        "The guardian anna stopped the payout of epoch 3; it cannot stop another one before "
        "1 Jan 2026, 00:00 UTC.",
    ),
}


@pytest.mark.parametrize("kind", sorted(SAID))
def test_every_kind_of_event_is_a_sentence(site: Site, kind: str) -> None:
    changes, sentence = SAID[kind]
    assert told(site, kind=kind, **changes) == sentence


def test_an_office_that_nobody_holds_says_so(site: Site) -> None:
    assert told(site, kind="guardian_appointed", account=bytes(20)) == (
        "Nobody is guardian any more."
    )


def test_no_kind_of_event_is_forgotten() -> None:
    known = {
        thing
        for thing in (vars(chain) | vars(stops)).values()
        if isinstance(thing, type) and issubclass(thing, chain.Event) and thing is not chain.Event
    }
    kinds = {
        "".join("_" + c.lower() if c.isupper() else c for c in one.__name__).lstrip("_")
        for one in known
    }
    assert kinds == set(KINDS) == set(SAID)
    assert kinds == {name for name in SENTENCES if "." not in name}
    claimed = chain.Claimed(
        at=chain.Position(block=1, time=1, index=0, tx=digest(1)),
        asset=TOKEN, account=ANNA, amount=1, epoch=1,
    )  # fmt: skip
    assert kind_of(claimed) == "claimed"


@pytest.mark.parametrize("kind", sorted(SAID))
@pytest.mark.parametrize("detail", ["{}", "[]", "no json", '{"value": "x", "size": true}'])
def test_a_sentence_never_fails_for_what_a_row_lacks(site: Site, kind: str, detail: str) -> None:
    fill(site.engine, schema.chain_event, {**event_row(901), "kind": kind, "detail": detail})
    with site.engine.connect() as connection:
        [row] = connection.execute(schema.chain_event.select()).all()
        assert describe(site, row).text


def test_an_unknown_kind_is_spelled_out(site: Site) -> None:
    assert told(site, kind="moon_landed") == "The contracts recorded: moon landed."


def test_an_address_valued_parameter_is_an_account(site: Site) -> None:
    key = next(key for key, one in site.parameters.items() if one.unit == "address")
    said = told(site, kind="parameter_set", detail={"key": key, "value": "10", "from_epoch": 1})
    assert "anna" in said


def test_hostile_names_stay_text(site: Site) -> None:
    site.labels = {ANNA: HOSTILE}
    fill(site.engine, schema.chain_event, event_row(1, account=ANNA, asset=TOKEN, amount=1))
    fill(
        site.engine, schema.chain_event,
        event_row(2, kind="verifier_registered", account=BERT, detail={"name": HOSTILE}),
    )  # fmt: skip
    for page in ("/", "/activity"):
        text = client(site).get(page).text
        assert "<b onmouseover" not in text
        assert text.count("&lt;b onmouseover=alert(1)&gt;%(account)s&lt;/b&gt;") >= 2
    said = client(site).get("/api/v1/activity").json()["items"][1]
    assert said["text"].startswith(HOSTILE)


# --- filters and pages ----------------------------------------------------------------------------


def test_filters(site: Site) -> None:
    fill(
        site.engine, schema.chain_event,
        event_row(1, account=ANNA, epoch=2), event_row(2, account=BERT, other=ANNA),
        event_row(3, account=ANNA, other=ANNA, kind="transferred", device=12),
        event_row(4, other=ANNA, device=13, epoch=2), event_row(5, account=BERT),
    )  # fmt: skip
    assert blocks(site, Wanted()) == [5, 4, 3, 2, 1]
    assert blocks(site, Wanted(account=ANNA)) == [4, 3, 2, 1]
    assert blocks(site, Wanted(account=BERT)) == [5, 2]
    assert blocks(site, Wanted(account=ANNA, epoch=2)) == [4, 1]
    assert blocks(site, Wanted(kind="transferred")) == [3]
    assert blocks(site, Wanted(device=13)) == [4]
    assert blocks(site, Wanted(device=99)) == []


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(account=ANNA)])
def test_pages_join_without_gap_or_double(site: Site, wanted: Wanted) -> None:
    rows = [
        event_row(1 + n // 3, n % 3, **({"account": ANNA} if n % 2 else {"other": ANNA}))
        for n in range(23)
    ]
    fill(site.engine, schema.chain_event, *rows)
    seen, cursor = [], None
    with site.engine.connect() as connection:
        while True:
            page = events(connection, site, wanted, limit=5, cursor=cursor)
            seen += [(one.block, one.log_index) for one in page.items]
            cursor = page.next
            if cursor is None:
                break
    assert seen == sorted(((row["block"], row["log_index"]) for row in rows), reverse=True)


def test_a_foreign_cursor_is_refused(site: Site) -> None:
    with site.engine.connect() as connection, pytest.raises(InvalidInput):
        events(connection, site, limit=5, cursor="bm9uZQ")
    assert client(site).get("/api/v1/activity", params={"cursor": "bm9uZQ"}).status_code == 400


def test_the_form_takes_empty_fields_and_refuses_letters(site: Site) -> None:
    web = client(site)
    empty = {"kind": "", "device": "", "account": "", "epoch": ""}
    assert web.get("/activity", params=empty).status_code == 200
    assert web.get("/activity", params={"device": "#12", "epoch": " 3 "}).status_code == 200
    for wrong in ({"device": "x"}, {"epoch": "²"}, {"account": "0x1"}, {"device": "9" * 30}):
        assert web.get("/activity", params=wrong).status_code == 400


# --- the stream -----------------------------------------------------------------------------------


async def take(source: AsyncIterator[bytes], count: int) -> list[str]:
    """Return the next frames."""
    return [(await anext(source)).decode() for _ in range(count)]


def fields(frame: str) -> dict[str, str]:
    """Return a frame's fields."""
    return dict(line.split(": ", 1) for line in frame.strip().split("\n") if line[0] != ":")


def run(work: Any) -> Any:
    """Run a test's coroutine, bounded."""

    async def bounded() -> Any:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


def test_a_listener_hears_what_is_told_and_its_kinds_only() -> None:
    async def work() -> None:
        told = Broadcast()
        source = frames(told, "c", chosen=frozenset({"epoch"}))
        [welcome] = await take(source, 1)
        assert fields(welcome) == {"retry": "3000"}
        told.publish("head", {"block": 1})
        told.publish("epoch", {"epoch": 5, "text": "a\nb"})
        [frame] = await take(source, 1)
        assert fields(frame) == {
            "id": told.identity(2), "event": "epoch", "data": '{"epoch":5,"text":"a\\nb"}',
        }  # fmt: skip
        await source.aclose()  # type: ignore[attr-defined]
        assert told.listeners == 0

    run(work())


def test_who_missed_nothing_goes_on_and_who_missed_something_looks_again() -> None:
    async def work() -> None:
        told = Broadcast()
        told.publish("head", {})
        same = frames(told, "c", last_event_id=told.identity(1))
        await take(same, 1)
        told.publish("head", {})
        assert fields((await take(same, 1))[0])["event"] == "head"
        for missed in (told.identity(1), Broadcast().identity(2), "nonsense"):
            behind = frames(told, "c", last_event_id=missed)
            _, frame = await take(behind, 2)
            assert fields(frame) == {"id": told.identity(2), "event": "resync", "data": "{}"}

    run(work())


def test_a_listener_that_is_too_slow_is_told_to_look_again() -> None:
    async def work() -> None:
        told = Broadcast()
        source = frames(told, "c", chosen=frozenset({"epoch"}))
        await take(source, 1)
        pending = asyncio.ensure_future(take(source, 1))
        await asyncio.sleep(0)
        for number in range(QUEUE_MAX + 2):
            told.publish("head", {"block": number})
        told.publish("epoch", {"epoch": 1})
        # `resync` comes although only epochs were asked for, and what follows it is complete
        assert fields((await pending)[0])["event"] == "resync"
        assert fields((await take(source, 1))[0])["event"] == "epoch"

    run(work())


def test_silence_is_filled_with_comments_and_no_message_is_lost_in_it() -> None:
    async def work() -> None:
        told = Broadcast()
        source = frames(told, "c", keep_alive_s=0.001)
        assert (await take(source, 3))[1:] == [": still here\n\n"] * 2
        told.publish("head", {"block": 7})
        while (frame := (await take(source, 1))[0]).startswith(":"):
            pass
        assert fields(frame)["data"] == '{"block":7}'

    run(work())


def test_listeners_are_limited_for_each_client_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        told = Broadcast()
        open_ones = [frames(told, "greedy") for _ in range(CLIENT_LISTENERS_MAX)]
        for source in open_ones:
            await take(source, 1)
        assert not told.has_room("greedy")
        assert [frame async for frame in frames(told, "greedy")] == []
        assert told.has_room("other")
        monkeypatch.setattr(stream, "LISTENERS_MAX", CLIENT_LISTENERS_MAX)
        assert not told.has_room("other")
        await open_ones[0].aclose()  # type: ignore[attr-defined]
        assert told.has_room("greedy")
        told.close()
        assert [frame async for frame in open_ones[1]] == []

    run(work())


def test_the_route_streams_until_the_reader_goes_and_refuses_when_full(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commonworks.explorer.app import build_app

    app = build_app(site)

    async def ask(until: str) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        gone = asyncio.Event()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            body = message.get("body", b"").decode()
            if "welcome" in body:
                site.broadcast.publish("epoch", {"epoch": 1})
            if until in body:
                gone.set()

        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET",
            "http_version": "1.1", "path": "/api/v1/stream", "raw_path": b"/api/v1/stream",
            "query_string": b"kinds=epoch", "headers": [(b"host", b"127.0.0.1")],
            "client": ("192.0.2.1", 5), "server": ("127.0.0.1", 80), "scheme": "http",
            "root_path": "", "state": {},
        }  # fmt: skip
        await app(scope, receive, send)
        return sent

    sent = run(ask("event: epoch"))
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 200
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-store"
    assert site.broadcast.listeners == 0
    monkeypatch.setattr(stream, "CLIENT_LISTENERS_MAX", 0)
    assert run(ask("too many"))[0]["status"] == 503


# --- runs of anchors ------------------------------------------------------------------------------

GATES = (digest(71), digest(72))


def anchor_row(block: int, gate: int = 0) -> dict[str, Any]:
    """Return the row of an anchor: a log as large as its block's number times 7."""
    return event_row(
        block, kind="anchored", time=block, log_id=GATES[gate], detail={"size": 7 * block}
    )


def lines(
    site: Site, wanted: Wanted | None = None, limit: int = 50, cursor: str | None = None
) -> Any:
    """Return a page of lines."""
    with site.engine.connect() as connection:
        return diary(connection, site, wanted or Wanted(), limit=limit, cursor=cursor)


def words(line: Any) -> str:
    """Return what a line says."""
    return "".join(part.text for part in line.parts)


def test_anchors_of_one_gateway_with_nothing_between_are_one_line(site: Site) -> None:
    fill(
        site.engine, schema.chain_event,
        anchor_row(1), anchor_row(2), event_row(3, account=ANNA, asset=TOKEN, amount=1),
        anchor_row(4), anchor_row(5, 1), anchor_row(6), anchor_row(7, 1), anchor_row(264),
    )  # fmt: skip
    page = lines(site)
    assert [(one.block, one.count) for one in page.items] == [(264, 3), (7, 2), (3, 1), (2, 2)]
    assert words(page.items[0]).endswith(
        "anchored its log on chain 3 times, up to 1,848 statements."
    )
    assert page.items[0].time == 264
    assert page.next is None
    text = client(site).get("/activity").text
    assert text.count("its log on chain") == 3
    assert 'data-key="264-0" data-count="3"' in text
    # the API tells each of them
    assert len(client(site).get("/api/v1/activity").json()["items"]) == 8


def test_a_run_leads_to_each_of_its_anchors(site: Site) -> None:
    fill(site.engine, schema.chain_event, *(anchor_row(n) for n in range(1, 6)))
    fill(site.engine, schema.chain_event, event_row(6, account=ANNA), anchor_row(7))
    [_, _, run] = lines(site).items
    assert run.count == 5
    page = client(site).get(run.each).text
    assert [f'data-key="{n}-0"' in page for n in range(1, 8)] == [True] * 5 + [False] * 2
    assert "times" not in page.partition("<main")[2].partition("</main>")[0]


def test_an_only_kind_that_is_asked_for_is_not_folded(site: Site) -> None:
    fill(site.engine, schema.chain_event, *(anchor_row(n) for n in range(1, 6)))
    page = lines(site, Wanted(kind="anchored"))
    assert [(one.block, one.count) for one in page.items] == [(n, 1) for n in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_lines_of_all_pages_hold_each_event_once(site: Site, limit: int) -> None:
    """More anchors than one page reads, two gateways in turn, other events between."""
    rows = [
        event_row(n, account=ANNA) if n % 97 == 0 else anchor_row(n, n % 2)
        for n in range(1, 2 * ROWS_MAX + 50)
    ]
    fill(site.engine, schema.chain_event, *rows)
    seen: list[int] = []
    tops, cursor = [], None
    while True:
        page = lines(site, limit=limit, cursor=cursor)
        assert 0 < len(page.items) <= limit
        seen += [one.count for one in page.items]
        tops += [one.block for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert sum(seen) == len(rows)
    assert len(set(tops)) == len(tops)
    others = [row["block"] for row in rows if row["kind"] != "anchored"]
    assert sorted(set(tops) & set(others)) == others


def test_the_overview_is_not_full_of_anchors(site: Site) -> None:
    fill(site.engine, schema.chain_event, event_row(1, account=ANNA, asset=TOKEN, amount=1))
    fill(site.engine, schema.chain_event, *(anchor_row(n) for n in range(2, 60)))
    text = client(site).get("/").text
    assert "anchored its log on chain 58 times" in text
    assert 'data-key="1-0"' in text

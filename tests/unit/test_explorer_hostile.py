"""The explorer against people who mean harm: what they send, log, register and propose."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import explorer_kit as kit
from commonworks.chain.abi import contract
from commonworks.chain.decisions import RawCall, decode_decision, spell
from commonworks.chain.members import ClaimableRoot
from commonworks.chain.plan import Deployment
from commonworks.crypto.keys import Algorithm, PrivateKey
from commonworks.errors import Conflict, Corrupt, InvalidInput, Unavailable
from commonworks.events import Closed, GatewayRegistered, Position, Range
from commonworks.explorer.alerts.delivery import Outcome, Reach, check_url
from commonworks.explorer.alerts.desk import AlertDesk
from commonworks.explorer.alerts.rules import Channel, Kind
from commonworks.explorer.alerts.store import TESTS_MAX, AlertStore, Baseline, Message
from commonworks.explorer.alerts.worker import AlertWorker
from commonworks.explorer.index.logs import LogReader
from commonworks.explorer.sessions import Door, Session
from commonworks.explorer.web.i18n import Languages
from commonworks.explorer.web.nesting import DEPTH_MAX, Nesting
from commonworks.explorer.web.turns import ALL_MAX, LOG_MAX, Turns
from commonworks.model import Total
from commonworks.settlement.epochs import ChainView
from commonworks.translog.notes import Checkpoint, note_key, sign_checkpoint
from commonworks.translog.tiles import (
    CHECKPOINT_PATH,
    HashReader,
    bundles_for,
    decode_entries,
    tiles_for,
)
from commonworks.translog.tree import leaf_hash
from commonworks.transport import server
from commonworks.wiring.backup import back_up
from commonworks.wiring.evidence import open_evidence
from commonworks.wiring.explorer.alerting import alert_desk
from commonworks.wiring.explorer.claimable import ClaimablePayouts
from commonworks.wiring.explorer.desk import _shown as titled
from commonworks.wiring.explorer.spelling import DECISION_MAX, Speller
from commonworks.wiring.home import Home

JSON = {"content-type": "application/json"}


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bracket", [b"[", b'{"a":', b'{"a":[', b'["\\"[",['])
def test_a_body_of_brackets_is_refused_before_it_is_read(bracket: bytes) -> None:
    browser = kit.client(kit.make_site())
    body = (bracket * 130_000)[:130_000]
    answer = browser.post("/api/v1/session/message", content=body, headers=JSON)
    assert answer.status_code == 400
    assert "nested" in answer.json()["detail"]


def test_another_encoding_hides_no_brackets() -> None:
    """Code point 0x2261 has the byte of a quote: whoever counts bytes would take it for a text."""
    body = ('["≡",' + "[" * 20_000).encode("utf-16-le")
    answer = kit.client(kit.make_site()).post("/api/v1/session", content=body, headers=JSON)
    assert answer.status_code == 400


def test_brackets_in_texts_and_pieces_of_any_size_are_fine() -> None:
    deep = json.dumps({"a": ["[" * 500, '\\"{', {"\\": "}]]"}]}).encode()
    for size in (1, 2, 3, 7, len(deep)):
        nesting = Nesting()
        assert all(nesting.fits(deep[at : at + size]) for at in range(0, len(deep), size))
    for size in (1, 5):
        nesting, body = Nesting(), b'{"\\\\":' * (DEPTH_MAX + 1)
        assert not all(nesting.fits(body[at : at + size]) for at in range(0, len(body), size))


def test_nothing_is_served_with_a_recursion_that_the_stack_cannot_hold() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("nobody asks")

    async def limit() -> int:
        async with server.serve(app):
            return sys.getrecursionlimit()

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        assert asyncio.run(limit()) <= server.RECURSION_MAX
    finally:
        sys.setrecursionlimit(before)


# --- proposals ------------------------------------------------------------------------------------


GOVERNOR = kit.account(0x56)


def deployment() -> Deployment:
    """Return a deployment as far as words for calls need it."""
    government = SimpleNamespace(
        governor=GOVERNOR, timelock=kit.account(2), guardian=kit.account(3), membership=None
    )
    fields = SimpleNamespace(
        watched={}, currency=kit.account(4), token=kit.account(5), government=government
    )
    return cast(Deployment, fields)


def bomb(pointers: int, length: int) -> bytes:
    """Return arguments of a call in which many pointers share one run of bytes."""

    def word(value: int) -> bytes:
        return value.to_bytes(32, "big")

    head = word(128) + word(160) + word(192) + bytes(32) + word(0) + word(0)
    shared = word(32 * pointers) * pointers + word(length) + bytes(length)
    return contract("CommonsGovernor")["execute"].selector + head + word(pointers) + shared


def test_a_call_whose_pointers_share_bytes_stays_raw() -> None:
    call = RawCall(to=GOVERNOR, value_wei=0, data=bomb(500, 16_000))
    assert decode_decision(deployment(), call) == call
    assert len(spell(deployment(), call)) < 3 * len(call.data)  # 8 MB if it were unfolded


def test_what_a_proposal_does_is_said_briefly() -> None:
    speller = Speller(
        deployment=deployment(), token_symbol="CWT", currency_code="EUR", currency_decimals=6
    )
    call = RawCall(to=kit.account(9), value_wei=0, data=bytes(1_500_000))
    assert len(speller.decision(call, lambda key, value: "")) <= DECISION_MAX


# --- claims ---------------------------------------------------------------------------------------


def test_claims_cost_one_look_at_a_settlement() -> None:
    """Reading one locks the archive that the index waits for: nobody may do so at will."""
    asked: list[int] = []

    class Archive(kit.Told):
        async def settlement(self, epoch: int) -> Any:
            asked.append(epoch)
            if epoch == 6:
                raise Unavailable("its evidence is away")
            totals = [
                Total(asset=kit.account(1), account=kit.account(n), earned=n, spent=0)
                for n in range(2, 40)
            ]
            return SimpleNamespace(payouts=tuple(totals))

    async def ask() -> None:
        payouts = ClaimablePayouts(Archive())
        for _ in range(5):
            found = await payouts.at(ClaimableRoot(epoch=5, root=kit.digest(5)))
            assert found is not None
            leaf = found.leaf(kit.account(1), kit.account(7))
            assert leaf is not None
            assert len(found.siblings(leaf)) in (5, 6)
            assert found.leaf(kit.account(1), kit.account(1)) is None
        for _ in range(5):
            with pytest.raises(Unavailable):
                await payouts.at(ClaimableRoot(epoch=6, root=kit.digest(6)))

    asyncio.run(ask())
    assert asked == [5, 6]


# --- logs -----------------------------------------------------------------------------------------


def test_a_bundle_of_nothing_is_not_counted_to_its_end() -> None:
    with pytest.raises(Corrupt) as told:
        decode_entries(bytes(2_000_000), 3)
    assert told.value.fields["got"] == 4


class Served:
    """A log's resources, as its gateway made them."""

    def __init__(self, entries: Sequence[bytes], key: PrivateKey) -> None:
        leaves = [leaf_hash(entry) for entry in entries]
        files: dict[str, bytes] = {}
        files |= tiles_for(0, leaves, files.get)
        files |= bundles_for(0, entries, files.get)
        root = HashReader(files.get, len(entries)).frontier().root()
        note = Checkpoint(origin="log", size=len(entries), root=root)
        self.files = {**files, CHECKPOINT_PATH: sign_checkpoint(note, key)}

    async def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    async def read_sealed(self, path: str) -> bytes | None:
        return None


def test_a_log_of_the_largest_entries_comes_in_small_portions() -> None:
    key = PrivateKey.from_seed(Algorithm.EDDSA, bytes(32))
    entries = [number.to_bytes(2, "big") + bytes(65_000) for number in range(600)]
    log = Served(entries, key)

    async def read() -> list[int]:
        reader = LogReader(log, note_key("log", key.public.raw))
        stated = await reader.checkpoint()
        assert stated is not None
        found: list[tuple[int, bytes]] = []
        sizes = []
        while len(found) < len(entries):
            part = await reader.read(len(found), len(entries), stated)
            sizes.append(len(part))
            found += part
        assert [raw for _, raw in found] == entries
        return sizes

    assert asyncio.run(read()) == [256, 256, 88]


def test_a_log_that_hangs_holds_only_some_of_its_own_readers() -> None:
    """Each reader holds a connection to the index: all of them must never wait for one gateway."""

    async def ask() -> None:
        turns, begun, over = Turns(wait_max_s=30), asyncio.Semaphore(0), asyncio.Event()

        async def read(log: int) -> None:
            async with turns.reading(kit.digest(log)):
                begun.release()
                await over.wait()

        first = [asyncio.create_task(read(1)) for _ in range(LOG_MAX)]
        for _ in first:
            await begun.acquire()
        with pytest.raises(Unavailable):
            await read(1)
        others = [asyncio.create_task(read(2 + place // 3)) for place in range(ALL_MAX - LOG_MAX)]
        for _ in others:
            await begun.acquire()
        with pytest.raises(Unavailable):
            await read(99)
        over.set()
        await asyncio.gather(*first, *others)
        await read(1)
        slow = Turns(wait_max_s=0)
        with pytest.raises(Unavailable, match="too long"):
            async with slow.reading(kit.digest(1)):
                await asyncio.Event().wait()

    asyncio.run(ask())


# --- gateways that anybody registers --------------------------------------------------------------


def registered(number: int, **hostile: str) -> GatewayRegistered:
    key = PrivateKey.from_seed(Algorithm.EDDSA, bytes([number]) * 32).public
    names = {"name": f"gateway {number}", "origin": f"log{number}", "endpoint": "http://h/"}
    return GatewayRegistered(
        at=Position(block=number, time=1, index=0, tx=kit.digest(number)),
        operator=kit.account(number),
        log_id=kit.digest(number),
        note_key=key.raw,
        receipt_key=bytes(64),
        **{**names, **hostile},
    )


def test_nobody_can_keep_others_from_recomputing_by_registering_a_gateway(tmp_path: Path) -> None:
    view = ChainView()
    closed = Closed(
        at=Position(block=9, time=9, index=0, tx=kit.digest(9)),
        epoch=0,
        evidence_hash=bytes(32),
        ranges=(Range(log_id=kit.digest(1), first=0, size=1, root=kit.digest(1)),),
    )
    hostile = [
        registered(2, endpoint="nowhere"), registered(3, endpoint="/etc"),
        registered(4, origin="no key + name"), registered(5, name="../../x\0", endpoint=""),
    ]  # fmt: skip
    view.extend([registered(1), *hostile, closed])
    session: Any = SimpleNamespace(
        home=Home(path=tmp_path), network=kit.network(), resources={}, rules_hash=bytes(32),
        clock=kit.FixedClock(),
    )  # fmt: skip
    transport: Any = None
    source = asyncio.run(open_evidence(session, view, transport, places={}, reader=None))
    assert list(source.logs) == [kit.digest(1)]


# --- alerts ---------------------------------------------------------------------------------------


def subscribe(store: AlertStore, number: int) -> str:
    return store.add(
        account=kit.account(number),
        channel=Channel.WEBHOOK,
        target="https://example.org/x",
        kinds=frozenset(Kind),
        silent_after_s=3_600,
        language="en",
        baseline=Baseline(now_s=0, settled=-1, claimable=-1),
        wall_s=1_800_000_000,
    ).ident


def test_strangers_cannot_fill_the_file_of_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commonworks.explorer.alerts.store.ALL_MAX", 3)
    store = AlertStore(tmp_path / "alerts.sqlite")
    idents = [subscribe(store, number) for number in range(3)]
    with pytest.raises(Unavailable):
        subscribe(store, 4)
    for _ in range(TESTS_MAX):
        store.queue_test(idents[0], 1_800_000_000)
    with pytest.raises(Conflict, match="tested"):
        store.queue_test(idents[0], 1_800_000_001)
    store.queue_test(idents[0], 1_800_000_000 + 2 * kit.DAY)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.%31/", "https://127.0.0.1;x/", "https://a\\b/", "https://localhost%00/",
        "https://a_b..c/", "https://[fec0::1]/",
    ],
)  # fmt: skip
def test_a_webhook_names_one_host_to_every_reader(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url, Reach())


@pytest.mark.parametrize("here", [True, False])
def test_only_who_is_on_this_machine_may_call_its_own_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    monkeypatch.setattr(Home, "is_demo", lambda _: True)
    desk = alert_desk(Home(path=tmp_path), listens_at="http://x", only_here=here)
    assert desk.reach.loopback is here


def test_a_message_that_cannot_be_made_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AlertStore(tmp_path / "alerts.sqlite")
    wall = 1_800_000_000
    desk = AlertDesk(
        store=store, mail=None, reach=Reach(), public_url="http://x", wall=lambda: wall
    )
    first, second = subscribe(store, 1), subscribe(store, 2)
    broken = store.queue_test(first, wall)
    fine = store.queue_test(second, wall)
    site = kit.make_site()
    worker = AlertWorker(site, desk, Languages(site.resources), lambda: None)

    async def attempt(message: Message) -> Outcome:
        if message.ident == broken:
            raise ValueError("a header may not contain a line feed")
        return Outcome(sent=True)

    monkeypatch.setattr(worker, "attempt", attempt)
    assert asyncio.run(worker.send()) == 1
    assert store.is_sent(fine)
    assert not store.is_sent(broken)


# --- words, sessions, files -----------------------------------------------------------------------


def test_a_title_is_one_line_where_somebody_signs() -> None:
    shown = titled("Vote”\r\n\u202e for " + "x" * 1_000_000)
    assert len(shown) <= 80
    assert shown.isprintable()


def test_whoever_goes_can_go_however_many_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commonworks.explorer.sessions.USED_MAX", 3)
    door = Door(now=lambda: 1_000)
    for _ in range(3):
        door.take(door.nonce())
    with pytest.raises(Unavailable):
        door.take(door.nonce())
    session = Session(account=kit.account(1), expires_at=2_000, token=bytes(8))
    assert not door.ended(session)
    door.end(session)
    assert door.ended(session)


def test_a_backup_is_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Home, "exists", lambda _: True)
    home = Home(path=tmp_path / "net")
    (home.path / "explorer").mkdir(parents=True)
    (home.path / "explorer" / "smtp-url").write_text("smtp://user:password@host")
    target = tmp_path / "backup.tar.gz"
    back_up(home, target, lambda *_: None)
    assert target.stat().st_mode & 0o777 == 0o600

"""Alerts: what is due, once each; delivery by real SMTP and HTTP servers of this test."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from fastapi import Request, Response

import explorer_kit as kit
from commonworks.errors import Conflict, InvalidInput, NotFound, Unavailable
from commonworks.explorer.alerts import delivery
from commonworks.explorer.alerts.delivery import (
    Reach,
    Tls,
    check_address,
    check_url,
    parse_smtp_url,
)
from commonworks.explorer.alerts.desk import CONFIRM, UNSUBSCRIBE, AlertDesk
from commonworks.explorer.alerts.rules import (
    Alert,
    Ballot,
    Channel,
    Due,
    Earning,
    Facts,
    Kind,
    Life,
    Rejection,
    Subscription,
    due,
)
from commonworks.explorer.alerts.store import (
    CONFIRMATIONS_MAX,
    MESSAGES_MAX,
    AlertStore,
    Baseline,
    message_id,
)
from commonworks.explorer.alerts.texts import compose
from commonworks.explorer.alerts.worker import AlertWorker
from commonworks.explorer.index import schema
from commonworks.explorer.ports import Claimable
from commonworks.explorer.sessions import Session, keep
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import Languages
from commonworks.ports import Head

HOUR = 3_600
NOW = kit.GENESIS + 10 * kit.DAY
ADA = kit.account(0xADA)
WALL = 1_800_000_000


def subscription(**changes: Any) -> Subscription:
    fields: dict[str, Any] = {
        "ident": "ab" * 16,
        "account": ADA,
        "channel": Channel.EMAIL,
        "target": "ada@example.org",
        "kinds": frozenset(Kind),
        "silent_after_s": 6 * HOUR,
        "language": "en",
        "in_force": True,
        "since_s": NOW - kit.DAY,
        "epochs_seen": 3,
        "payouts_seen": 2,
    }
    return Subscription(**{**fields, **changes})


def facts(**changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "now_s": NOW,
        "settled": 3,
        "claimable": 2,
        "lives": (),
        "rejections": (),
        "earnings": (),
        "ballots": (),
    }
    return Facts(**{**fields, **changes})


# --- rules ----------------------------------------------------------------------------------------


def test_a_silent_device_is_told_once_for_one_silence() -> None:
    def life(heard_at: int, *, fresh: bool = False) -> Life:
        return Life(device=7, label="roof", heard_at=heard_at, fresh=fresh)

    wish = subscription()
    assert not due(wish, facts(lives=[life(NOW - 6 * HOUR + 1)])).alerts
    (alert,) = due(wish, facts(lives=[life(NOW - 6 * HOUR)])).alerts
    assert alert.key == f"silent:7:{NOW - 6 * HOUR}"
    (later,) = due(wish, facts(now_s=NOW + kit.DAY, lives=[life(NOW - 6 * HOUR)])).alerts
    assert later.key == alert.key
    (again,) = due(wish, facts(now_s=NOW + kit.DAY, lives=[life(NOW)])).alerts
    assert again.key != alert.key
    assert not due(wish, facts(lives=[life(NOW - 7 * HOUR, fresh=True)])).alerts


def test_a_silence_that_was_due_before_the_subscription_is_history() -> None:
    old = Life(device=7, label=None, heard_at=NOW - 2 * kit.DAY, fresh=False)
    assert not due(subscription(), facts(lives=[old])).alerts


def test_rejections_are_grouped_by_epoch_and_reason() -> None:
    def rejection(epoch: int, device: int, reason: str, count: int) -> Rejection:
        return Rejection(epoch=epoch, device=device, label=None, reason=reason, count=count)

    rows = [
        rejection(3, 1, "too_late", 9),
        rejection(4, 1, "too_late", 2),
        rejection(4, 2, "too_late", 3),
        rejection(4, 2, "bad_schema", 5),
        rejection(5, 2, "bad_schema", 7),
    ]
    found = due(subscription(), facts(settled=5, rejections=rows))
    assert [alert.key for alert in found.alerts] == ["rejected:4", "rejected:5"]
    data = found.alerts[0].data
    assert data["count"] == 10
    assert [(one["reason"], one["count"]) for one in data["reasons"]] == [
        ("bad_schema", 5),
        ("too_late", 5),
    ]
    assert [one["device"] for one in data["reasons"][1]["devices"]] == [1, 2]
    assert found.epochs_seen == 5


def test_a_payout_is_told_when_it_can_be_claimed() -> None:
    earned = [Earning(asset=kit.account(0xE0), amount=11), Earning(asset=kit.account(1), amount=7)]
    assert not due(subscription(), facts(earnings=earned)).alerts
    found = due(subscription(), facts(claimable=4, earnings=earned))
    (alert,) = found.alerts
    assert alert.key == "payout:4"
    assert [one["amount"] for one in alert.data["earned"]] == ["7", "11"]
    assert found.payouts_seen == 4
    assert not due(subscription(), facts(claimable=4)).alerts


def test_a_vote_is_told_when_it_begins_and_again_before_it_ends() -> None:
    start = NOW - HOUR
    ballot = Ballot(
        number=5, title="Raise it", start_s=start, end_s=start + 7 * kit.DAY, canceled=False,
        voted=False,
    )  # fmt: skip
    wish = subscription()
    assert [a.key for a in due(wish, facts(ballots=[ballot])).alerts] == ["vote:5:open"]
    assert not due(wish, facts(now_s=start - 1, ballots=[ballot])).alerts
    soon = facts(now_s=ballot.end_s - kit.DAY, ballots=[ballot])
    assert [a.key for a in due(wish, soon).alerts] == ["vote:5:ending"]
    for over in (replace(ballot, voted=True), replace(ballot, canceled=True)):
        assert not due(wish, facts(ballots=[over])).alerts
    assert not due(wish, facts(now_s=ballot.end_s, ballots=[ballot])).alerts
    late = subscription(since_s=start)
    assert not due(late, facts(ballots=[ballot])).alerts, "it was open before"
    assert due(late, soon).alerts, "its end is news"


def test_a_kind_not_wished_for_is_looked_at_all_the_same() -> None:
    row = Rejection(epoch=9, device=1, label=None, reason="too_late", count=1)
    quiet = subscription(kinds=frozenset({Kind.VOTE}))
    found = due(quiet, facts(settled=9, claimable=8, rejections=[row]))
    assert (found.alerts, found.epochs_seen, found.payouts_seen) == ((), 9, 8)


# --- store ----------------------------------------------------------------------------------------

START = Baseline(now_s=NOW, settled=3, claimable=2)


def add(store: AlertStore, **changes: Any) -> Subscription:
    fields: dict[str, Any] = {
        "account": ADA,
        "channel": Channel.EMAIL,
        "target": "ada@example.org",
        "kinds": frozenset(Kind),
        "silent_after_s": HOUR,
        "language": "en",
        "baseline": START,
        "wall_s": WALL,
    }
    return store.add(**{**fields, **changes})


@pytest.fixture
def store(tmp_path: Path) -> AlertStore:
    return AlertStore(tmp_path / "explorer" / "alerts.sqlite")


def test_the_file_is_for_its_owner_only(store: AlertStore, tmp_path: Path) -> None:
    assert (tmp_path / "explorer" / "alerts.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_cause_is_queued_once_through_restarts(store: AlertStore, tmp_path: Path) -> None:
    one = add(store, channel=Channel.WEBHOOK, target="https://example.org/x")
    found = Due(
        alerts=(Alert(kind="payout", key="payout:4", data={}),), epochs_seen=5, payouts_seen=4
    )
    assert store.note(one, found, WALL) == 1
    again = AlertStore(tmp_path / "explorer" / "alerts.sqlite")
    assert again.note(again.get(one.ident), found, WALL) == 0
    kept = again.get(one.ident)
    assert (kept.epochs_seen, kept.payouts_seen) == (5, 4)
    (message,) = again.due_messages(WALL, 10)
    assert message.ident == message_id(one.ident, "payout:4")


def test_history_ends_when_the_address_agrees(store: AlertStore) -> None:
    one = add(store)
    assert not one.in_force
    assert store.in_force() == []
    later = Baseline(now_s=NOW + 5, settled=8, claimable=7)
    confirmed = store.confirm(one.ident, later, WALL + 5)
    assert (confirmed.in_force, confirmed.since_s, confirmed.epochs_seen) == (True, NOW + 5, 8)
    again = store.confirm(one.ident, Baseline(now_s=NOW + 9, settled=9, claimable=9), WALL + 9)
    assert again == confirmed


def test_a_mailbox_is_not_filled(store: AlertStore) -> None:
    for number in range(CONFIRMATIONS_MAX):
        add(store, account=kit.account(number))
    with pytest.raises(Unavailable, match="several times today"):
        add(store, account=kit.account(99))
    add(store, account=kit.account(99), wall_s=WALL + kit.DAY + 1)
    with pytest.raises(Conflict, match="there already"):
        add(store, account=kit.account(99), wall_s=WALL + kit.DAY + 2)


def test_an_address_gets_so_many_messages_a_day(store: AlertStore) -> None:
    one = add(store, channel=Channel.WEBHOOK, target="https://example.org/x")
    alerts = tuple(Alert(kind="payout", key=f"payout:{n}", data={}) for n in range(30))
    store.note(one, Due(alerts=alerts, epochs_seen=3, payouts_seen=2), WALL)
    first = store.due_messages(WALL, 100)
    assert len(first) == MESSAGES_MAX
    for message in first:
        store.sent(message.ident, WALL)
    assert store.due_messages(WALL + HOUR, 100) == []
    assert len(store.due_messages(WALL + kit.DAY, 100)) == 30 - MESSAGES_MAX


def test_a_link_acts_for_one_purpose_and_subscription(store: AlertStore) -> None:
    one = add(store)
    token = store.token(CONFIRM, one.ident)
    assert store.ident_of(CONFIRM, token) == one.ident
    for false in (token[:-1] + "x", "", "é.é", f"{'0' * 32}.{token.partition('.')[2]}"):
        with pytest.raises(InvalidInput):
            store.ident_of(CONFIRM, false)
    with pytest.raises(InvalidInput):
        store.ident_of(UNSUBSCRIBE, token)


def test_what_ended_is_forgotten(store: AlertStore) -> None:
    one = add(store)
    assert store.remove(one.ident)
    assert not store.remove(one.ident)
    assert store.due_messages(WALL, 10) == []
    with pytest.raises(NotFound):
        store.get(one.ident)


# --- where webhooks may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",
     "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
     "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "198.18.0.1",
     "192.0.2.1", "2001:db8::1"],
)  # fmt: skip
def test_addresses_inside_are_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="no public address"):
        check_address(address, Reach())


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_let_through(address: str) -> None:
    check_address(address, Reach())


def test_an_operator_may_allow_its_own_networks() -> None:
    for address in ("10.1.2.3", "127.0.0.1", "fc00::1"):
        check_address(address, Reach(private=True))
    check_address("127.0.0.1", Reach(loopback=True))
    for address in ("169.254.169.254", "0.0.0.0", "224.0.0.1"):
        with pytest.raises(InvalidInput):
            check_address(address, Reach(private=True))
    with pytest.raises(InvalidInput):
        check_address("10.1.2.3", Reach(loopback=True))


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x", "https://127.0.0.1/x", "https://localhost/x", "ftp://example.org",
     "https://u:p@example.org/", "https://2130706433/", "https://0x7f.1/", "https://127.1/",
     "https://example.org/#x", "https://", "https://exa mple.org", "https://[::1]/", "x" * 600],
)  # fmt: skip
def test_urls_that_no_webhook_has(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url, Reach())


def test_urls_of_webhooks() -> None:
    check_url("https://hooks.example.org:8443/a?b=c", Reach())
    check_url("http://127.0.0.1:8080/x", Reach(loopback=True))
    with pytest.raises(InvalidInput):
        check_url("http://example.org/x", Reach(loopback=True, private=True))


# --- settings -------------------------------------------------------------------------------------


def test_smtp_settings() -> None:
    made = parse_smtp_url("smtp://ada:s%40crt@mail.example.org?from=alerts@example.org")
    assert (made.host, made.port, made.username, made.password) == (
        "mail.example.org", 587, "ada", "s@crt",
    )  # fmt: skip
    assert made.tls is Tls.STARTTLS
    assert "s@crt" not in repr(made)
    assert parse_smtp_url("smtps://mail.example.org?from=a@example.org").port == 465


@pytest.mark.parametrize(
    "text",
    ["http://x?from=a@b", "smtp://x", "smtp://x?from=nobody", "smtp://x?from=a@b.org&tls=maybe",
     "smtp://u:topsecret@x?from=a@b.org&tls=none", "smtp://x:99999?from=a@b.org", "smtp://[x"],
)  # fmt: skip
def test_smtp_settings_that_cannot_be(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_smtp_url(text)
    assert "topsecret" not in str(caught.value)


# --- delivery -------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    """What a mail server of this test took."""

    letters: list[EmailMessage] = field(default_factory=list)
    answer: str = "250 taken"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("250"):
            parsed = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(parsed, EmailMessage)
            self.letters.append(parsed)
        return self.answer


@contextmanager
def mail_server(box: Mailbox) -> Iterator[delivery.MailSettings]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield parse_smtp_url(f"smtp://127.0.0.1:{port}?from=alerts@example.org&tls=none")
    finally:
        controller.stop()


@dataclass
class Hook:
    """What a webhook of this test was called with."""

    url: str = ""
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204


@contextmanager
def webhook(hook: Hook) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.calls.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(hook.status)
            if hook.status == 302:
                self.send_header("location", "http://169.254.169.254/")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        hook.url = f"http://127.0.0.1:{server.server_address[1]}/alerts"
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Wall:
    """Real time as a test sets it."""

    time_s: int = WALL

    def __call__(self) -> int:
        return self.time_s


@dataclass
class World:
    """An explorer with alerts over an index in memory."""

    site: Site
    desk: AlertDesk
    worker: AlertWorker
    told: kit.Told
    clock: kit.FixedClock
    wall: Wall
    block: list[int]
    """Number of the chain's newest block; 0: it does not answer."""


def gateway() -> dict[str, object]:
    return {
        "log_id": kit.digest(0x10), "operator": kit.account(2), "name": "gateway-1",
        "origin": "x", "endpoint": "http://127.0.0.1:1", "note_key": kit.digest(3),
        "receipt_key": bytes(64), "registered_at": kit.GENESIS, "registered_tx": kit.digest(4),
    }  # fmt: skip


def world(tmp_path: Path, mail: delivery.MailSettings | None = None, **changes: Any) -> World:
    told, clock, wall = kit.Told(), kit.FixedClock(time_s=NOW), Wall()
    desk = AlertDesk(
        store=AlertStore(tmp_path / "alerts.sqlite"),
        mail=mail,
        reach=Reach(loopback=True),
        public_url="https://explorer.example.org",
        wall=wall,
    )
    site = kit.make_site(told, clock=clock, alerts=desk, **changes)
    kit.fill(site.engine, schema.cursor, {"name": "block", "value": 100})
    kit.fill(site.engine, schema.cursor, {"name": f"log:{kit.digest(0x10).hex()}", "value": 99})
    kit.fill(site.engine, schema.gateway, gateway())
    block = [100]
    worker = AlertWorker(
        site,
        desk,
        Languages(site.resources),
        lambda: Head(block=block[0], time=clock.now()) if block[0] else None,
    )
    return World(
        site=site, desk=desk, worker=worker, told=told, clock=clock, wall=wall, block=block
    )


def subscribe(there: World, channel: Channel, target: str, *kinds: Kind, **changes: Any) -> str:
    fields: dict[str, Any] = {
        "account": ADA,
        "channel": channel,
        "target": target,
        "kinds": frozenset(kinds or Kind),
        "silent_after_s": 6 * HOUR,
        "language": "en",
        "baseline": Baseline(now_s=there.clock.now(), settled=-1, claimable=-1),
    }
    return there.desk.subscribe(**{**fields, **changes}).ident


def device(number: int, **changes: Any) -> dict[str, object]:
    return {
        "device": number,
        "owner": ADA,
        "thumbprint": kit.digest(number),
        "algorithm": -8,
        "public_key": bytes(32),
        "resource": "energy",
        "cell": None,
        "enroller": ADA,
        "enrolled_at": kit.GENESIS,
        "enrolled_tx": kit.digest(1),
        "reference": False,
        "statements": 0,
        "rejected": 0,
        "last_judged_epoch": None,
        **changes,
    }


def statement(position: int, number: int, **changes: Any) -> dict[str, object]:
    return {
        "log_id": kit.digest(0x10),
        "position": position,
        "identity": kit.digest(1_000 + position),
        "kind": "report",
        "kid": kit.digest(number),
        "device": number,
        "resource": "energy",
        "said_at": None,
        "sealed": True,
        "leaf": kit.digest(2_000 + position),
        "bytes": 100,
        "epoch": None,
        "outcome": None,
        "reason": None,
        **changes,
    }


def anchor(size: int, time_s: int) -> dict[str, object]:
    return {
        "log_id": kit.digest(0x10), "size": size, "root": kit.digest(size), "time": time_s,
        "tx": kit.digest(2),
    }  # fmt: skip


def settled_epoch(number: int) -> dict[str, object]:
    zero = {column.name: None for column in schema.epoch.columns}
    return {
        **zero,
        "epoch": number,
        "start_s": 0,
        "end_s": 1,
        "closed_at": 1,
        "closed_block": 1,
        "closed_tx": kit.digest(1),
        "evidence_hash": kit.digest(1),
        "statements": 1,
    }


def step(there: World) -> int:
    return asyncio.run(there.worker.step())


def test_an_address_agrees_and_is_told_in_its_language(tmp_path: Path) -> None:
    box = Mailbox()
    with mail_server(box) as settings:
        there = world(tmp_path, settings, name="Evil\r\nBcc: x@example.org\u202e street")
        ident = subscribe(there, Channel.EMAIL, "ada@example.org")
        kit.fill(there.site.engine, schema.device, device(7))
        assert step(there) == 1, "the question and nothing else"
        link = f"/alerts/confirm?token={there.desk.store.token(CONFIRM, ident)}"
        assert link in box.letters[0].get_content()
        assert "List-Unsubscribe" not in box.letters[0]
        assert step(there) == 0

        browser = kit.client(there.site)
        page = browser.get(link)
        assert page.status_code == 200
        assert not there.desk.store.get(ident).in_force, "looking does not agree"
        agreed = browser.post("/alerts/confirm", data={"token": link.partition("=")[2]})
        assert agreed.status_code == 200
        assert there.desk.store.get(ident).in_force
        there.clock.time_s += 7 * HOUR
        assert step(there) == 0, "its silence began before the subscription"
        kit.fill(there.site.engine, schema.anchor, anchor(5, NOW + HOUR))
        kit.fill(there.site.engine, schema.statement, statement(4, 7))
        assert step(there) == 1
    letter = box.letters[1]
    assert letter["To"] == "ada@example.org"
    assert letter["Bcc"] is None
    assert "is silent" in str(letter["Subject"])
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    one_click = str(letter["List-Unsubscribe"]).strip("<>")
    assert one_click.startswith("https://explorer.example.org/alerts/unsubscribe?token=")
    assert one_click in letter.get_content()
    path = one_click.removeprefix("https://explorer.example.org")
    assert browser.get(path).status_code == 200
    assert there.desk.store.in_force(), "looking does not end it"
    assert browser.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not there.desk.store.in_force()


def test_a_webhook_is_signed_and_told_of_rejections_and_payouts(tmp_path: Path) -> None:
    with webhook(Hook()) as hook:
        there = world(tmp_path)
        ident = subscribe(there, Channel.WEBHOOK, hook.url)
        engine = there.site.engine
        kit.fill(engine, schema.device, device(7, last_judged_epoch=0))
        kit.fill(engine, schema.anchor, anchor(9, NOW))
        kit.fill(engine, schema.epoch, settled_epoch(0))
        kit.fill(
            engine,
            schema.statement,
            *(statement(n, 7, epoch=0, outcome="rejected", reason="too_late") for n in range(3)),
        )
        kit.fill(
            engine,
            schema.payout,
            {"asset": kit.account(0xE0), "account": ADA, "epoch": 0, "earned": 2_500_000,
             "spent": 0},
        )  # fmt: skip
        assert step(there) == 1
        there.told.root = Claimable(epoch=0, root=kit.digest(1))
        assert step(there) == 1
        assert step(there) == 0
        rejected, payout = (json.loads(body) for _, body in hook.calls)
    assert (rejected["type"], rejected["data"]["count"]) == ("rejected", 3)
    assert (payout["type"], payout["text"][0][-5:]) == ("payout", " now.")
    assert "2.50 tEUR" in payout["subject"]
    headers, body = hook.calls[0]
    assert headers["webhook-id"] == rejected["id"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.digest(there.desk.store.secret_of(ident), signed, "sha256")
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


def test_killed_between_sending_and_noting_it_sends_the_same_id_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def killed(*_: object) -> None:
        raise Killed

    with webhook(Hook()) as hook:
        there = world(tmp_path)
        ident = subscribe(there, Channel.WEBHOOK, hook.url)
        there.desk.store.queue_test(ident, WALL)
        with monkeypatch.context() as patched:
            patched.setattr(AlertStore, "sent", killed)
            with pytest.raises((Killed, BaseExceptionGroup)):
                step(there)
        assert step(there) == 1
        assert step(there) == 0
        first, second = ({**json.loads(body)} for _, body in hook.calls)
    assert first == second
    assert hook.calls[0][0]["webhook-id"] == hook.calls[1][0]["webhook-id"] == first["id"]


@pytest.mark.parametrize("status", [302, 500, 404])
def test_what_is_not_taken_is_tried_again_later_and_then_given_up(
    tmp_path: Path, status: int
) -> None:
    with webhook(Hook(status=status)) as hook:
        there = world(tmp_path)
        ident = subscribe(there, Channel.WEBHOOK, hook.url)
        there.desk.store.queue_test(ident, WALL)
        assert step(there) == 0
        assert step(there) == 0
        assert len(hook.calls) == 1, "not before its time"
        for wait_s in delivery.RETRIES_S:
            there.wall.time_s += wait_s
            assert step(there) == 0
        assert len(hook.calls) == 1 + len(delivery.RETRIES_S)
        there.wall.time_s += 30 * kit.DAY
        assert step(there) == 0
        assert len(hook.calls) == 1 + len(delivery.RETRIES_S)
        (standing,) = there.desk.store.standings(ADA)
        assert standing.trouble == f"the webhook answered {status}"


def test_gone_is_gone(tmp_path: Path) -> None:
    with webhook(Hook(status=410)) as hook:
        there = world(tmp_path)
        there.desk.store.queue_test(subscribe(there, Channel.WEBHOOK, hook.url), WALL)
        step(there)
        there.wall.time_s += kit.DAY
        step(there)
        assert len(hook.calls) == 1


def test_a_name_that_resolves_inside_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a name resolves to is examined, and nothing else is connected to."""

    @asynccontextmanager
    async def resolving() -> Any:
        loop = asyncio.get_running_loop()

        async def inside(*_: object, **__: object) -> Sequence[Any]:
            return [(2, 1, 6, "", ("169.254.169.254", 443))]

        monkeypatch.setattr(loop, "getaddrinfo", inside)
        yield

    there = world(tmp_path)
    ident = subscribe(there, Channel.WEBHOOK, "https://hooks.example.org/")
    there.desk.store.queue_test(ident, WALL)

    async def run() -> int:
        async with resolving():
            return await there.worker.step()

    assert asyncio.run(run()) == 0
    (standing,) = there.desk.store.standings(ADA)
    assert standing.trouble == "it cannot be reached from here"  # nor what it resolves to


def test_an_index_that_is_behind_tells_nothing(tmp_path: Path) -> None:
    with webhook(Hook()) as hook:
        there = world(tmp_path)
        engine = there.site.engine
        subscribe(there, Channel.WEBHOOK, hook.url, Kind.SILENT)
        kit.fill(engine, schema.device, device(7, enrolled_at=NOW))
        there.clock.time_s += 7 * HOUR
        for behind in (0, 500):
            there.block[0] = behind
            assert step(there) == 0, "the chain does not answer, or is far ahead of the index"
        there.block[0] = 100
        kit.fill(engine, schema.anchor, anchor(200, NOW))
        assert step(there) == 0, "the log was not read as far as the chain covers it"
        with engine.begin() as connection:
            where = schema.cursor.c.name.like("log:%")
            connection.execute(schema.cursor.update().where(where).values(value=200))
        assert step(there) == 1
        assert json.loads(hook.calls[0][1])["data"]["device"] == 7


def test_a_mail_server_that_refuses_is_asked_again(tmp_path: Path) -> None:
    box = Mailbox(answer="451 later")
    with mail_server(box) as settings:
        there = world(tmp_path, settings)
        subscribe(there, Channel.EMAIL, "ada@example.org")
        assert step(there) == 0
        box.answer = "250 taken"
        there.wall.time_s += delivery.RETRIES_S[0]
        assert step(there) == 1
    assert len(box.letters) == 1


def test_without_a_mail_server_it_says_so(tmp_path: Path) -> None:
    there = world(tmp_path)
    with pytest.raises(Unavailable, match="cannot send e-mail"):
        subscribe(there, Channel.EMAIL, "ada@example.org")


# --- page and answers -----------------------------------------------------------------------------


def signed_in(there: World, account: bytes = ADA) -> Any:
    """Return a browser in which somebody has signed in."""
    browser = kit.client(there.site)
    session = Session(account=account, expires_at=2**40, token=bytes(8))
    answer = Response()
    scope = {"type": "http", "scheme": "http", "headers": [], "path": "/", "query_string": b""}
    keep(there.site, Request({**scope, "server": ("127.0.0.1", 80)}), answer, session)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    browser.cookies.set(name, rest.partition(";")[0].strip('"'))
    return browser


def test_strangers_see_what_there_is_and_no_more(tmp_path: Path) -> None:
    there = world(tmp_path)
    browser = kit.client(there.site)
    page = browser.get("/alerts")
    assert page.status_code == 200
    assert "cannot send e-mail" in page.text
    assert "Sign in" in page.text
    offers = browser.get("/api/v1/alerts/offers").json()
    assert (offers["email"], offers["webhook"]) == (False, True)
    assert browser.get("/api/v1/alerts").status_code == 401
    wish = {"channel": "webhook", "target": "https://example.org/x", "kinds": ["vote"]}
    assert browser.post("/api/v1/alerts", json=wish).status_code == 401
    assert browser.post("/alerts", data={"channel": "webhook"}).status_code == 401


def test_an_owner_subscribes_tests_and_ends_by_the_page(tmp_path: Path) -> None:
    with webhook(Hook()) as hook:
        there = world(tmp_path)
        browser = signed_in(there)
        wrong = browser.post("/alerts", data={"channel": "webhook", "target": hook.url})
        assert wrong.status_code == 400
        assert hook.url in wrong.text, "what was written stays in the form"
        inside = {"channel": "webhook", "target": "https://10.0.0.1/", "kind": "vote"}
        assert "no public address" in browser.post("/alerts", data=inside).text
        made = browser.post(
            "/alerts",
            data={
                "channel": "webhook", "target": hook.url, "kind": ["vote", "silent"], "hours": "6",
            },
        )  # fmt: skip
        assert made.headers["location"] == "/alerts?done=added"
        (item,) = browser.get("/api/v1/alerts").json()["items"]
        assert (item["kinds"], item["silent_after_s"]) == (["silent", "vote"], 6 * HOUR)
        assert item["secret"].startswith("whsec_")
        assert item["target"] in browser.get("/alerts").text
        assert browser.post("/alerts/test", data={"id": item["id"]}).status_code == 303
        assert step(there) == 1
        assert json.loads(hook.calls[0][1])["type"] == "test"

        other = signed_in(there, kit.account(0xB0B))
        for action in ("test", "end"):
            assert other.post(f"/alerts/{action}", data={"id": item["id"]}).status_code == 404
        assert other.delete(f"/api/v1/alerts/{item['id']}").status_code == 404
        assert other.post(f"/api/v1/alerts/{item['id']}/test").status_code == 404
        elsewhere = {"sec-fetch-site": "cross-site"}
        refused = browser.post("/alerts/end", data={"id": item["id"]}, headers=elsewhere)
        assert refused.status_code == 403
        assert browser.post("/alerts/end", data={"id": item["id"]}).status_code == 303
        assert browser.get("/api/v1/alerts").json()["items"] == []


def test_an_owner_subscribes_by_the_api(tmp_path: Path) -> None:
    box = Mailbox()
    with mail_server(box) as settings:
        there = world(tmp_path, settings)
        browser = signed_in(there)
        wish = {"channel": "email", "target": "ada@example.org", "kinds": ["payout"]}
        made = browser.post("/api/v1/alerts", json=wish)
        assert made.status_code == 201
        assert (made.json()["in_force"], made.json()["secret"]) == (False, None)
        assert browser.post("/api/v1/alerts", json=wish).status_code == 409
        assert step(there) == 1
        ident = made.json()["id"]
        token = there.desk.store.token(CONFIRM, ident)
        agreed = browser.post("/api/v1/alerts/confirm", json={"token": token})
        assert agreed.json() == {"in_force": True}
        stop = {"token": there.desk.store.token(UNSUBSCRIBE, ident)}
        assert browser.post("/api/v1/alerts/unsubscribe", json=stop).json() == {"ended": True}
        assert browser.post("/api/v1/alerts/unsubscribe", json=stop).json() == {"ended": False}
        forged = {"token": f"{ident}.{'0' * 32}"}
        assert browser.post("/api/v1/alerts/unsubscribe", json=forged).status_code == 400
        for path in ("/alerts/confirm", "/alerts/unsubscribe"):
            assert browser.get(path, params={"token": "x"}).status_code == 400
            assert browser.get(path).status_code == 400
        gone = there.desk.store.token(UNSUBSCRIBE, ident)
        assert browser.get("/alerts/unsubscribe", params={"token": gone}).status_code == 200
    assert "ada@example.org" not in kit.client(there.site).get("/alerts").text


def test_hostile_targets_are_text(tmp_path: Path) -> None:
    there = world(tmp_path)
    browser = signed_in(there)
    target = 'https://example.org/"><script>alert(1)</script>'
    made = browser.post("/alerts", data={"channel": "webhook", "target": target, "kind": "vote"})
    assert "<script>alert" not in made.text
    assert "<script>alert" not in browser.get("/alerts").text


@pytest.mark.parametrize("language", ["de", "en", "xx"])
def test_every_message_is_said_in_words(tmp_path: Path, language: str) -> None:
    there = world(tmp_path)
    one = subscription(language=language)
    languages = Languages(there.site.resources)
    languages.use(language if language in languages.codes else "en")
    ballot = {"proposal": 3, "title": "Raise it", "starts_at": NOW, "ends_at": NOW + HOUR}
    reason = {"reason": "too_late", "count": 2, "devices": [{"device": 7, "label": None,
              "count": 2}]}  # fmt: skip
    tiny = {"asset": "0x" + kit.account(0x70).hex(), "amount": "7"}
    for kind, data in (
        ("confirm", {}),
        ("test", {}),
        ("silent", {"device": 7, "label": "a\nb", "heard_at": NOW, "silent_after_s": HOUR}),
        ("rejected", {"epoch": 4, "count": 2, "reasons": [reason]}),
        ("payout", {"epoch": 4, "earned": [tiny]}),
        ("vote", {**ballot, "ending": False}),
        ("vote", {**ballot, "ending": True}),
    ):
        text = compose(there.site, one, kind, data)
        assert "\n" not in text.subject
        assert all(text.lines)
        assert "%(" not in text.subject + "".join(text.lines)
    languages.use("en")
    assert (
        "0.000000000000000007 CWT"
        in compose(there.site, one, "payout", {"epoch": 4, "earned": [tiny]}).subject
    )

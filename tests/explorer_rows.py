"""A small network whole: an index folded from a real story, ports that answer, its addresses.

The names that strangers choose come from the caller: plain ones, or hostile ones. Everything else
is what chain, logs and settlements of `index_story` say, with more of whatever it has too little of
for a list to go on.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from fastapi import Response
from sqlalchemy import Engine, select
from starlette.requests import Request

import index_story
from commonworks.crypto.hashes import sha256
from commonworks.events import (
    Anchored,
    Bonded,
    Claimed,
    Deposited,
    Enrolled,
    Event,
    GatewayRegistered,
    ParameterSet,
    PayeesSet,
    Position,
    Share,
    Transferred,
    Unbonded,
    UnbondingStarted,
    VerifierRegistered,
)
from commonworks.explorer.alerts.delivery import Reach, parse_smtp_url
from commonworks.explorer.alerts.desk import AlertDesk
from commonworks.explorer.alerts.store import AlertStore
from commonworks.explorer.index import schema
from commonworks.explorer.index.feed import Feed
from commonworks.explorer.ports import (
    Balances,
    CallRecord,
    Claimable,
    Prepared,
    PriceNow,
    ProposalRecord,
    StandingNow,
    Trial,
    TrialChange,
    TrialEpoch,
    TrialOutcome,
    TrialRefusal,
    TrialSetting,
    TrialState,
    TrialWanted,
    VoteRecord,
)
from commonworks.explorer.sessions import Session, cookie_name, keep
from commonworks.explorer.site import Site
from commonworks.ports import ProposalState
from commonworks.settlement.facts import word_of
from explorer_kit import FixedClock, Told, contracts, fill, make_site, memory_index
from settlement_world import LOGS, account, key
from street_story import VERIFIERS

EPOCHS = 3
MANY = 9
"""Of everything that a list should hold: more than its smallest pages."""
ANNA = account("anna")
STATES = tuple(ProposalState)
RESOURCE = "energy"
KEY = "grace_s"

Words = Callable[[str], str]
"""What a stranger calls something, given what an honest person would."""


def plain(word: str) -> str:
    """Return an honest person's name."""
    return word


@cache
def story() -> index_story.History:
    """Return the story under everything."""
    return index_story.history(Random(7), EPOCHS)


# --- what is added to the story -------------------------------------------------------------------


def _more(words: Words) -> Iterator[Event]:
    """Yield events that the story has too few of; `at` is set later."""
    at = Position(block=0, time=0, index=0, tx=bytes(32))
    network = story().network
    for number in range(MANY):
        verifier = account((*VERIFIERS, *"abcdefgh")[number])
        gate = account(f"gate {number}")
        signer = key(f"more {number}").public
        log_id = sha256(b"more" + bytes([number]))
        yield VerifierRegistered(
            at=at,
            operator=verifier,
            name=words(f"verifier {number}"),
            endpoint=words("https://verifier.example"),
        )
        yield GatewayRegistered(
            at=at,
            operator=gate,
            name=words(f"gateway {number}"),
            origin=words(f"log-{number}.example"),
            endpoint=words("https://gateway.example"),
            log_id=log_id,
            note_key=signer.raw,
            receipt_key=key(f"receipt {number}").public.raw,
        )
        yield Bonded(at=at, operator=verifier, amount=10**20 + number)
        yield Bonded(at=at, operator=gate, amount=10**19 + number)
        yield UnbondingStarted(at=at, operator=gate, amount=7, ready_at=network.epoch_start(9))
        yield Unbonded(at=at, operator=gate, amount=3)
        yield Anchored(at=at, log_id=log_id, size=number + 1, root=sha256(b"root"))
        yield Anchored(at=at, log_id=LOGS[0], size=1_000 + number, root=sha256(b"root"))
        yield _enrolment(number, words)
        yield ParameterSet(at=at, key=word_of(KEY), value=3_600 + number, from_epoch=number)
        yield Deposited(
            at=at, asset=network.currency, account=ANNA, amount=10**6 + number, sender=gate
        )
        yield Claimed(at=at, asset=network.token, account=ANNA, amount=number + 1, epoch=0)
    yield PayeesSet(at=at, device=1, shares=(Share(account=ANNA, ppm=300_000),))
    yield Transferred(at=at, device=2, sender=account("x"), receiver=account("y"))


def _enrolment(number: int, words: Words) -> Event:
    """Return a device of anna's; every third is of a resource that nobody knows."""
    signer = key(f"meter {number}").public
    foreign = words("tides").encode()[:31] if number % 3 == 2 else RESOURCE.encode()
    return Enrolled(
        at=Position(block=0, time=0, index=0, tx=bytes(32)),
        device=1_000 + number,
        owner=ANNA,
        thumbprint=signer.thumbprint,
        algorithm=int(signer.algorithm),
        public_key=signer.raw,
        resource=foreign.ljust(32, b"\0"),
        cell=0x871F1D489FFFFFF if number % 2 else 0,
        enroller=account("gate"),
    )


def _placed(events: Sequence[Event]) -> list[Event]:
    """Return events one to a block, after the story's last."""
    last = story().events[-1].at
    return [
        dataclasses.replace(
            event,
            at=Position(
                block=last.block + 1 + n, time=last.time + 1, index=n % 7, tx=sha256(b"%d" % n)
            ),
        )
        for n, event in enumerate(events)
    ]


def proposals(words: Words) -> list[ProposalRecord]:
    """Return a proposal in each state, all of them voted on; strangers wrote every word."""
    call = CallRecord(to=account("policy"), value_wei=0, data=b"\x01\x02")
    votes = tuple(
        VoteRecord(
            voter=account(f"voter {number}") if number else ANNA,
            support=("for", "against", "abstain", None)[number % 4],
            weight=10**18 + number,
            reason=words("It is time."),
            tx=sha256(b"vote %d" % number),
        )
        for number in range(MANY)
    )
    start = story().network.epoch_start(EPOCHS)
    return [
        ProposalRecord(
            proposal=10**70 + number,
            number=number,
            proposer=ANNA,
            title=words(f"Proposal {number}"),
            body=words("Because it is time.\n\nSee https://forum.example/1."),
            calls=(call,),
            changes={KEY: 3_600 + number} if number % 2 else {},
            vote_start=start - 100,
            vote_end=start + 86_400,
            tx=sha256(b"proposal %d" % number),
            votes=votes,
            queued_tx=sha256(b"q") if number == 4 else None,
            executed_tx=sha256(b"e") if number == 5 else None,
            canceled_tx=sha256(b"c") if number == 7 else None,
        )
        for number in range(1, MANY + 1)
    ]


def _stands(number: int) -> StandingNow:
    return StandingNow(
        state=STATES[number % len(STATES)],
        votes_for=3 * 10**18,
        votes_against=2,
        votes_abstain=1,
        quorum=5,
        votes_all=10**19,
        executable_from=None,
    )


class Tried:
    """Back-tests that are done at once."""

    def __init__(self, words: Words) -> None:
        epochs = [
            TrialEpoch(epoch=n, paid_before=7, paid_after=5, minted_before=3, minted_after=2)
            for n in range(EPOCHS)
        ]
        change = TrialChange(
            resource=RESOURCE, account=ANNA, asset=story().network.token, before=10**18, after=7
        )
        outcome = TrialOutcome(
            first=0,
            last=EPOCHS - 1,
            begin=0,
            settings=(TrialSetting(key=KEY, before=(3_600,), after=3_601, read=True),),
            accounts=(change,),
            epochs=tuple(epochs),
            refused=(TrialRefusal(epoch=1, key="token_growth_max_wei", growth=3, limit=2),),
        )
        self.trial = Trial(
            state=TrialState.DONE, done=EPOCHS, total=EPOCHS, failure=None, outcome=outcome
        )

    async def look(self, wanted: TrialWanted) -> Trial | None:
        return self.trial

    async def start(self, wanted: TrialWanted) -> Trial:
        return self.trial


# --- the site -------------------------------------------------------------------------------------


def _index(words: Words) -> Engine:
    engine, told = memory_index(), story()
    extended = dataclasses.replace(
        told, events=(*told.events, *_placed(list(_more(words)))), resources=told.resources
    )
    reader = index_story.Reader(engine, extended)
    reader.all()
    with engine.begin() as connection:
        connection.execute(schema.vote.delete())
        connection.execute(schema.proposal.delete())
        Feed(told.network).government(connection, proposals(words))
    _more_money(engine)
    return engine


def _more_money(engine: Engine) -> None:
    """Add payments, rewards, work and shortfalls of one device and account to epoch 0."""
    for number in range(MANY):
        place: dict[str, Any] = {"epoch": 0, "number": 1_000 + number, "resource": RESOURCE}
        fill(
            engine,
            schema.payment,
            place
            | {"payer": ANNA, "payee": account("sun"), "amount": 7, "purpose": "energy.trade"}
            | {"device": 1_000},
        )
        fill(engine, schema.reward, place | {"account": ANNA, "amount_wei": 11})
        fill(
            engine,
            schema.span,
            place
            | {"device": 1_000, "start_s": story().network.epoch_start(0), "length_s": 900}
            | {"reason": "energy.balance_cut", "claimed": 10, "credited": 9},
        )
        fill(
            engine,
            schema.work,
            {"epoch": 0, "resource": RESOURCE, "device": 1_000 + number, "account": ANNA}
            | {"quantity": 5, "quality_ppm": 900_000, "density_ppm": 1_000_000},
        )


def _answering(words: Words) -> Told:
    """Return ports that have an answer to everything that may be asked."""
    logs: dict[bytes, Any] = {}
    for log_id, entries in story().logs.items():
        logs[log_id] = index_story.TiledLog()
        logs[log_id].grow(entries)
    balances = Balances(
        token=10**18, currency=10**6, coin_wei=10**18, votes=5, delegate=ANNA, contract=False
    )
    last = story().settlements[-1]
    return Told(
        settlements={one.epoch: one for one in story().settlements},
        logs=logs,
        note_keys=dict.fromkeys(logs, index_story.NOTE),
        held={ANNA: balances},
        root=Claimable(epoch=EPOCHS - 1, root=last.commitment.payout_root),
        price=PriceNow(amount_in=10**18, amount_out=10**6),
        made=proposals(words),
        does=words("Sets the grace period."),
        standings={number: _stands(number) for number in range(1, MANY + 1)},
        prepared=[
            Prepared(to=account("vault"), data=b"\x12\x34", value_wei=0, does=words("Pays anna."))
        ],
        receipts={sha256(b"0"): True, sha256(b"1"): False},
    )


def full_site(words: Words = plain, *, folder: Path | None = None, **changes: Any) -> Site:
    """Return a site with rows in every table; with alerts where there is a folder for them."""
    network = story().network
    told = _answering(words)
    at = dataclasses.replace(
        contracts(), token=network.token, currency=network.currency, timelock=network.treasury
    )
    fields: dict[str, Any] = {
        "engine": _index(words),
        "network": network,
        "contracts": at,
        "bond_asset": network.token,
        "clock": FixedClock(network.epoch_start(EPOCHS) + 1_800),
        "name": words("Test street"),
        "manifest": json.dumps(
            {"name": words("Test street"), "chain": {"endpoints": ["https://rpc.example/SECRET"]}}
        ).encode(),
        "labels": {
            account(name): words(name)
            for name in ("anna", "house", "sun", "roof", "car", "grid", "gate", *VERIFIERS)
        },
        "device_labels": _device_labels(words),
        "backtests": Tried(words),
        "secret": sha256(b"secret"),
        "alerts": None if folder is None else _alerts(folder),
    }
    return make_site(told, **{**fields, **changes})


def _device_labels(words: Words) -> Mapping[bytes, str]:
    thumbprints = [event.thumbprint for event in story().events if isinstance(event, Enrolled)] + [
        key(f"meter {number}").public.thumbprint for number in range(MANY)
    ]
    return {thumbprint: words(f"meter {n}") for n, thumbprint in enumerate(thumbprints)}


SMTP_PASSWORD = "correct-horse-battery"


def _alerts(folder: Path) -> AlertDesk:
    return AlertDesk(
        store=AlertStore(folder / "alerts.sqlite"),
        mail=parse_smtp_url(
            f"smtp://postmaster:{SMTP_PASSWORD}@mail.example:587?from=network@example.org"
        ),
        reach=Reach(),
        public_url="https://explorer.example",
    )


def signed_in(site: Site, who: bytes = ANNA, token: bytes = bytes(8)) -> dict[str, str]:
    """Return the cookie of somebody who signed in."""
    scope = {"type": "http", "scheme": "http", "headers": [], "path": "/", "query_string": b"",
             "server": ("127.0.0.1", 80)}  # fmt: skip
    answer = Response()
    session = Session(account=who, expires_at=site.door.now() + 3_600, token=token)
    keep(site, Request(scope), answer, session)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == cookie_name(site)
    return {name: rest.partition(";")[0].strip('"')}


# --- its addresses --------------------------------------------------------------------------------


def samples(site: Site) -> dict[str, list[str]]:
    """Return values of path parameters that are there, by the parameter's name."""
    with site.engine.connect() as connection:

        def column(one: Any, limit: int = 200) -> list[Any]:
            return list(
                connection.execute(select(one).distinct().order_by(one).limit(limit)).scalars()
            )

        paid = column(schema.payout.c.account)
        owners = {ANNA, *column(schema.device.c.owner), *paid}
        accounts = ["0x" + one.hex() for one in (ANNA, *sorted(owners - {ANNA}))]
        return {
            "device": [str(one) for one in (1_000, *column(schema.device.c.device))],
            "epoch": [str(one) for one in column(schema.epoch.c.epoch)] + [str(EPOCHS)],
            "number": [str(one) for one in column(schema.proposal.c.number)],
            "identity": [one.hex() for one in column(schema.statement.c.identity)],
            "log_id": [one.hex() for one in column(schema.gateway.c.log_id)],
            "tx": ["0x" + one.hex() for one in column(schema.chain_event.c.tx, 5)],
            "key": [KEY, *column(schema.parameter_change.c.key)],
            "verifier": ["0x" + one.hex() for one in column(schema.verifier.c.operator)],
            "address": accounts,
            "account": ["0x" + one.hex() for one in paid],
            "asset": ["0x" + one.hex() for one in (site.network.token, site.network.currency)],
            "name": list(site.resources),
            "what": ["earnings", "movements", "devices", "votes"],
            "ident": ["0" * 32],
        }


QUERIES: Mapping[str, Sequence[str]] = {
    "/search": ("q=12", "q=gate", "q=a", "q=proposal", "q=%3Cscript%3E", "q=0x"),
    "/activity": ("kind=enrolled", "epoch=0", "device=1", f"account=0x{ANNA.hex()}"),
    "/devices": (f"owner=0x{ANNA.hex()}", f"resource={RESOURCE}", "rejections=true"),
    "/statements": ("outcome=rejected", "epoch=0", "reason=bad_signature", "kind=report"),
    "/join": (
        f"resource={RESOURCE}&cell=0&device=roof", f"resource={RESOURCE}&cell=871f1d489ffffff",
    ),
    "/join/qr.svg": (f"resource={RESOURCE}&cell=0",),
    "/join/progress": (f"thumbprint={key('meter 0').public.thumbprint.hex()}",),
    "/join/configuration": (f"resource={RESOURCE}&cell=0&device=roof",),
    "/join/cells": ("latitude=51.3&longitude=9.4",),
    "/accounts": ("asset=token", "asset=currency"),
    "/accounts/{address}/statement": ("month=2026-01",),
    "/accounts/{address}/statement.csv": ("month=2026-01",),
    "/resources/{name}": ("epoch=0",),
    "/resources/{name}/series": ("figure=shared_wh",),
    "/quote": ("amount_in=1000000000000000000",),
    "/session": ("next=/devices",),
    "/alerts/confirm": ("token=x",),
    "/alerts/unsubscribe": ("token=x",),
}  # fmt: skip
"""Route -> queries that it is asked with, beside none."""

NEEDED = frozenset(
    {"/join/progress", "/join/cells", "/quote", "/resources/{name}/series"}
)  # fmt: skip
"""Routes of the API that need a query."""


def addresses(site: Site, route: str, *, each: int = 3) -> list[str]:
    """Return addresses of a route, its parameters filled with `each` values that are there."""
    known = samples(site)
    names = [part[1:-1].partition(":")[0] for part in route.split("/") if part.startswith("{")]
    names = ["verifier" if "/verifiers/{address}" in route else name for name in names]
    found = []
    for values in list(product(*(known[name][:each] for name in names)))[: each * each]:
        path, left = [], list(values)
        for part in route.split("/"):
            path.append(left.pop(0) if part.startswith("{") else part)
        found.append("/".join(path))
    tail = route.removeprefix("/api/v1")
    queries = QUERIES.get(tail, ())
    asked = [f"{path}?{query}" for path in found[:2] for query in queries]
    return asked if route != tail and tail in NEEDED else found + asked


def routes(router: Any) -> Iterator[Any]:
    """Yield every route below a router."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from routes(inner)

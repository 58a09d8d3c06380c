"""Payloads erased by rule: the logs and finalised epochs still verify, and an audit says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from commonworks.errors import NotFound
from commonworks.model import State
from commonworks.settlement.state import INITIAL
from commonworks.translog.check import check_log
from commonworks.transport.logs import DirectoryLog
from commonworks.units import DAY_S
from commonworks.wiring.audit import AuditedLog, AuditReport, Source, audit
from commonworks.wiring.home import Home
from commonworks.wiring.logsource import sync_reader
from commonworks.wiring.records import stored_state
from commonworks.wiring.retention import Erased, erase, retention_ends
from commonworks.wiring.session import Session, gateway_note_key, open_session

pytestmark = pytest.mark.xdist_group("e2e")


async def source_of(session: Session, now: int) -> Source:
    view = await session.view()

    async def stored(epoch: int) -> State | None:
        return await stored_state(session.home, epoch)

    return Source(
        network=session.network,
        view=view,
        logs={
            log_id: AuditedLog(
                name=gateway.name,
                vkey=gateway_note_key(gateway).vkey,
                log=DirectoryLog(session.home.gateway(gateway.name)),
                read=sync_reader(str(session.home.gateway(gateway.name))),
            )
            for log_id, gateway in view.gateways.items()
        },
        resources=session.resources,
        rules_hash=session.rules_hash,
        now=now,
        stored_state=stored,
    )


async def erased_at(home: Home, epoch: int) -> tuple[list[Erased], list[AuditReport], bool]:
    """Erase when the retention of `epoch` has just ended; audit both epochs, check the log."""
    async with open_session(home) as session:
        view = await session.view()
        now = retention_ends(session.network, view, epoch)
        assert await erase(home, session.network, view, now - 1) == [] or epoch > 0
        done = await erase(home, session.network, view, now)
        again = await erase(home, session.network, view, now)
        assert [item.payloads for item in again] == [0] * len(again)
        source = await source_of(session, now)
        reports = [
            await audit(source, number, from_state=False, progress=lambda _: None)
            for number in (0, 1)
        ]
        (log,) = source.logs.values()
        return done, reports, check_log(log.read, log.vkey).first_fault is None


def test_an_erased_epoch_says_so_and_the_next_is_still_recomputed(
    copy: Callable[[], Path],
) -> None:
    done, (first, second), whole = asyncio.run(erased_at(Home(path=copy()), 0))
    assert whole
    assert done[0].payloads > 1000  # the gateway's and the mirror's copies
    assert first.found is None
    assert first.erased == ("epoch 0: evidence erased by rule",)
    assert first.differences == ()
    assert second.erased == first.erased
    assert second.differences == ()
    assert second.found is not None
    assert second.found.digest == second.expected_digest


def test_payloads_erased_too_early_are_a_difference(copy: Callable[[], Path]) -> None:
    home = Home(path=copy())

    async def early() -> AuditReport:
        async with open_session(home) as session:
            view = await session.view()
            await erase(home, session.network, view, retention_ends(session.network, view, 0))
            source = await source_of(session, session.clock.now() + 3 * DAY_S)
            return await audit(source, 0, from_state=False, progress=lambda _: None)

    report = asyncio.run(early())
    assert report.erased == ()
    assert "the payload is missing" in report.differences[0]


def test_a_stored_state_is_believed_only_by_its_hash(copy: Callable[[], Path]) -> None:
    home = Home(path=copy())

    async def with_states(lie: bool) -> AuditReport:
        async with open_session(home) as session:
            source = await source_of(session, session.clock.now())
            if lie:

                async def wrong(epoch: int) -> State | None:
                    del epoch
                    return INITIAL

                object.__setattr__(source, "stored_state", wrong)
            return await audit(source, 1, from_state=True, progress=lambda _: None)

    honest = asyncio.run(with_states(lie=False))
    assert honest.found is not None
    assert honest.found.digest == honest.expected_digest
    assert honest.begun_from == "the state of epoch 0"
    with pytest.raises(NotFound, match="no stored state"):
        asyncio.run(with_states(lie=True))

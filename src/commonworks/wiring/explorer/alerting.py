"""Alerts of a network's explorer: what the operator has set up, and the worker that tells people.

What is set: `COMMONWORKS_SMTP_URL`, or the first line of `<home>/explorer/smtp-url`;
`COMMONWORKS_EXPLORER_URL`, or that of `<home>/explorer/public-url`; `COMMONWORKS_PRIVATE_WEBHOOKS`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from commonworks.chain.members import Members
from commonworks.errors import InvalidInput, Unauthorized
from commonworks.explorer.alerts.delivery import MailSettings, Reach, parse_smtp_url
from commonworks.explorer.alerts.desk import AlertDesk
from commonworks.explorer.alerts.store import AlertStore, Baseline
from commonworks.explorer.alerts.worker import AlertWorker
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import Languages
from commonworks.ports import Head
from commonworks.wiring.explorer.site import folder_of
from commonworks.wiring.home import Home
from commonworks.wiring.session import Session

FILE: Final = "alerts.sqlite"
SMTP_FILE: Final = "smtp-url"
URL_FILE: Final = "public-url"
SMTP_VARIABLE: Final = "COMMONWORKS_SMTP_URL"
URL_VARIABLE: Final = "COMMONWORKS_EXPLORER_URL"
PRIVATE_VARIABLE: Final = "COMMONWORKS_PRIVATE_WEBHOOKS"
YES: Final = "1"
OTHERS: Final = 0o077


def alert_desk(home: Home, *, listens_at: str, only_here: bool = False) -> AlertDesk:
    """Return the desk of a network's alerts.

    Inputs: `listens_at` is the explorer's address unless the operator names a public one;
    `only_here`: nobody but this machine's own people reach it, so a demo's webhooks may be on it.
    Raises: InvalidInput for a setting that cannot be used, Unauthorized where others may read the
    mail server's password.
    """
    folder = folder_of(home)
    return AlertDesk(
        store=AlertStore(folder / FILE),
        mail=_mail(folder),
        reach=Reach(
            private=os.environ.get(PRIVATE_VARIABLE) == YES,
            loopback=home.is_demo() and only_here,
        ),
        public_url=_public_url(folder) or listens_at.rstrip("/"),
    )


def _mail(folder: Path) -> MailSettings | None:
    place = folder / SMTP_FILE
    given = os.environ.get(SMTP_VARIABLE)
    if given is None and place.exists():
        if place.stat().st_mode & OTHERS:
            raise Unauthorized(f"others may read {place}", hint=f"chmod 600 {place}")
        given = _first_line(place)
    return parse_smtp_url(given) if given else None


def _public_url(folder: Path) -> str | None:
    given = os.environ.get(URL_VARIABLE)
    if given is None and (folder / URL_FILE).exists():
        given = _first_line(folder / URL_FILE)
    if not given:
        return None
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise InvalidInput(
            f"{given!r} is no address of an explorer", hint="write for example https://example.org"
        )
    return given.rstrip("/")


def _first_line(place: Path) -> str:
    lines = place.read_text().splitlines()
    return lines[0].strip() if lines else ""


async def baseline_now(session: Session) -> Baseline:
    """Return where history ends now, from the chain alone."""
    view = await session.view()
    client = session.client()
    try:
        root = await Members(client.endpoints, session.deployment).claimable_root()
    finally:
        await client.close()
    return Baseline(
        now_s=session.clock.now(),
        settled=max(view.finalised, default=-1),
        claimable=-1 if root is None else root.epoch,
    )


@asynccontextmanager
async def telling(
    site: Site,
    desk: AlertDesk,
    on_trouble: Callable[[str], None],
    head: Callable[[], Head | None],
) -> AsyncIterator[AlertWorker]:
    """Do the rounds of alerts until the block is left; `head` is the chain's newest block."""
    worker = AlertWorker(site, desk, Languages(site.resources), head)
    task = asyncio.create_task(worker.run(on_trouble))
    try:
        yield worker
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

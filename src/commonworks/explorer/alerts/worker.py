"""The rounds of alerts: look at the index, note what is due, send what waits.

Rule: nothing is sent before it is noted, and nothing is forgotten before it was sent or given up.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy.exc import DBAPIError

from commonworks.errors import CommonworksError, InvariantBroken
from commonworks.explorer.alerts.delivery import (
    Letter,
    Outcome,
    next_attempt,
    plain,
    post,
    send_mail,
)
from commonworks.explorer.alerts.desk import CONFIRM, UNSUBSCRIBE, AlertDesk
from commonworks.explorer.alerts.rules import Channel, Subscription, due
from commonworks.explorer.alerts.store import Message
from commonworks.explorer.alerts.texts import Text, compose, footer
from commonworks.explorer.queries.alerts import block_of, claimable_epoch, facts
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import Languages, gettext
from commonworks.explorer.web.model import address_text, hash_text
from commonworks.ports import Head

ROUND_S: Final = 5.0
"""Real time between two rounds."""
STALE_S: Final = 900
"""How old the chain's newest block may be, network time; nothing is decided by an older one."""
BEHIND_MAX: Final = 20
"""How many blocks the index may be behind it."""
BATCH: Final = 50
"""Most messages sent in a round."""
AT_ONCE: Final = 8
"""Most deliveries under way at once."""


class AlertWorker:
    """Does the rounds of one explorer."""

    def __init__(
        self,
        site: Site,
        desk: AlertDesk,
        languages: Languages,
        head: Callable[[], Head | None],
    ) -> None:
        """`head` is the chain's newest block; None while the chain does not answer."""
        self._head = head
        self._site = site
        self._desk = desk
        self._languages = languages
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def run(self, on_trouble: Callable[[str], None]) -> None:
        """Do rounds until cancelled; `on_trouble` hears each new trouble once, in one line."""
        told: set[str] = set()
        while True:
            try:
                await self.step()
            except (CommonworksError, DBAPIError) as error:
                line = f"alerts: {error}"
                if line not in told:
                    told.add(line)
                    on_trouble(line)
            await asyncio.sleep(ROUND_S)

    async def step(self) -> int:
        """Do one round; return how many messages were delivered.

        Raises: Unavailable or Corrupt for the file of alerts or the index; the next round tries
        again.
        """
        await self.look()
        return await self.send()

    async def look(self) -> int:
        """Note what is due for every subscription in force; return how many messages are new.

        An index that stands still, or is behind its chain, says nothing about now: then nothing is.
        """
        head = self._head()
        if head is None or head.time < self._site.clock.now() - STALE_S:
            return 0
        claimable = await claimable_epoch(self._site)
        return await asyncio.to_thread(self._look, claimable, head.block)

    def _look(self, claimable: int | None, block: int) -> int:
        store, queued = self._desk.store, 0
        subscriptions = store.in_force()
        if not subscriptions:
            return 0
        with self._site.engine.connect() as connection:
            if (block_of(connection) or 0) + BEHIND_MAX < block:
                return 0
            for one in subscriptions:
                found = due(one, facts(connection, self._site, one, claimable))
                moved = (found.epochs_seen, found.payouts_seen)
                if found.alerts or moved != (one.epochs_seen, one.payouts_seen):
                    queued += store.note(one, found, self._desk.wall())
        return queued

    async def send(self) -> int:
        """Send what waits and is due; return how many messages were delivered."""
        waiting = await asyncio.to_thread(self._desk.store.due_messages, self._desk.wall(), BATCH)
        return sum(await asyncio.gather(*(self._deliver(message) for message in waiting)))

    async def _deliver(self, message: Message) -> bool:
        store, attempts = self._desk.store, message.attempts + 1
        async with self._slots:
            try:
                outcome = await self.attempt(message)
            except (InvariantBroken, asyncio.CancelledError):
                raise
            except Exception as error:  # one message that cannot be made keeps no other waiting
                outcome = Outcome(sent=False, why=f"it could not be made ({type(error).__name__})")
        wall_s = self._desk.wall()
        if outcome.sent:
            await asyncio.to_thread(store.sent, message.ident, wall_s)
            return True
        again = None if outcome.final else next_attempt(attempts, wall_s)
        await asyncio.to_thread(store.not_sent, message.ident, outcome.why, again)
        return False

    async def attempt(self, message: Message) -> Outcome:
        """Try to deliver one message, and note nothing."""
        subscription = message.subscription
        text = contextvars.copy_context().run(self._said, subscription, message)
        if subscription.channel is Channel.EMAIL:
            if self._desk.mail is None:
                return Outcome(sent=False, why="this explorer cannot send e-mail now")
            return await send_mail(self._letter(message, text), self._desk.mail)
        return await post(self._letter(message, text), self._desk.reach)

    def _said(self, subscription: Subscription, message: Message) -> tuple[Text, str]:
        """Return a message in its subscriber's language, in short and as a letter."""
        known = subscription.language in self._languages.codes
        self._languages.use(subscription.language if known else self._languages.codes[0])
        text = compose(self._site, subscription, message.kind, message.data)
        return text, self._body(subscription, message, text)

    def _body(self, subscription: Subscription, message: Message, text: Text) -> str:
        if subscription.channel is not Channel.EMAIL:
            return ""
        if message.kind == CONFIRM:
            return plain([*text.lines, self._desk.link(CONFIRM, subscription.ident)])
        stop = self._desk.link(UNSUBSCRIBE, subscription.ident)
        end = footer(subscription, [gettext("Stop these messages: %(link)s", link=stop)])
        return plain([*text.lines, self._page(subscription, text), f"-- \n{end}"])

    def _page(self, subscription: Subscription, text: Text) -> str:
        place = text.place.replace("{account}", address_text(subscription.account))
        return self._desk.public_url + place

    def _letter(self, message: Message, said: tuple[Text, str]) -> Letter:
        text, body = said
        subscription, now_s = message.subscription, self._desk.wall()
        ends = subscription.channel is Channel.EMAIL and message.kind != CONFIRM
        return Letter(
            ident=message.ident,
            kind=message.kind,
            target=subscription.target,
            subject=text.subject,
            body=body,
            unsubscribe=self._desk.link(UNSUBSCRIBE, subscription.ident) if ends else "",
            secret=self._desk.store.secret_of(subscription.ident),
            document=self._document(message, text),
            timestamp=now_s,
        )

    def _document(self, message: Message, text: Text) -> Mapping[str, Any]:
        """Return a webhook's body; the same for every attempt in one language."""
        return {
            "id": message.ident,
            "type": message.kind,
            "network": hash_text(self._site.network.network_id),
            "account": address_text(message.subscription.account),
            "created_at": message.created_s,
            "subject": text.subject,
            "text": list(text.lines),
            "page": self._page(message.subscription, text),
            "data": dict(message.data),
        }

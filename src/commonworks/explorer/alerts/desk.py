"""What pages and commands ask of alerts: what is on offer, subscribing, agreeing, ending."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from commonworks.errors import InvalidInput, NotFound, Unavailable
from commonworks.explorer.alerts.delivery import MailSettings, Reach, check_url, is_email
from commonworks.explorer.alerts.rules import (
    SILENT_AFTER_MAX_S,
    SILENT_AFTER_MIN_S,
    Channel,
    Kind,
    Subscription,
)
from commonworks.explorer.alerts.store import AlertStore, Baseline
from commonworks.explorer.web.i18n import gettext

CONFIRM: Final = "confirm"
UNSUBSCRIBE: Final = "unsubscribe"
"""What a link in a message is for."""


def _wall() -> int:
    return int(time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDesk:
    """Subscriptions over their file, and what the operator has set up."""

    store: AlertStore
    mail: MailSettings | None
    """None: this explorer cannot send e-mail."""
    reach: Reach
    public_url: str
    """Where people reach this explorer, without a slash at its end: links in messages."""
    wall: Callable[[], int] = field(default=_wall)
    """Real time, Unix seconds."""

    def subscribe(
        self,
        *,
        account: bytes,
        channel: Channel,
        target: str,
        kinds: frozenset[Kind],
        silent_after_s: int,
        language: str,
        baseline: Baseline,
    ) -> Subscription:
        """Add a subscription; one by e-mail is in force once its address has agreed.

        Raises: InvalidInput for a target or values that cannot be, Unavailable where the operator
        has set no mail server up, Conflict for one that is there.
        """
        if not kinds:
            raise InvalidInput(gettext("choose at least one thing to be told"))
        if not SILENT_AFTER_MIN_S <= silent_after_s <= SILENT_AFTER_MAX_S:
            raise InvalidInput(
                gettext(
                    "silence is told after %(least)s to %(most)s seconds",
                    least=SILENT_AFTER_MIN_S,
                    most=SILENT_AFTER_MAX_S,
                )
            )
        target = target.strip()
        if channel is Channel.EMAIL:
            self._require_mail()
            if not is_email(target):
                raise InvalidInput(
                    gettext("%(target)s is no e-mail address", target=repr(target[:80]))
                )
        else:
            check_url(target, self.reach)
        return self.store.add(
            account=account,
            channel=channel,
            target=target,
            kinds=kinds,
            silent_after_s=silent_after_s,
            language=language,
            baseline=baseline,
            wall_s=self.wall(),
        )

    def _require_mail(self) -> None:
        if self.mail is None:
            raise Unavailable(
                gettext("this explorer cannot send e-mail"),
                hint=gettext("its operator sets COMMONWORKS_SMTP_URL; a webhook works without"),
            )

    def owned(self, account: bytes, ident: str) -> Subscription:
        """Return a subscription of this account; raise NotFound for anybody else's."""
        found = self.store.get(ident)
        if found.account != account:
            raise NotFound(
                gettext("there is no such subscription"), hint=gettext("it may have been ended")
            )
        return found

    def confirm(self, token: str, baseline: Baseline) -> Subscription:
        """Put into force what a confirmation's link is for; raise InvalidInput for a false one."""
        return self.store.confirm(self.store.ident_of(CONFIRM, token), baseline, self.wall())

    def pending(self, token: str) -> Subscription:
        """Return what a confirmation's link is for."""
        return self.store.get(self.store.ident_of(CONFIRM, token))

    def unsubscribe(self, token: str) -> bool:
        """End what a link is for; False where it was ended before."""
        return self.store.remove(self.store.ident_of(UNSUBSCRIBE, token))

    def link(self, purpose: str, ident: str) -> str:
        """Return the URL that a message carries for a purpose."""
        return f"{self.public_url}/alerts/{purpose}?token={self.store.token(purpose, ident)}"

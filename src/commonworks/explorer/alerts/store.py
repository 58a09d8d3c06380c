"""Subscriptions and what was told: a SQLite file of its own, since none of it can be derived.

Goal: one message for one cause, through restarts and kills.
Rule: what is due and how far was looked become durable together; a message is noted as sent after
it was. Whoever dies in between sends it again, under the same id. Invariant: a message's id follows
from its subscription and its cause.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from commonworks.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from commonworks.explorer.alerts.rules import Alert, Channel, Due, Kind, Subscription
from commonworks.explorer.web.i18n import gettext
from commonworks.units import DAY_S

VERSION: Final = 1
WAIT_S: Final = 10
"""How long one process waits for another that writes."""
SUBSCRIPTIONS_MAX: Final = 20
"""Most subscriptions of one account."""
ALL_MAX: Final = 10_000
"""Most subscriptions of all accounts, which cost nothing; each is looked at in each round."""
TESTS_MAX: Final = 5
"""Most tests of one subscription in a day."""
CONFIRMATIONS_MAX: Final = 3
"""Most confirmations asked of one address in a day: nobody's mailbox is filled from here."""
MESSAGES_MAX: Final = 24
"""Most messages to one address in a day; more wait for the next."""
CONFIRM_WITHIN_S: Final = 7 * DAY_S
"""How long a subscription waits for its confirmation; forgotten after that. Real time."""
KEEP_S: Final = 400 * DAY_S
"""How long it is remembered what was told. Real time."""
CONFIRM: Final = "confirm"
TEST: Final = "test"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS subscription (
  id TEXT PRIMARY KEY, account BLOB NOT NULL, channel TEXT NOT NULL, target TEXT NOT NULL,
  kinds TEXT NOT NULL, silent_after_s INTEGER NOT NULL, language TEXT NOT NULL,
  secret BLOB NOT NULL, created_s INTEGER NOT NULL, confirmed_s INTEGER,
  since_s INTEGER NOT NULL, epochs_seen INTEGER NOT NULL, payouts_seen INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ix_subscription_account ON subscription (account);
CREATE TABLE IF NOT EXISTS message (
  id TEXT PRIMARY KEY, subscription TEXT NOT NULL, target TEXT NOT NULL, kind TEXT NOT NULL,
  cause TEXT NOT NULL, data TEXT NOT NULL, created_s INTEGER NOT NULL,
  attempts INTEGER NOT NULL, next_s INTEGER NOT NULL, sent_s INTEGER, failed TEXT, trouble TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS ix_message_next ON message (next_s) WHERE sent_s IS NULL;
CREATE INDEX IF NOT EXISTS ix_message_target ON message (target, kind, created_s);
CREATE INDEX IF NOT EXISTS ix_message_subscription ON message (subscription, created_s);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Where history ends for a subscription that comes into force now."""

    now_s: int
    """Network time."""
    settled: int
    claimable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message on its way."""

    ident: str
    """The same for every attempt: receivers tell repetitions by it."""
    subscription: Subscription
    kind: str
    data: Mapping[str, Any]
    created_s: int
    """Real time."""
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A subscription as its owner sees it."""

    subscription: Subscription
    created_s: int
    """Real time."""
    sent: int
    """Messages that were delivered."""
    waiting: int
    trouble: str | None
    """What went wrong with the newest message that was not delivered; None: nothing."""


class AlertStore:
    """The file. Every call opens it anew: several processes and threads may use it at once."""

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises Corrupt or Unavailable."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            path.touch(mode=0o600)
        with self._connection() as connection:
            connection.executescript("PRAGMA journal_mode=WAL;" + _SCHEMA)
        with self._connection() as connection:
            for name, value in (
                ("version", VERSION.to_bytes(4)),
                ("secret", secrets.token_bytes()),
            ):
                connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
            kept = dict(connection.execute("SELECT name, value FROM meta"))
        if int.from_bytes(kept["version"]) != VERSION:
            raise Corrupt(
                f"{path} was written by another release", hint="use that one, or move the file away"
            )
        self._secret: bytes = kept["secret"]

    # --- subscriptions ------------------------------------------------------------------------

    def add(
        self,
        *,
        account: bytes,
        channel: Channel,
        target: str,
        kinds: frozenset[Kind],
        silent_after_s: int,
        language: str,
        baseline: Baseline,
        wall_s: int,
    ) -> Subscription:
        """Add a subscription; one by e-mail waits for its confirmation, which is queued.

        Raises: Conflict when the account has too many or this one already, Unavailable when too
        many confirmations were asked of the address today.
        """
        ident = secrets.token_hex(16)
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._forget_unconfirmed(connection, wall_s)
            held = connection.execute(
                "SELECT channel, target FROM subscription WHERE account = ?", (account,)
            ).fetchall()
            if (str(channel), target) in held:
                raise Conflict(
                    gettext("this account is told there already"), hint=gettext("change that one")
                )
            if len(held) >= SUBSCRIPTIONS_MAX:
                raise Conflict(
                    gettext(
                        "an account has at most %(most)s subscriptions",
                        most=SUBSCRIPTIONS_MAX,
                    )
                )
            (all_held,) = connection.execute("SELECT count(*) FROM subscription").fetchone()
            if all_held >= ALL_MAX:
                raise Unavailable(gettext("this explorer tells as many as it can"))
            confirmed = None if channel is Channel.EMAIL else wall_s
            connection.execute(
                "INSERT INTO subscription VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                (
                    *(ident, account, str(channel), target, ",".join(sorted(kinds))),
                    *(silent_after_s, language, secrets.token_bytes(32), wall_s, confirmed),
                    *(baseline.now_s, baseline.settled, baseline.claimable),
                ),
            )
            if channel is Channel.EMAIL:
                self._ask(connection, ident, target, wall_s)
        return self.get(ident)

    def _ask(self, connection: sqlite3.Connection, ident: str, target: str, wall_s: int) -> None:
        (asked,) = connection.execute(
            "SELECT count(*) FROM message WHERE target = ? AND kind = ? AND created_s > ?",
            (target, CONFIRM, wall_s - DAY_S),
        ).fetchone()
        if asked >= CONFIRMATIONS_MAX:
            raise Unavailable(
                gettext("this address was asked for its consent several times today"),
                hint=gettext("look into its mailbox, or try again tomorrow"),
            )
        self._queue(connection, ident, target, Alert(kind=CONFIRM, key=CONFIRM, data={}), wall_s)

    def get(self, ident: str) -> Subscription:
        """Return a subscription; raise NotFound."""
        with self._connection() as connection:
            row = connection.execute("SELECT * FROM subscription WHERE id = ?", (ident,)).fetchone()
        if row is None:
            raise NotFound(
                gettext("there is no such subscription"), hint=gettext("it may have been ended")
            )
        return _subscription(row)

    def secret_of(self, ident: str) -> bytes:
        """Return what a webhook's messages are signed with, 32 bytes; raise NotFound."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT secret FROM subscription WHERE id = ?", (ident,)
            ).fetchone()
        if row is None:
            raise NotFound(gettext("there is no such subscription"))
        return bytes(row[0])

    def in_force(self) -> Sequence[Subscription]:
        """Return every subscription whose target has agreed."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT * FROM subscription WHERE confirmed_s IS NOT NULL ORDER BY id"
            ).fetchall()
        return [_subscription(row) for row in rows]

    def standings(self, account: bytes | None = None) -> Sequence[Standing]:
        """Return the subscriptions of an account, or of everybody, oldest first."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT * FROM subscription WHERE ?1 IS NULL OR account = ?1"
                " ORDER BY created_s, id",
                (account,),
            ).fetchall()
            return [_standing(connection, row) for row in rows]

    def confirm(self, ident: str, baseline: Baseline, wall_s: int) -> Subscription:
        """Put a subscription into force from now on; one that is in force stays as it is."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE subscription SET confirmed_s = ?, since_s = ?, epochs_seen = ?,"
                " payouts_seen = ? WHERE id = ? AND confirmed_s IS NULL",
                (wall_s, baseline.now_s, baseline.settled, baseline.claimable, ident),
            )
        return self.get(ident)

    def remove(self, ident: str) -> bool:
        """End a subscription and forget its messages; tell whether there was one.

        What was sent in the last day stays counted for its address.
        """
        with self._connection() as connection:
            found = connection.execute("DELETE FROM subscription WHERE id = ?", (ident,)).rowcount
            connection.execute(
                "UPDATE message SET data = '{}', failed = coalesce(failed, 'ended')"
                " WHERE subscription = ?",
                (ident,),
            )
        return bool(found)

    def _forget_unconfirmed(self, connection: sqlite3.Connection, wall_s: int) -> None:
        connection.execute(
            "DELETE FROM subscription WHERE confirmed_s IS NULL AND created_s < ?",
            (wall_s - CONFIRM_WITHIN_S,),
        )
        connection.execute("DELETE FROM message WHERE created_s < ?", (wall_s - KEEP_S,))

    # --- messages -------------------------------------------------------------------------------

    def note(self, subscription: Subscription, found: Due, wall_s: int) -> int:
        """Queue what is due and note how far was looked, both or neither; return how many."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            queued = sum(
                self._queue(connection, subscription.ident, subscription.target, alert, wall_s)
                for alert in found.alerts
            )
            connection.execute(
                "UPDATE subscription SET epochs_seen = max(epochs_seen, ?),"
                " payouts_seen = max(payouts_seen, ?) WHERE id = ?",
                (found.epochs_seen, found.payouts_seen, subscription.ident),
            )
        return queued

    def queue_test(self, ident: str, wall_s: int) -> str:
        """Queue a message that says only that messages arrive; return its id."""
        subscription = self.get(ident)
        alert = Alert(kind=TEST, key=f"{TEST}:{secrets.token_hex(8)}", data={})
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            (tests,) = connection.execute(
                "SELECT count(*) FROM message WHERE subscription = ? AND kind = ?"
                " AND created_s > ?",
                (ident, TEST, wall_s - DAY_S),
            ).fetchone()
            if tests >= TESTS_MAX:
                raise Conflict(
                    gettext("it was tested several times today"), hint=gettext("try again tomorrow")
                )
            self._queue(connection, ident, subscription.target, alert, wall_s)
        return message_id(ident, alert.key)

    def _queue(
        self,
        connection: sqlite3.Connection,
        ident: str,
        target: str,
        alert: Alert,
        wall_s: int,
    ) -> int:
        return connection.execute(
            "INSERT OR IGNORE INTO message VALUES (?,?,?,?,?,?,?,0,?,NULL,NULL,NULL)",
            (
                *(message_id(ident, alert.key), ident, target, str(alert.kind), alert.key),
                *(json.dumps(alert.data, sort_keys=True), wall_s, wall_s),
            ),
        ).rowcount

    def due_messages(self, wall_s: int, limit: int) -> Sequence[Message]:
        """Return messages whose time has come, oldest first, within each address's daily cap."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT id, subscription, target, kind, data, created_s, attempts FROM message"
                " WHERE sent_s IS NULL AND failed IS NULL AND next_s <= ?"
                " ORDER BY created_s, id LIMIT ?",
                (wall_s, limit),
            ).fetchall()
            found: list[Message] = []
            taken: dict[str, int] = {}
            for ident, owner, target, kind, data, created_s, attempts in rows:
                row = connection.execute(
                    "SELECT * FROM subscription WHERE id = ?", (owner,)
                ).fetchone()
                if row is None:
                    connection.execute("UPDATE message SET failed = 'ended' WHERE id = ?", (ident,))
                    continue
                if target not in taken:
                    taken[target] = self._sent_today(connection, target, wall_s)
                if kind != CONFIRM and taken[target] >= MESSAGES_MAX:
                    self._postpone(connection, ident, target, wall_s)
                    continue
                taken[target] += 1
                found.append(
                    Message(
                        ident=ident,
                        subscription=_subscription(row),
                        kind=kind,
                        data=json.loads(data),
                        created_s=created_s,
                        attempts=attempts,
                    )
                )
        return found

    def _sent_today(self, connection: sqlite3.Connection, target: str, wall_s: int) -> int:
        (count,) = connection.execute(
            "SELECT count(*) FROM message WHERE target = ? AND sent_s > ?",
            (target, wall_s - DAY_S),
        ).fetchone()
        return int(count)

    def _postpone(
        self, connection: sqlite3.Connection, ident: str, target: str, wall_s: int
    ) -> None:
        """Let a message wait until the day of the oldest one that counts is over."""
        (oldest,) = connection.execute(
            "SELECT min(sent_s) FROM message WHERE target = ? AND sent_s > ?",
            (target, wall_s - DAY_S),
        ).fetchone()
        next_s = wall_s + DAY_S if oldest is None else oldest + DAY_S
        connection.execute("UPDATE message SET next_s = ? WHERE id = ?", (next_s, ident))

    def sent(self, ident: str, wall_s: int) -> None:
        """Note that a message was taken by who carries it on."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE message SET sent_s = ?, attempts = attempts + 1, trouble = NULL"
                " WHERE id = ?",
                (wall_s, ident),
            )

    def not_sent(self, ident: str, why: str, next_s: int | None) -> None:
        """Note a failed attempt: tried again at `next_s`, real time; None: never."""
        with self._connection() as connection:
            connection.execute(
                "UPDATE message SET attempts = attempts + 1, next_s = coalesce(?, next_s),"
                " trouble = ?, failed = ? WHERE id = ?",
                (next_s, why, why if next_s is None else None, ident),
            )

    def is_sent(self, ident: str) -> bool:
        """Tell whether a message was delivered."""
        with self._connection() as connection:
            row = connection.execute("SELECT sent_s FROM message WHERE id = ?", (ident,)).fetchone()
        return row is not None and row[0] is not None

    # --- links ----------------------------------------------------------------------------------

    def token(self, purpose: str, ident: str) -> str:
        """Return what a link in a message carries: only who has the message can act with it."""
        return f"{ident}.{self._mac(purpose, ident)}"

    def ident_of(self, purpose: str, token: str) -> str:
        """Return the subscription that a link is for; raise InvalidInput for a false one."""
        ident, _, mac = token.partition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(purpose, ident).encode()):
            raise InvalidInput(
                gettext("this link is not one that was sent from here"),
                hint=gettext("copy it whole"),
            )
        return ident

    def _mac(self, purpose: str, ident: str) -> str:
        return hmac.digest(self._secret, f"{purpose}:{ident}".encode(), "sha256").hex()[:32]

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open, commit what was done unless it failed, close."""
        try:
            connection = sqlite3.connect(self._path, timeout=WAIT_S)
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path} cannot be opened: {error}") from error
        try:
            with connection:
                connection.execute("PRAGMA synchronous=FULL")
                yield connection
        except sqlite3.OperationalError as error:
            raise Unavailable(f"{self._path}: {error}", hint="try again") from error
        except sqlite3.DatabaseError as error:
            raise Corrupt(
                f"{self._path} is damaged: {error}", hint="restore it from a backup"
            ) from error
        finally:
            connection.close()


def message_id(subscription: str, key: str) -> str:
    """Return a message's id: the same for the same cause, whoever computes it again."""
    return hashlib.sha256(f"{subscription}\n{key}".encode()).hexdigest()[:32]


def _subscription(row: Sequence[Any]) -> Subscription:
    ident, account, channel, target, kinds, silent_after_s, language = row[:7]
    _, _, confirmed_s, since_s, epochs_seen, payouts_seen = row[7:]
    return Subscription(
        ident=ident,
        account=account,
        channel=Channel(channel),
        target=target,
        kinds=frozenset(Kind(kind) for kind in kinds.split(",") if kind),
        silent_after_s=silent_after_s,
        language=language,
        in_force=confirmed_s is not None,
        since_s=since_s,
        epochs_seen=epochs_seen,
        payouts_seen=payouts_seen,
    )


def _standing(connection: sqlite3.Connection, row: Sequence[Any]) -> Standing:
    subscription = _subscription(row)
    sent, waiting = connection.execute(
        "SELECT count(sent_s), count(*) - count(coalesce(sent_s, failed)) FROM message"
        " WHERE subscription = ?",
        (subscription.ident,),
    ).fetchone()
    newest = connection.execute(
        "SELECT sent_s, trouble FROM message WHERE subscription = ? AND attempts > 0"
        " ORDER BY created_s DESC, id LIMIT 1",
        (subscription.ident,),
    ).fetchone()
    return Standing(
        subscription=subscription,
        created_s=row[8],
        sent=sent,
        waiting=waiting,
        trouble=None if newest is None or newest[0] is not None else newest[1],
    )

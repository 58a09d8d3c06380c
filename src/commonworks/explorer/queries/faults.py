"""What is wrong with a node, in plain words: what was seen, and what it means.

Everything here can be seen by anybody on chain and in the logs. Nothing is a verdict: only what the
contracts can prove is ever punished.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from commonworks.explorer.models.nodes import Bond, Duty, Fault, FaultKind, Weight
from commonworks.explorer.site import Site
from commonworks.explorer.web.i18n import gettext, ngettext
from commonworks.explorer.web.templating import duration, number
from commonworks.units import HOUR_S

ANCHOR_LATE_S: Final = 2 * HOUR_S
"""Twice the longest time between two anchors of a log that grows (gateway settings)."""

EPOCHS_NAMED: Final = 20
"""Most epochs that a fault names."""


def of_verifier(site: Site, bond: Bond, stake: int, done: Sequence[Duty]) -> list[Fault]:
    """Return a verifier's faults; `done` are its duties, the newest epoch first."""
    found = [
        *_other_digests(done),
        *_missed_confirmations(done),
        *_missed_attestations(done),
        *_unbonding(site, bond),
    ]
    if stake == 0:
        found.append(
            _fault(
                FaultKind.NO_VOICE,
                Weight.PLAIN,
                gettext("No voice"),
                gettext(
                    "Its bond is below the minimum, so what it confirms and attests does not count."
                ),
            )
        )
    return found


def of_gateway(
    site: Site,
    bond: Bond,
    *,
    entries: int | None,
    anchored: int | None,
    last_sign: int,
    has_key: bool,
) -> list[Fault]:
    """Return a gateway's faults; `last_sign` is when it anchored last, or registered."""
    found = []
    if not has_key:
        found.append(
            _fault(
                FaultKind.WRONG_KEY,
                Weight.BAD,
                gettext("Its log's key is none"),
                gettext(
                    "Log id, origin and key do not belong together, so no checkpoint of this log "
                    "can be verified."
                ),
            )
        )
    found += _anchoring(site, entries, anchored, last_sign)
    found += _unbonding(site, bond)
    if bond.minimum is not None and int(bond.bonded) < int(bond.minimum):
        found.append(
            _fault(
                FaultKind.NO_VOICE,
                Weight.PLAIN,
                gettext("Bond below the minimum"),
                gettext("It may log and anchor, and has no share in the emission."),
            )
        )
    return found


# --- verifiers ------------------------------------------------------------------------------------


def _other_digests(done: Sequence[Duty]) -> Iterator[Fault]:
    wrong = [duty.epoch for duty in done if duty.agrees is False]
    if wrong:
        yield _fault(
            FaultKind.OTHER_DIGEST,
            Weight.BAD,
            gettext("Attested another result"),
            ngettext(
                "For %(num)s epoch it signed another result than the one that a quorum finalised: "
                "it computed by other rules, from other evidence, or lied. Recompute the epoch to "
                "see who is right.",
                "For %(num)s epochs it signed another result than the one that a quorum "
                "finalised: it computed by other rules, from other evidence, or lied. Recompute an "
                "epoch to see who is right.",
                len(wrong),
            ),
            wrong,
        )


def _missed_confirmations(done: Sequence[Duty]) -> Iterator[Fault]:
    missed = [duty.epoch for duty in done if duty.due and duty.confirmed_at is None]
    if missed:
        yield _fault(
            FaultKind.MISSED_CONFIRMATION,
            Weight.WAIT,
            gettext("Evidence not confirmed"),
            ngettext(
                "It had a voice in %(num)s epoch whose evidence it did not confirm in time: it was "
                "away, or did not hold all logs. The epoch was closed with what the others held.",
                "It had a voice in %(num)s epochs whose evidence it did not confirm in time: it "
                "was away, or did not hold all logs. They were closed with what the others held.",
                len(missed),
            ),
            missed,
        )


def _missed_attestations(done: Sequence[Duty]) -> Iterator[Fault]:
    missed = [d.epoch for d in done if d.due and d.finalised and d.attested_at is None]
    if missed:
        yield _fault(
            FaultKind.MISSED_ATTESTATION,
            Weight.WAIT,
            gettext("Result not attested"),
            ngettext(
                "It had a voice in %(num)s epoch that was finalised without it: it was away, or "
                "slower than a quorum of the others.",
                "It had a voice in %(num)s epochs that were finalised without it: it was away, or "
                "slower than a quorum of the others.",
                len(missed),
            ),
            missed,
        )


# --- gateways -------------------------------------------------------------------------------------


def _anchoring(
    site: Site, entries: int | None, anchored: int | None, last_sign: int
) -> Iterator[Fault]:
    late = site.clock.now() - last_sign
    if entries is not None and anchored is not None and anchored > entries:
        yield _fault(
            FaultKind.ENTRIES_UNSEEN,
            Weight.WAIT,
            gettext("Entries not seen here"),
            gettext(
                "It anchored %(count)s entries that this site has not read: the site is behind, or "
                "the gateway does not hand them out. What nobody can read is confirmed by nobody.",
                count=number(anchored - entries),
            ),
        )
    if anchored is None and not entries:
        yield _fault(
            FaultKind.NEVER_ANCHORED,
            Weight.PLAIN,
            gettext("Nothing anchored yet"),
            gettext("It has registered and not yet committed to any entry on the chain."),
        )
    elif entries is not None and entries > (anchored or 0) and late > ANCHOR_LATE_S:
        yield _fault(
            FaultKind.ANCHORS_STOPPED,
            Weight.BAD,
            gettext("Anchors have stopped"),
            gettext(
                "%(count)s entries wait for their anchor, the last of which came %(span)s ago. "
                "Until they are anchored no epoch can settle them; devices hand them to another "
                "gateway when that takes too long.",
                count=number(entries - (anchored or 0)),
                span=duration(late),
            ),
        )


# --- both -----------------------------------------------------------------------------------------


def _unbonding(site: Site, bond: Bond) -> Iterator[Fault]:
    if not int(bond.unbonding) or bond.ready_at is None:
        return
    left = bond.ready_at - site.clock.now()
    meaning = gettext(
        "It asked for its bond, or a part of it, back: that part counts no more and can be taken "
        "out in %(span)s.",
        span=duration(left),
    )
    if left <= 0:
        meaning = gettext(
            "It asked for its bond, or a part of it, back: that part counts no more and may have "
            "been taken out already."
        )
    yield _fault(FaultKind.UNBONDING, Weight.PLAIN, gettext("Leaving"), meaning)


def _fault(
    kind: FaultKind, weight: Weight, title: str, meaning: str, epochs: Sequence[int] = ()
) -> Fault:
    return Fault(
        kind=kind,
        weight=weight,
        title=title,
        meaning=meaning,
        epochs=list(epochs[:EPOCHS_NAMED]),
        count=len(epochs),
    )

"""The back-test: past epochs settled again under another policy, before anybody votes on it.

Goal: a proposal shows who would have gained and who would have lost. Rule: evidence, orders and
facts are what they were, and the same `settle()` does it; nobody behaves otherwise because of the
policy. Invariant: the same epochs under their own policy are recomputed beside it, and must equal
what was finalised; otherwise there is no result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonworks.errors import Conflict, InvalidInput, NotFound
from commonworks.events import ParameterDefined
from commonworks.model import Facts, Settlement, State
from commonworks.policy import Policy
from commonworks.resources.base import Resource, Table
from commonworks.settlement.facts import facts_at, policy_at, text_of
from commonworks.settlement.ledger import Ledger
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL
from commonworks.wiring.audit import compare
from commonworks.wiring.evidence import (
    EpochEvidence,
    Source,
    handed_over,
    may_be_erased,
    read_evidence,
)

OUTSIDE: Final = "outside"
"""Name of the table in which a resource says what moved outside the Vault, by account: columns
`account`, `earned_micro`, `paid_micro`. Without it a dearer network would look like a saving."""

RULES: Final = "rules"
"""Parameter that names the rules; those of this release settle here, whatever it says."""

Where = tuple[str, bytes, bytes]
"""(resource, account, asset)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Money that moved for one account in one asset, in its smallest unit."""

    earned: int = 0
    spent: int = 0
    """In the Vault."""
    outside: int = 0
    """Outside the Vault: earned less paid there, as the resource says."""

    @property
    def net(self) -> int:
        """What is left: earned less spent, what moved outside included."""
        return self.earned - self.spent + self.outside

    def __add__(self, other: Flow) -> Flow:
        return Flow(
            earned=self.earned + other.earned,
            spent=self.spent + other.spent,
            outside=self.outside + other.outside,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChange:
    """What one account has from one resource, as it was and as it would have been."""

    resource: str
    """A resource, or who else shares in the emission: `verifiers`, `gateways`, `treasury`."""
    account: bytes
    asset: bytes
    """Address of the token or of the settlement currency."""
    before: Flow
    after: Flow

    @property
    def gain(self) -> int:
        """What it would have more; negative: what it would have less."""
        return self.after.net - self.before.net


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochTotals:
    """One epoch in a few numbers."""

    paid_micro: int
    """Currency that changed hands, withdrawals not counted."""
    minted_wei: int
    unminted_wei: int
    """What the schedule allowed and nobody earned."""
    figures: Mapping[tuple[str, str], int]
    """(resource, figure) -> value, from each resource's summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An epoch that the Vault would not finalise under the changed policy."""

    epoch: int
    key: str
    """The parameter that limits how much earnings grow in an epoch."""
    growth: int
    """By how much they would grow, in the unit of that parameter."""
    limit: int

    @property
    def line(self) -> str:
        """The same for a terminal."""
        return (
            f"epoch {self.epoch}: earnings would grow by {self.growth}, above {self.key} = "
            f"{self.limit}; the Vault would not finalise it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochChange:
    """One epoch of the window, as it was and as it would have been."""

    epoch: int
    before: EpochTotals
    after: EpochTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One parameter that the back-test changed."""

    key: str
    before: tuple[int, ...]
    """The values that it had in the epochs recomputed, each once; empty: it was not defined."""
    after: int
    read: bool
    """Whether anything that these epochs settled by looked at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What past epochs would have been under another policy."""

    first: int
    last: int
    """The window, both included."""
    begun_from: str
    """`genesis`: the policy was in force ever since; or the stored state before the window."""
    settings: tuple[Setting, ...]
    """Sorted by key."""
    accounts: tuple[AccountChange, ...]
    """Everybody who moved anything, over the whole window; sorted by (resource, asset, account)."""
    epochs: tuple[EpochChange, ...]
    """In order."""
    refused: tuple[Refusal, ...]
    """Epochs that the Vault would not finalise: its growth limit stops them."""
    settled: tuple[Settlement, ...]
    """The window's epochs under the changed policy; their digests mean nothing on chain."""

    @property
    def changed(self) -> tuple[AccountChange, ...]:
        """Those who would have more or less, or the same in another way."""
        return tuple(item for item in self.accounts if item.before != item.after)

    def by_account(self, asset: bytes) -> tuple[tuple[bytes, int], ...]:
        """Return (account, gain) over all resources in an asset, winners first, without zeros."""
        gains: defaultdict[bytes, int] = defaultdict(int)
        for item in self.accounts:
            if item.asset == asset:
                gains[item.account] += item.gain
        rows = [(account, gain) for account, gain in gains.items() if gain]
        return tuple(sorted(rows, key=lambda row: (-row[1], row[0])))


class _Recorded(Mapping[str, int]):
    """A policy's values that remember which of them were looked at."""

    def __init__(self, values: Mapping[str, int], read: set[str]) -> None:
        self._values = values
        self._read = read

    def __getitem__(self, key: str) -> int:
        self._read.add(key)
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


async def backtest(
    source: Source,
    overrides: Mapping[str, int],
    *,
    epochs: int,
    from_state: bool,
    until: int | None = None,
    defined: Mapping[str, int] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Backtest:
    """Settle the last finalised epochs again under a changed policy, beside their own.

    Inputs: `overrides`, parameter -> value; `defined`, parameters that the policy does not have
    yet -> value; `epochs` >= 1, how many of the last ones to show, up to epoch `until` where that
    is given. From genesis the changed policy is in force from epoch 0 on and only the last epochs
    are shown; with `from_state` it is in force from the first epoch shown on, after the stored
    state that the chain vouches for.
    Returns: per account and epoch what was and what would have been.
    Guarantees: from genesis, the same as a network that had this policy from the start and the same
    evidence and facts.
    Raises: InvalidInput for a parameter that a vote could not set so; NotFound when nothing is
    finalised or a log or state is missing; Conflict when evidence was erased by rule or is damaged,
    or when the epochs do not come out as they were finalised.
    """
    if not source.view.finalised:
        raise NotFound("no epoch is finalised yet", hint="wait for the first one to settle")
    if epochs < 1:
        raise InvalidInput("a back-test needs an epoch at least", hint="give --epochs 1 or more")
    _check(source, overrides)
    values = {**overrides, **(defined or {})}
    last = _last(source, until)
    first = max(0, last + 1 - epochs)
    begin = first if from_state else 0
    was = would = await handed_over(source, begin - 1)
    tally = _Tally(source, first, values)
    read: set[str] = set()
    for number in range(begin, last + 1):
        progress(f"back-testing epoch {number} of {begin}..{last}")
        evidence = _whole(source, number, await read_evidence(source, number, None))
        facts = facts_at(source.network, source.view.events, number)
        policy = policy_at(source.view.events, number)
        changed = replace(policy, values=_Recorded({**policy.values, **values}, read))
        before = settle(source.resources, policy, facts, was, evidence.evidence)
        differences = compare(before, source)
        if differences:
            raise Conflict(
                f"{differences[0]}: what was finalised does not follow from the evidence here, so "
                "a back-test would mean nothing",
                hint=f"see where they part: commonworks audit {number}",
                why="differs",
            )
        after = settle(source.resources, changed, facts, would, evidence.evidence)
        tally.add(facts, changed, would, before, after)
        was, would = before.state, after.state
    return tally.result(
        last=last,
        begun_from=f"the state of epoch {begin - 1}" if begin else "genesis",
        settings=tuple(
            Setting(
                key=key,
                before=_values(source, key, range(begin, last + 1)),
                after=values[key],
                read=key in read and key != RULES,
            )
            for key in sorted(values)
        ),
    )


def _last(source: Source, until: int | None) -> int:
    """Return the newest finalised epoch, or the one asked for."""
    last = max(source.view.finalised)
    if until is None:
        return last
    if until not in source.view.finalised:
        raise NotFound(f"epoch {until} is not finalised", hint=f"the newest is {last}")
    return until


def _check(source: Source, overrides: Mapping[str, int]) -> None:
    """Refuse what a vote could not set: unknown parameters, values out of bounds."""
    bounds = {
        text_of(event.key): (event.minimum, event.maximum)
        for event in source.view.events
        if isinstance(event, ParameterDefined)
    }
    for key, value in overrides.items():
        if key not in bounds:
            raise InvalidInput(
                f"this network has no parameter {key}", hint="see: commonworks policy list"
            )
        minimum, maximum = bounds[key]
        if not minimum <= value <= maximum:
            raise InvalidInput(
                f"{key} = {value} is outside {minimum}..{maximum}",
                hint="a vote cannot set it so; choose a value within the bounds",
            )


def _whole(source: Source, epoch: int, read: EpochEvidence) -> EpochEvidence:
    """Return evidence that is all there; raise Conflict where it is not."""
    if read.missing and may_be_erased(source, epoch):
        raise Conflict(
            f"epoch {epoch}: evidence erased by rule",
            hint="test later epochs: fewer --epochs, --from-state",
            why="erased",
        )
    for line in (*read.faults, *read.missing):
        hint = "ask another gateway for its log: --log"
        raise Conflict(f"epoch {epoch}: {line}", hint=hint, why="incomplete")
    return read


def _values(source: Source, key: str, epochs: range) -> tuple[int, ...]:
    """Return the values that a parameter had in some epochs, in order, repetitions left out."""
    found: list[int] = []
    for number in (epochs[0], *epochs):
        value = policy_at(source.view.events, number).values.get(key)
        if value is not None and (not found or found[-1] != value):
            found.append(value)
    return tuple(found)


class _Tally:
    """What the two runs gathered so far, for the epochs of the window."""

    def __init__(self, source: Source, first: int, values: Mapping[str, int]) -> None:
        self._source = source
        self._first = first
        now = policy_at(source.view.events, max(0, source.network.epoch_at(source.now)))
        self._now = {**now.values, **values}
        """The changed policy as it is now: a limit raised by vote lets a late epoch through."""
        self._before: defaultdict[Where, Flow] = defaultdict(Flow)
        self._after: defaultdict[Where, Flow] = defaultdict(Flow)
        self._epochs: list[EpochChange] = []
        self._settled: list[Settlement] = []
        self._refused: list[Refusal] = []

    def add(
        self, facts: Facts, changed: Policy, left: State, before: Settlement, after: Settlement
    ) -> None:
        """Take in one epoch, settled both ways; `left` is the state the changed run came from."""
        self._refused += self._refusals(changed, left, after)
        if before.epoch < self._first:
            return
        for settled, flows in ((before, self._before), (after, self._after)):
            for where, flow in booked(self._source.resources, facts, settled).items():
                flows[where] += flow
        self._epochs.append(
            EpochChange(epoch=before.epoch, before=_totals(before), after=_totals(after))
        )
        self._settled.append(after)

    def result(self, *, last: int, begun_from: str, settings: tuple[Setting, ...]) -> Backtest:
        """Return everything that was gathered."""
        everybody = {*self._before, *self._after}
        return Backtest(
            first=self._first,
            last=last,
            begun_from=begun_from,
            settings=settings,
            accounts=tuple(
                AccountChange(
                    resource=resource,
                    account=account,
                    asset=asset,
                    before=self._before[resource, account, asset],
                    after=self._after[resource, account, asset],
                )
                for resource, account, asset in sorted(everybody, key=lambda w: (w[0], w[2], w[1]))
            ),
            epochs=tuple(self._epochs),
            refused=tuple(self._refused),
            settled=tuple(self._settled),
        )

    def _refusals(self, policy: Policy, left: State, settled: Settlement) -> Iterator[Refusal]:
        """Yield one for each asset whose growth in an epoch the Vault's breaker would stop."""
        grown: defaultdict[bytes, int] = defaultdict(int)
        for total in settled.payouts:
            grown[total.asset] += total.earned
        for total in left.totals:
            grown[total.asset] -= total.earned
        token = self._source.network.token
        for asset, growth in sorted(grown.items()):
            key = "token_growth_max_wei" if asset == token else "currency_growth_max"
            limit = max(policy.values.get(key, 0), self._now.get(key, 0))
            if growth > limit:
                yield Refusal(epoch=settled.epoch, key=key, growth=growth, limit=limit)


def booked(
    resources: Mapping[str, Resource], facts: Facts, settled: Settlement
) -> Mapping[Where, Flow]:
    """Return what one epoch moved for each account, by (resource, account, asset).

    Payments are split over payees as the settlement's own books split them. Withdrawals are not
    in it: they move an account's own money. Everybody who moved nothing is left out.
    """
    flows: defaultdict[Where, Flow] = defaultdict(Flow)
    currency, token = facts.network.currency, facts.network.token
    for part in settled.resources:
        ledger = Ledger(facts, INITIAL)
        accounts = {item.device: item.payee for item in part.payments}
        ledger.pay(currency, part.payments, accounts)
        for (asset, account), earned in ledger.earned.items():
            flow = Flow(earned=earned, spent=ledger.spent[asset, account])
            flows[part.resource, account, asset] += flow
        for account, amount in _outside(resources[part.resource].views(part)):
            flows[part.resource, account, currency] += Flow(outside=amount)
    for reward in settled.rewards:
        flows[reward.resource, reward.account, token] += Flow(earned=reward.amount_wei)
    return {where: flow for where, flow in flows.items() if flow != Flow()}


def _outside(tables: Sequence[Table]) -> Iterator[tuple[bytes, int]]:
    """Yield (account, earned less paid) from the table of what moved outside the Vault."""
    for table in tables:
        if table.name == OUTSIDE:
            for row in table.rows:
                cells = dict(zip(table.columns, row, strict=True))
                account = bytes.fromhex(str(cells["account"]).removeprefix("0x"))
                yield account, int(cells["earned_micro"]) - int(cells["paid_micro"])


def _totals(settled: Settlement) -> EpochTotals:
    return EpochTotals(
        paid_micro=settled.paid_micro,
        minted_wei=settled.minted_wei,
        unminted_wei=settled.unminted_wei,
        figures={
            (part.resource, name): value
            for part in settled.resources
            for name, value in sorted(part.summary.items())
        },
    )

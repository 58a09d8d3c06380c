"""What must hold of a simulated network, whatever the weather was: checks that share no code
with the roles where they could share its mistakes.

Each check returns findings, one line each; an empty list is a good run. They look at disks and at
the chain from outside, as an auditor with the machines in front of him would.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonworks.crypto.hashes import sha256
from commonworks.errors import CommonworksError, InvariantBroken
from commonworks.events import Claimed, Deposited, Tip
from commonworks.model import Entry, Evidence, Network, Service, Settlement, State, Total
from commonworks.policy import Policy
from commonworks.resources.base import Resource
from commonworks.settlement.epochs import ChainView, LoggedItem
from commonworks.settlement.facts import facts_at, policy_at
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL
from commonworks.simulation.contracts import ContractsModel
from commonworks.statements.codec import decode_statement
from commonworks.statements.model import Reason
from commonworks.translog.check import Verified, read_checkpoint, verified_bundles
from commonworks.translog.notes import Checkpoint
from commonworks.translog.tiles import (
    TILE_WIDTH,
    decode_entries,
    entries_path,
    sealed_path,
)

Files = Mapping[str, bytes]
"""Everything on a disk, by path."""
Money = dict[tuple[bytes, bytes], int]
"""(asset, account) -> amount."""

ELSEWHERE: Final = sha256(b"another log")
"""Log id of a second gateway that logged the same statements."""


def read_log(files: Files) -> tuple[list[LoggedItem], list[str]]:
    """Verify the log on a gateway's disk, every tile and entry; return it with its preimages."""
    vkey = files.get("vkey", b"").decode().strip()

    def read(path: str) -> bytes | None:
        return files.get(f"log/{path}")

    checkpoint = read_checkpoint(read, vkey or None)
    if not isinstance(checkpoint, Checkpoint):
        return [], [f"the gateway's log: {checkpoint}"]
    statements: list[bytes] = []
    for found in verified_bundles(read, checkpoint):
        if not isinstance(found, Verified):
            return [], [f"the gateway's log: {found}"]
        statements += found.entries
    preimages = bundles(files, sealed_path, len(statements))
    if preimages is None:
        return [], ["the gateway's log: a bundle of payloads is missing or short"]
    return [
        LoggedItem(index=index, statement=statement, preimage=preimage or None)
        for index, (statement, preimage) in enumerate(zip(statements, preimages, strict=True))
    ], []


def bundles(files: Files, path: Callable[[int], str], size: int) -> list[bytes] | None:
    """Return the first `size` entries out of bundle files; None where one is not there."""
    entries: list[bytes] = []
    for index in range(-(-size // TILE_WIDTH)):
        whole = path(index)
        widths = [int(p.rpartition("/")[2]) for p in files if p.startswith(f"{whole}.p/")]
        width = TILE_WIDTH if whole in files else max(widths, default=0)
        data = files.get(whole if width == TILE_WIDTH else f"{whole}.p/{width}")
        if data is None or index * TILE_WIDTH + width < min(size, (index + 1) * TILE_WIDTH):
            return None
        entries += decode_entries(data, width)
    return entries[:size]


def acknowledged(log: Sequence[LoggedItem], receipts: Mapping[bytes, tuple[int, int]]) -> list[str]:
    """Everything acknowledged is in the log at its position, and nothing is in it twice."""
    findings = []
    for statement, (index, _) in receipts.items():
        if index >= len(log) or log[index].statement != statement:
            findings.append(f"acknowledged entry {index} is not what the log holds there")
    if len({item.statement for item in log}) != len(log):
        findings.append("a statement is in the log twice")
    return findings


def mirrored(log: Sequence[LoggedItem], mirror: Files, tip: Tip) -> list[str]:
    """A verifier's disk holds a log up to `tip`, payloads included, as the gateway has it."""
    prefix = f"logs/{tip.log_id.hex()}/"
    below = {p.removeprefix(prefix): data for p, data in mirror.items() if p.startswith(prefix)}
    statements = bundles(below, entries_path, tip.size)
    preimages = bundles(below, sealed_path, tip.size)
    if statements is None or preimages is None:
        return [f"the mirror does not hold {tip.size} entries"]
    expected = log[: tip.size]
    if statements != [item.statement for item in expected]:
        return ["the mirror holds other statements than the log"]
    if preimages != [item.preimage or b"" for item in expected]:
        return ["the mirror holds other payloads than the log"]
    return []


# --- settlement ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """One epoch, settled by the simulation itself from the gateway's disk and the chain."""

    settlement: Settlement
    known: frozenset[bytes]
    """Identities that the evidence up to this epoch holds and whose time lies before its end."""
    service: tuple[Service, ...]
    """What nodes did for the epochs that were finalised while this one ran."""


def resettle(
    view: ChainView,
    network: Network,
    resources: Mapping[str, Resource],
    log: Sequence[LoggedItem],
    epochs: int,
    chance: random.Random,
) -> tuple[list[Settled], list[str]]:
    """Settle every finalised epoch again, once as it was and once in another shape.

    The other shape: entries in another order, some of them doubled, all of the last epoch's come
    again from another log. It must give the same result and the same payouts.
    """
    state, findings, settled = INITIAL, list[str](), list[Settled]()
    known: set[bytes] = set()
    times = {item.index: _time(item) for item in log}
    before: tuple[Entry, ...] = ()
    for epoch in range(min(epochs, len(view.finalised))):
        closed = view.closed[epoch]
        items = [(part, log[part.first : part.size]) for part in closed.ranges]
        evidence = view.evidence(closed, items)
        try:
            result = _settle(view, network, resources, state, evidence)
            other = _reshape(evidence, before, chance)
            again = _settle(view, network, resources, state, other)
        except (CommonworksError, InvariantBroken) as error:
            findings.append(f"epoch {epoch} cannot be settled from its evidence: {error}")
            break
        findings += _compare(view, epoch, result)
        if _outcome(again) != _outcome(result):
            findings.append(f"epoch {epoch}: duplicates or order change its result")
        known |= {log[entry.index].statement for entry in evidence.entries}
        end = network.epoch_start(epoch + 1)
        settled.append(
            Settled(
                settlement=result,
                known=frozenset(
                    item.statement
                    for item in log
                    if item.statement in known and times[item.index] < end
                ),
                service=facts_at(network, view.events, epoch).service,
            )
        )
        state, before = result.state, evidence.entries
    return settled, findings


def _settle(
    view: ChainView,
    network: Network,
    resources: Mapping[str, Resource],
    state: State,
    evidence: Evidence,
) -> Settlement:
    policy: Policy = policy_at(view.events, evidence.epoch)
    facts = facts_at(network, view.events, evidence.epoch)
    return settle(resources, policy, facts, state, evidence)


def _reshape(evidence: Evidence, before: Sequence[Entry], chance: random.Random) -> Evidence:
    entries = list(evidence.entries)
    copies = [*chance.sample(entries, len(entries) // 3), *before]
    entries += [replace(entry, log_id=ELSEWHERE) for entry in copies]
    chance.shuffle(entries)
    return replace(evidence, entries=tuple(entries))


def _outcome(result: Settlement) -> tuple[bytes, bytes, int, int]:
    made = result.commitment
    return made.result_hash, made.payout_root, result.minted_wei, result.paid_micro


def _compare(view: ChainView, epoch: int, result: Settlement) -> list[str]:
    final = view.finalised[epoch]
    if final.commitment != result.commitment:
        return [f"epoch {epoch} was finalised with another result than its evidence gives"]
    if final.digest != result.digest:
        return [f"epoch {epoch}: the contract's digest is not the settlement's"]
    return []


def archived(result: Settlement, found: Settlement | None) -> list[str]:
    """A verifier's archive holds what the evidence gives."""
    if found == result:
        return []
    return [f"epoch {result.epoch}: the verifier's archive holds another settlement"]


def agrees(result: Settled, undisturbed: Settled, *, arrived: bool, served: bool) -> list[str]:
    """An epoch's result is that of the undisturbed run when the same was known in time.

    `arrived`: everything reached the gateway within the grace, and nobody was away while the
    epoch closed; then the same must have been known. `served`: up to here nodes finalised each
    epoch while the same one ran as undisturbed; without it, they may be rewarded otherwise.
    """
    epoch = result.settlement.epoch
    if result.known != undisturbed.known:
        missing = len(undisturbed.known - result.known)
        told = f"epoch {epoch}: {missing} statements arrived in time and were not settled in it"
        return [told] if arrived else []
    judge = _outcome if served else _contributions
    if judge(result.settlement) != judge(undisturbed.settlement):
        return [f"epoch {epoch}: the same evidence gave another result than in calm weather"]
    return []


def _contributions(result: Settlement) -> tuple[object, ...]:
    """Return what an epoch comes to, without what nodes and treasury get."""
    names = {part.resource for part in result.resources}
    rewards = [reward for reward in result.rewards if reward.resource in names]
    return result.verdicts, result.resources, rewards, result.withdrawn, result.paid_micro


# --- money --------------------------------------------------------------------------------------


def money(contracts: ContractsModel, view: ChainView, settled: Sequence[Settlement]) -> list[str]:
    """Per asset claimed <= earned <= spent + minted and spent <= deposited; nobody is paid twice.

    What the Vault says is compared with the tokens that really moved.
    """
    findings = []
    deposited, claimed = _sums(view)
    latest: dict[tuple[bytes, bytes], Total] = {}
    for result in settled:
        findings += _grown(result, latest)
        latest = {(total.asset, total.account): total for total in result.payouts}
        findings += _conserved(result, contracts.plan.token, deposited)
    for where, amount in claimed.items():
        earned = latest[where].earned if where in latest else 0
        if amount > earned:
            findings.append(f"{_who(where)} was paid {amount} and earned {earned}")
    minted = settled[-1].commitment.minted_wei if settled else 0
    for token in (contracts.token, contracts.currency):
        asset = token.address
        inflow = _of(asset, deposited) + (minted if asset == contracts.plan.token else 0)
        held = token.balances[contracts.plan.vault]
        if held != inflow - _of(asset, claimed):
            findings.append(f"the Vault holds {held} of {asset.hex()[:8]}, its books say otherwise")
        if sum(token.balances.values()) != token.supply:
            findings.append(f"the balances of {asset.hex()[:8]} are not its supply")
    return findings


def _sums(view: ChainView) -> tuple[Money, Money]:
    deposited: Money = defaultdict(int)
    claimed: Money = defaultdict(int)
    for event in view.events:
        if isinstance(event, Deposited):
            deposited[event.asset, event.account] += event.amount
        elif isinstance(event, Claimed):
            claimed[event.asset, event.account] += event.amount
    return deposited, claimed


def _grown(result: Settlement, before: Mapping[tuple[bytes, bytes], Total]) -> list[str]:
    """Cumulative amounts never fall, and no leaf goes away."""
    now = {(total.asset, total.account): total for total in result.payouts}
    fallen = [
        where
        for where, old in before.items()
        if where not in now or now[where].earned < old.earned or now[where].spent < old.spent
    ]
    return [f"epoch {result.epoch}: the totals of {_who(where)} fell" for where in fallen]


def _conserved(result: Settlement, token: bytes, deposited: Money) -> list[str]:
    findings = []
    earned: Money = defaultdict(int)
    spent: Money = defaultdict(int)
    for total in result.payouts:
        earned[total.asset, b""] += total.earned
        spent[total.asset, b""] += total.spent
        if total.spent > deposited.get((total.asset, total.account), 0):
            who = _who((total.asset, total.account))
            findings.append(f"epoch {result.epoch}: {who} spent more than was deposited")
    for sums in result.commitment.totals:
        where = (sums.asset, b"")
        if (earned[where], spent[where]) != (sums.earned, sums.spent):
            findings.append(f"epoch {result.epoch}: the leaves do not add up to the totals")
        minted = result.commitment.minted_wei if sums.asset == token else 0
        if sums.earned > sums.spent + minted:
            findings.append(f"epoch {result.epoch}: more was earned than spent and minted")
    return findings


def _of(asset: bytes, amounts: Money) -> int:
    return sum(amount for (which, _), amount in amounts.items() if which == asset)


def _who(where: tuple[bytes, bytes]) -> str:
    return f"{where[1].hex()[:8]} (asset {where[0].hex()[:8]})"


# --- statements ---------------------------------------------------------------------------------


def _time(item: LoggedItem) -> int:
    decoded = decode_statement(item.statement, item.preimage)
    if isinstance(decoded, Reason) or decoded.payload is None:
        return 0
    return decoded.payload.time

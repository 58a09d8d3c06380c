"""The verifier's round: confirm, close, settle, attest, finalise.

Goal: any number of verifiers reach the same digest from the same evidence, whenever each of them
wakes up. Rule: `tick()` does what is due now and can be repeated or cut off at any point; what was
done already is known from the chain's events, never from memory alone.
Invariant: a verifier confirms only what it holds, and attests only what it settled itself under
the rules that the policy names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from commonworks import canonical
from commonworks.errors import CommonworksError, Conflict, Corrupt, Unavailable
from commonworks.events import (
    GatewayRegistered,
    Tip,
)
from commonworks.model import (
    Network,
    Settlement,
    State,
)
from commonworks.policy import Policy
from commonworks.ports import Attest, Chain, Clock, Close, Confirm, Finalise, Log, Store
from commonworks.resources.base import Resource
from commonworks.settlement.epochs import ChainView
from commonworks.settlement.facts import facts_at, policy_at
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL
from commonworks.verifier.mirror import Mirror
from commonworks.verifier.reader import log_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that kept a round from completing; shown to the operator, retried next round."""

    what: str
    """One line: where and what."""
    error: CommonworksError


class Verifier:
    """One bonded verifier over its ports."""

    def __init__(
        self,
        *,
        network: Network,
        operator: bytes,
        chain: Chain,
        clock: Clock,
        store: Store,
        open_log: Callable[[GatewayRegistered], Log],
        resources: Mapping[str, Resource],
        rules_hash: bytes,
    ) -> None:
        """`operator` is the account that signs, 20 bytes; `rules_hash` that of our own sources."""
        self.network = network
        self.view = ChainView()
        self._operator = operator
        self._chain = chain
        self._clock = clock
        self._store = store
        self._open_log = open_log
        self._resources = resources
        self._rules_hash = rules_hash
        self._mirror = Mirror(store)
        self._logs: dict[bytes, Log] = {}
        self._block = -1
        self._state: State | None = None

    async def tick(self) -> tuple[Trouble, ...]:
        """Do everything that is due; return what went wrong and will be tried again.

        Raises: Corrupt when a quorum finalised something else than this verifier settled.
        """
        troubles: list[Trouble] = []
        await self._refresh()
        await self._mirror_logs(troubles)
        while await self._advance_evidence(troubles):
            await self._refresh()
        await self._settle_closed(troubles)
        return tuple(troubles)

    async def settlement(self, epoch: int) -> Settlement | None:
        """Return what this verifier settled for an epoch, or None."""
        return await archived(self._store, epoch)

    # --- evidence -------------------------------------------------------------------------------

    async def _refresh(self) -> None:
        head = await self._chain.head()
        if head.block > self._block:
            self.view.extend(await self._chain.events(self._block + 1, head.block))
            self._block = head.block

    async def _mirror_logs(self, troubles: list[Trouble]) -> None:
        """Copy the logs that count up to their newest anchors; one that fails stops no other."""
        evidence = {part.log_id for closed in self.view.closed.values() for part in closed.ranges}
        for log_id in sorted(evidence.union(self.view.followed())):
            gateway = self.view.gateways[log_id]
            tip = self.view.latest_tip(log_id)
            if tip is None:
                continue
            if log_id not in self._logs:
                self._logs[log_id] = self._open_log(gateway)
            try:
                await self._mirror.sync(self._logs[log_id], tip)
            except CommonworksError as error:
                troubles.append(Trouble(what=f"log of {gateway.name}", error=error))

    async def _advance_evidence(self, troubles: list[Trouble]) -> bool:
        """Confirm or close the oldest open epoch when it is time; tell whether it was closed."""
        epoch = len(self.view.closed)
        policy = policy_at(self.view.events, epoch)
        opens = self.network.epoch_start(epoch + 1) + policy["grace_s"]
        deadline = opens + policy["confirm_s"]
        now = self._clock.now()
        if now < opens:
            return False
        if now < deadline:
            await self._confirm(epoch, opens, (opens + deadline) // 2, troubles)
            return False
        return await self._send(Close(epoch=epoch), f"close of epoch {epoch}", troubles)

    async def _confirm(
        self, epoch: int, opens: int, patience: int, troubles: list[Trouble]
    ) -> None:
        """Confirm what is held, once every gateway has anchored or patience has run out.

        While there is patience a log that could not be mirrored just now may still come; after it,
        as much of it is confirmed as is held.
        """
        if (epoch, self._operator) in self.view.confirmed:
            return
        patient = self._clock.now() < patience
        if patient and not await self._all_anchored(opens):
            return
        tips: list[Tip] = []
        for log_id in self.view.followed():
            held = await self._mirror.held(log_id)
            latest = self.view.latest_tip(log_id)
            if patient and latest is not None and held.size < latest.size:
                return
            tip = self.view.tip_at(log_id, held.size)
            if tip is not None and tip.root == held.frontier.root():
                tips.append(tip)
        confirmation = Confirm(epoch=epoch, tips=tuple(tips))
        await self._send(confirmation, f"confirmation of epoch {epoch}", troubles)

    async def _all_anchored(self, opens: int) -> bool:
        """Tell whether no gateway can be about to anchor more evidence of the epoch."""
        for log_id in self.view.followed():
            time = self.view.last_anchor_time(log_id)
            if time is not None and time >= opens:
                continue
            tip, log = self.view.latest_tip(log_id), self._logs.get(log_id)
            try:
                if tip is None or log is None or await log_size(log) > tip.size:
                    return False
            except CommonworksError:
                return False
        return True

    async def _send(
        self, action: Confirm | Close | Attest | Finalise, what: str, troubles: list[Trouble]
    ) -> bool:
        """Send an action; somebody else having done it already is not trouble."""
        try:
            await self._chain.send(action)
        except Conflict as error:
            before = len(self.view.events)
            await self._refresh()
            if len(self.view.events) == before:
                troubles.append(Trouble(what=what, error=error))
                return False
        except Unavailable as error:
            troubles.append(Trouble(what=what, error=error))
            return False
        return True

    # --- settlement -----------------------------------------------------------------------------

    async def _settle_closed(self, troubles: list[Trouble]) -> None:
        """Settle, attest and finalise every closed epoch that is not final yet, in order."""
        state = await self._last_state()
        for epoch in range(state.epoch + 1, len(self.view.closed)):
            try:
                settled = await self._settle(epoch, state)
            except Unavailable as error:
                troubles.append(Trouble(what=f"settlement of epoch {epoch}", error=error))
                return
            await self._store.write({_archive(epoch): canonical.encode(settled)})
            state = self._state = settled.state
        for epoch in range(len(self.view.finalised), state.epoch + 1):
            if not await self._agree(epoch, troubles):
                return
        self._compare(state)

    async def _last_state(self) -> State:
        if self._state is None:
            self._state = INITIAL
            paths = await self._store.list("epochs/")
            if paths:
                newest = max(int(path.rsplit("/", 1)[1]) for path in paths)
                settled = await self.settlement(newest)
                if settled is not None:
                    self._state = settled.state
        return self._state

    async def _settle(self, epoch: int, state: State) -> Settlement:
        closed = self.view.closed[epoch]
        items = [(part, await self._mirror.items(part)) for part in closed.ranges]
        return settle(
            self._resources,
            policy_at(self.view.events, epoch),
            facts_at(self.network, self.view.events, epoch),
            state,
            self.view.evidence(closed, items),
        )

    def _own_rules(self, policy: Policy) -> None:
        if policy.rules_hash != self._rules_hash:
            raise Unavailable(
                f"epoch {policy.epoch} settles by rules {policy.rules_hash.hex()[:16]}, "
                f"this release has {self._rules_hash.hex()[:16]}",
                hint="run the release whose rules the policy names",
            )

    async def _agree(self, epoch: int, troubles: list[Trouble]) -> bool:
        """Attest an epoch and finalise it when a quorum agrees; tell whether it is final."""
        settled = await self.settlement(epoch)
        if settled is None:
            raise Corrupt(f"the archive lacks epoch {epoch}", hint="delete epochs/; it is rebuilt")
        try:
            self._own_rules(policy_at(self.view.events, epoch))
        except Unavailable as error:
            troubles.append(Trouble(what=f"attestation of epoch {epoch}", error=error))
            return False
        if (epoch, self._operator) not in self.view.attested:
            action = Attest(epoch=epoch, commitment=settled.commitment)
            if not await self._send(action, f"attestation of epoch {epoch}", troubles):
                return False
        if epoch not in self.view.finalised:
            final = Finalise(epoch=epoch, commitment=settled.commitment)
            if not await self._send(final, f"finalisation of epoch {epoch}", troubles):
                return False
        await self._refresh()
        return epoch in self.view.finalised

    def _compare(self, state: State) -> None:
        """Stop when a quorum finalised something else than was settled here."""
        final = self.view.finalised.get(state.epoch)
        if final is not None and final.digest != state.digest:
            raise Corrupt(
                f"epoch {state.epoch} was finalised as {final.digest.hex()[:16]}, "
                f"settled here as {state.digest.hex()[:16]}",
                hint="audit the epoch to see which difference came first",
            )


async def archived(store: Store, epoch: int) -> Settlement | None:
    """Return what the verifier of this store settled for an epoch, or None."""
    data = await store.read(_archive(epoch))
    return None if data is None else canonical.decode(Settlement, data)


def _archive(epoch: int) -> str:
    return f"epochs/{epoch:08d}"

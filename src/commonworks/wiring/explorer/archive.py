"""The evidence behind the index: settlements that the chain vouches for, and logs.

Rule: nothing that somebody stored is believed. A settlement counts only when everything in it
hashes to what was finalised; this folder's verifier stored it, or it is settled again here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from commonworks import canonical
from commonworks.chain.client import ChainClient
from commonworks.errors import (
    CommonworksError,
    Conflict,
    Corrupt,
    NotFound,
    Unavailable,
)
from commonworks.events import Finalised, GatewayRegistered
from commonworks.model import Network, Settlement, State
from commonworks.policy import Policy
from commonworks.ports import Log
from commonworks.settlement import payout
from commonworks.settlement.commitment import digest
from commonworks.settlement.emission import HALVING, emission_wei
from commonworks.settlement.epochs import ChainView
from commonworks.settlement.facts import facts_at, policy_at
from commonworks.settlement.settle import settle
from commonworks.settlement.state import INITIAL, state_hash
from commonworks.translog.notes import NoteKey
from commonworks.transport.client import HttpTransport
from commonworks.wiring.evidence import AuditedLog, Source, may_be_erased, read_evidence
from commonworks.wiring.explorer.site import folder_of
from commonworks.wiring.home import write_durably
from commonworks.wiring.logsource import is_url, open_source, vkey_beside
from commonworks.wiring.records import stored_settlement
from commonworks.wiring.session import Session, gateway_note_key

LOG_TIMEOUT_S: Final = 20
"""How long one request to a gateway may take, real time."""

STATE: Final = "state"
"""File of the newest state that was settled here; believed only by its hash on chain."""


def vouched(settled: Settlement, network: Network, policy: Policy, final: Finalised) -> bool:
    """Tell whether everything in a settlement follows from what was finalised.

    The commitment's hashes cover verdicts, results, rewards, withdrawals, state and payouts; the
    few sums beside them are checked against these.
    """
    said = final.commitment
    outcome = [
        settled.epoch,
        settled.verdicts,
        settled.resources,
        settled.rewards,
        settled.withdrawn,
    ]
    minted = sum(reward.amount_wei for reward in settled.rewards)
    paid = sum(p.amount for result in settled.resources for p in result.payments)
    before = settled.state.halvings - HALVING // policy["half_life_epochs"]
    return (
        settled.epoch == final.epoch == settled.state.epoch
        and settled.digest == final.digest == settled.state.digest
        and settled.commitment == said
        and digest(network.network_id, final.epoch, said) == final.digest
        and canonical.digest(outcome) == said.result_hash
        and state_hash(settled.state) == said.state_hash
        and settled.payouts == settled.state.totals
        and payout.root(settled.payouts) == said.payout_root
        and settled.minted_wei == minted
        and settled.paid_micro == paid
        and settled.unminted_wei
        == emission_wei(network.initial_emission_wei, max(before, 0)) - minted
    )


class ChainArchive:
    """Implements `explorer.ports.Archive` over a folder, its chain and the gateways."""

    def __init__(
        self,
        session: Session,
        chain: ChainClient,
        transport: HttpTransport,
        *,
        reader: str | None,
        recompute: bool,
        keep: Path,
    ) -> None:
        """`reader`: account of this folder that asks for sealed payloads over HTTP; `recompute`:
        settle again where the evidence is at hand, instead of reading what the verifier stored;
        `keep`: folder for the state between two epochs.
        """
        self._session = session
        self._chain = chain
        self._transport = transport
        self._reader = reader
        self._recompute = recompute
        self._keep = keep
        self._view = ChainView()
        self._block = session.deployment.genesis_block - 1
        self._lock = asyncio.Lock()
        self._state: State | None = None
        """What the newest epoch that was asked for left."""
        self._logs: dict[bytes, AuditedLog] = {}

    async def settlement(self, epoch: int) -> Settlement | None:
        """See `explorer.ports.Archive.settlement`.

        Raises: Conflict when this release settles the epoch otherwise than it was finalised;
        Unavailable, Unauthorized or NotFound when its evidence cannot be read from here.
        """
        async with self._lock:
            final = self._view.finalised.get(epoch)
            if final is None:
                await self._refresh()
                final = self._view.finalised.get(epoch)
            if final is None:
                return None
            settled = await self._found(epoch, final)
            if settled is not None and (self._state is None or epoch > self._state.epoch):
                self._state = settled.state
            return settled

    def log(self, log_id: bytes) -> Log | None:
        """See `explorer.ports.Archive.log`."""
        gateway = self._view.gateways.get(log_id)
        if gateway is None:
            return None
        found = self._audited(gateway)
        return None if found is None else found.log

    def note_key(self, log_id: bytes) -> NoteKey | None:
        """See `explorer.ports.Archive.note_key`."""
        gateway = self._view.gateways.get(log_id)
        return None if gateway is None else gateway_note_key(gateway)

    async def refresh(self) -> None:
        """Read what the chain said since."""
        async with self._lock:
            await self._refresh()

    async def _refresh(self) -> None:
        head = await self._chain.head()
        if head.block > self._block:
            self._view.extend(await self._chain.events(self._block + 1, head.block))
            self._block = head.block

    # --- settlements ----------------------------------------------------------------------------

    async def _found(self, epoch: int, final: Finalised) -> Settlement | None:
        """Return the settlement by the way that comes first here, else by the other."""
        if not self._recompute:
            stored = await self._stored(epoch, final)
            if stored is not None:
                return stored
        try:
            return await self._settled_again(epoch, final)
        except CommonworksError:
            stored = await self._stored(epoch, final) if self._recompute else None
            if stored is None:
                raise
            return stored

    async def _stored(self, epoch: int, final: Finalised) -> Settlement | None:
        """Return what this folder's verifier stored, None where it is not what was finalised."""
        try:
            settled = await stored_settlement(self._session.home, epoch)
        except (Conflict, Corrupt):
            return None
        if settled is None:
            return None
        policy = policy_at(self._view.events, epoch)
        good = await asyncio.to_thread(vouched, settled, self._session.network, policy, final)
        return settled if good else None

    async def _settled_again(self, epoch: int, final: Finalised) -> Settlement:
        state = await self._state_before(epoch)
        source = self._source()
        read = await read_evidence(source, epoch, None)
        if read.missing and may_be_erased(source, epoch):
            raise NotFound(
                f"the evidence of epoch {epoch} was erased by rule",
                hint="a verifier that settled it has the result",
            )
        wrong = (*read.faults, *read.missing)
        if wrong:
            raise Unavailable(f"the evidence of epoch {epoch} is not whole: {wrong[0]}")
        policy = policy_at(self._view.events, epoch)
        facts = facts_at(self._session.network, self._view.events, epoch)
        settled = await asyncio.to_thread(
            settle, self._session.resources, policy, facts, state, read.evidence
        )
        if settled.digest != final.digest:
            raise Conflict(
                f"epoch {epoch} was finalised otherwise than it is settled here",
                hint=f"see where they part: commonworks audit {epoch}",
            )
        await asyncio.to_thread(self._keep_state, settled.state)
        return settled

    async def _state_before(self, epoch: int) -> State:
        """Return the state that the epoch before left, as the chain vouches for it."""
        if epoch == 0:
            return INITIAL
        if self._state is not None and self._state.epoch == epoch - 1:
            return self._state
        final = self._view.finalised[epoch - 1]
        for stored in (await self._kept(), await self._verifiers_state(epoch - 1)):
            if (
                stored is not None
                and stored.epoch == epoch - 1
                and state_hash(stored) == final.commitment.state_hash
            ):
                return replace(stored, digest=final.digest)
        raise NotFound(
            f"no stored state of epoch {epoch - 1} that the chain vouches for",
            hint="begin at genesis: commonworks index rebuild",
        )

    async def _verifiers_state(self, epoch: int) -> State | None:
        try:
            settled = await stored_settlement(self._session.home, epoch)
        except (Conflict, Corrupt):
            return None
        return None if settled is None else settled.state

    async def _kept(self) -> State | None:
        def read() -> State | None:
            try:
                return canonical.decode(State, (self._keep / STATE).read_bytes())
            except (OSError, Corrupt):
                return None

        return await asyncio.to_thread(read)

    def _keep_state(self, state: State) -> None:
        write_durably(self._keep / STATE, canonical.encode(state))

    # --- logs -----------------------------------------------------------------------------------

    def _source(self) -> Source:
        """Return what recomputing reads: the logs of closed evidence."""
        wanted = {part.log_id for closed in self._view.closed.values() for part in closed.ranges}
        logs: dict[bytes, AuditedLog] = {}
        for log_id in wanted & self._view.gateways.keys():
            found = self._audited(self._view.gateways[log_id])
            if found is not None:
                logs[log_id] = found
        return Source(
            network=self._session.network,
            view=self._view,
            logs=logs,
            resources=self._session.resources,
            rules_hash=self._session.rules_hash,
            now=self._session.clock.now(),
            stored_state=self._verifiers_state,
        )

    def _audited(self, gateway: GatewayRegistered) -> AuditedLog | None:
        found = self._logs.get(gateway.log_id)
        if found is not None and found.name == gateway.name:
            return found
        place = self._place(gateway)
        if place is None:
            return None
        try:
            source = open_source(
                self._session, self._transport, place, gateway.log_id, self._reader
            )
        except NotFound:  # nothing is in that folder yet
            return None
        self._logs[gateway.log_id] = AuditedLog(
            name=gateway.name,
            vkey=gateway_note_key(gateway).vkey,
            log=source.log,
            read=source.read,
        )
        return self._logs[gateway.log_id]

    def _place(self, gateway: GatewayRegistered) -> str | None:
        """Return where a log lies: in this folder, else where it is registered.

        A registered name or endpoint is a stranger's text: neither leads elsewhere in this machine.
        """
        name = gateway.name
        if name not in ("", ".", "..") and "\0" not in name and Path(name).name == name:
            folder = self._session.home.gateway(name)
            if vkey_beside(str(folder)) == gateway_note_key(gateway).vkey:
                return str(folder)
        return gateway.endpoint if is_url(gateway.endpoint) else None


@asynccontextmanager
async def open_archive(
    session: Session, *, reader: str | None = None, recompute: bool = False
) -> AsyncIterator[ChainArchive]:
    """Yield the archive of an opened network; see `ChainArchive`.

    Raises: NotFound or Unauthorized when the account `reader` cannot be used.
    """
    if reader is not None:
        await asyncio.to_thread(session.home.account, reader)
    async with HttpTransport(timeout_s=LOG_TIMEOUT_S) as transport:
        chain = session.client()
        try:
            archive = ChainArchive(
                session,
                chain,
                transport,
                reader=reader,
                recompute=recompute,
                keep=folder_of(session.home),
            )
            await archive.refresh()
            yield archive
        finally:
            await chain.close()

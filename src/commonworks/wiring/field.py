"""What a member does in the field: enrol a device, sign a statement, run an agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from commonworks.agent import Agent, AgentSettings, Device, GatewayAddress, Reading
from commonworks.agent.devices import sign_reading
from commonworks.chain.members import Members
from commonworks.chain.messages import Enrolment, sign_enrolment
from commonworks.crypto.keys import Algorithm, PrivateKey, PublicKey
from commonworks.errors import InvalidInput, NotFound
from commonworks.explorer import cells
from commonworks.resources.base import Resource
from commonworks.statements.codec import Item, sign_binding, sign_record
from commonworks.statements.model import Kind, Refusal
from commonworks.storage.files import FileStore
from commonworks.transport.client import HttpTransport
from commonworks.wiring import documents
from commonworks.wiring.acting import speaking
from commonworks.wiring.clocks import ReplayClock
from commonworks.wiring.home import Home
from commonworks.wiring.records import devices_now, resolve_account
from commonworks.wiring.session import Session

AGENT: Final = "field"
"""Name of the agent whose queue this folder's commands share."""
TICK_S: Final = 1.0
TRIES: Final = 20
"""Half-seconds that a command waits for the gateway to hear of a key."""
RETRY_S: Final = 1
"""How soon a person's own agent tries again, network time."""
LINE_BYTES_MAX: Final = 1 << 20
"""Longest line of a source of readings."""
_NO_READING: Final = (
    InvalidInput,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)
"""What a line that is no reading ends in."""


class DeviceKeys:
    """The Keys port over a home's devices."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._keys: dict[str, PrivateKey] = {}

    def signer(self, name: str) -> PrivateKey:
        """See `ports.Keys.signer`. A key is unlocked once: that is slow on purpose."""
        if name not in self._keys:
            self._keys[name] = self._home.device_key(name)
        return self._keys[name]


def schema_of(session: Session, resource: str) -> Resource:
    """Return a resource of this network; raise NotFound where it has none of that name."""
    found = session.resources.get(resource)
    if found is None:
        raise NotFound(
            f"this network has no resource {resource}",
            hint=f"it has: {', '.join(session.resources)}",
        )
    return found


def sign_for(
    session: Session,
    name: str,
    resource: str,
    kind: Kind,
    time_s: int,
    columns: Mapping[str, Sequence[int]],
) -> Item:
    """Return one statement of a device of this folder."""
    schemas = schema_of(session, resource).schemas
    if kind not in schemas:
        raise InvalidInput(f"{resource} has no {kind} statements")
    return sign_reading(
        session.home.device_key(name),
        network_id=session.network.network_id,
        resource=resource,
        reading=Reading(kind=kind, time=time_s, columns=columns),
        schema=schemas[kind],
    )


def sign_replacement(
    session: Session,
    name: str,
    registrar: str,
    resource: str,
    time_s: int,
    columns: Mapping[str, Sequence[int]],
) -> Item:
    """Return a device's exchange: signed by the device, countersigned by a registrar."""
    schema = schema_of(session, resource).schemas.get(Kind.REPLACE)
    if schema is None:
        raise InvalidInput(f"{resource} has no {Kind.REPLACE} statements")
    network_id, home = session.network.network_id, session.home
    request = sign_record(
        home.device_key(name),
        Kind.REPLACE,
        network_id,
        resource,
        time_s,
        columns,
        schema,
        salt=None,
    )
    return sign_record(
        home.device_key(registrar),
        Kind.REPLACE,
        network_id,
        resource,
        time_s,
        columns,
        schema,
        salt=None,
        request=request.statement,
    )


def parse_columns(texts: Sequence[str]) -> dict[str, list[int]]:
    """Return columns from `name=1,2,3` words; raise InvalidInput for anything else."""
    columns: dict[str, list[int]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        try:
            columns[name] = [int(value) for value in values.split(",")]
        except ValueError:
            equals = ""
        if not equals or not name:
            raise InvalidInput(f"{text!r} is no column", hint="write name=value,value,...")
    return columns


@asynccontextmanager
async def open_agent(session: Session, devices: Sequence[Device] = ()) -> AsyncIterator[Agent]:
    """Yield this folder's agent, with whatever its queue still holds."""
    if isinstance(session.clock, ReplayClock) and session.embedded is None:
        session.clock.run()  # a demo's time goes on where another process runs it
    view = await session.view()
    store = FileStore(session.home.agent(AGENT), exclusive=True)
    client = session.client()
    try:
        async with HttpTransport() as transport:
            agent = Agent(
                settings=AgentSettings(
                    network_id=session.network.network_id,
                    retry_after_s=RETRY_S,
                    gateways=tuple(
                        GatewayAddress(
                            name=gateway.name,
                            endpoint=gateway.endpoint,
                            log_id=gateway.log_id,
                            receipt_key=PublicKey(
                                algorithm=Algorithm.ES256, raw=gateway.receipt_key
                            ),
                        )
                        for gateway in view.gateways.values()
                    ),
                ),
                transport=transport,
                clock=session.clock,
                store=store,
                keys=DeviceKeys(session.home),
                chain=client,
                devices=devices,
            )
            await agent.open()
            yield agent
    finally:
        await client.close()
        store.close()


async def deliver(session: Session, items: Sequence[Item]) -> str:
    """Queue statements durably, try to deliver them at once, and say what became of them."""
    async with open_agent(session) as agent:
        before = agent.acknowledged
        await agent.enqueue(items)
        refused: Refusal | None = None
        for _ in range(TRIES):
            await agent.tick()
            if agent.refusals:
                refused = agent.refusals[-1].reason
                agent.refusals.clear()
            if refused is not Refusal.UNKNOWN_KEY or not agent.unacknowledged:
                break
            await asyncio.sleep(TICK_S / 2)  # just enrolled: the gateway hears of it with its round
        if agent.acknowledged > before:
            return "logged"
        if refused is not None:
            return f"refused: {refused}"
        if agent.unacknowledged:
            return "queued: no gateway answers now; deliver it later with: commonworks agent run"
        return "logged before"


async def map_resolution(session: Session) -> int:
    """Return the finest H3 resolution of map cells that policy allows now."""
    client = session.client()
    try:
        epoch = max(session.network.epoch_at(session.clock.now()), 0)
        members = Members(client.endpoints, session.deployment)
        return cells.allowed(await members.parameter(cells.PARAMETER, epoch))
    finally:
        await client.close()


async def enrol(
    session: Session, name: str, owner: str, resource: str, cell: int
) -> tuple[int, str]:
    """Enrol a device of this folder, and log its binding to its owner.

    Inputs: `owner` is an account of this folder, or any other by its 0x address once that has
    enrolled the device with its own wallet.
    Returns: the device's id, and a line about its binding.
    """
    home = session.home
    schema_of(session, resource)
    key = home.device_key(name)
    enrolment = Enrolment(key=key.public, resource=resource, cell=cell)
    address = resolve_account(home, owner)
    device = next(
        (
            held.device
            for held in devices_now(session, await session.view())
            if held.owner == address and held.key == key.public
        ),
        None,
    )
    if device is None and owner.startswith("0x"):
        raise NotFound(
            f"{owner} has enrolled no device with this key yet",
            hint="do that with its wallet on the explorer's page /join, then run this again",
        )
    if device is None:
        async with speaking(session, owner) as speaker:
            members = speaker.members
            signed = sign_enrolment(
                speaker.signer,
                session.deployment,
                enrolment,
                nonce=await members.enrol_nonce(address),
                deadline=speaker.deadline,
            )
            receipt = await speaker.carry(signed, members.calls.enrol(enrolment))
            device = members.enrolled(receipt).device
    binding = sign_binding(key, session.network.network_id, session.clock.now(), address, 0)
    told = await deliver(session, [binding])
    return device, f"device {device} enrolled for {owner}; its binding is {told}"


# --- the agent that keeps running ---------------------------------------------------------------


class LineSource:
    """Readings as lines of JSON: {"kind": ..., "time": ..., "columns": {name: [..]}}.

    A file is followed as it grows. What a line says wrong is told, and the next line goes on.
    """

    def __init__(
        self, path: Path, fits: Callable[[Reading], object], on_bad_line: Callable[[str], None]
    ) -> None:
        """`fits` raises InvalidInput for a reading that cannot be signed."""
        self._path = path
        self._fits = fits
        self._on_bad_line = on_bad_line
        self._offset = 0
        self._number = 0

    def __call__(self, now: int) -> Sequence[Reading]:
        """Return the readings of the whole lines that were added since the last call."""
        del now
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError as error:
            raise NotFound(
                f"readings cannot be read from {self._path} ({error.strerror})"
            ) from None
        readings = []
        end = data.rfind(b"\n") + 1
        for line in data[:end].splitlines():
            self._number += 1
            reading = self._parse(line)
            if reading is not None:
                readings.append(reading)
        self._offset += end
        return readings

    def _parse(self, line: bytes) -> Reading | None:
        if not line.strip():
            return None
        try:
            fields = documents.parse(line[:LINE_BYTES_MAX])
            reading = Reading(
                kind=Kind(fields["kind"]),
                time=_integer(fields["time"]),
                columns={
                    str(name): [_integer(value) for value in values]
                    for name, values in fields["columns"].items()
                },
            )
            self._fits(reading)
        except _NO_READING as error:
            self._on_bad_line(f"{self._path}, line {self._number}: no reading ({error})")
            return None
        return reading


def _integer(value: object) -> int:
    """Return an integer as it is: nothing is rounded that is paid for."""
    if type(value) is not int:
        raise TypeError(f"{value!r} is no integer")
    return value


def line_device(
    session: Session, name: str, resource: str, path: Path, on_bad_line: Callable[[str], None]
) -> Device:
    """Return a device of this folder whose readings are lines of a file."""
    schemas = schema_of(session, resource).schemas
    key = session.home.device_key(name)

    def fits(reading: Reading) -> None:
        if reading.kind not in schemas:
            raise InvalidInput(f"{resource} has no {reading.kind} statements")
        sign_reading(
            key,
            network_id=session.network.network_id,
            resource=resource,
            reading=reading,
            schema=schemas[reading.kind],
        )

    source = LineSource(path, fits, on_bad_line)
    return Device(key=name, resource=resource, schemas=schemas, source=source)


async def run_agent(
    session: Session, devices: Sequence[Device], *, once: bool, on_state: Callable[[str], None]
) -> None:
    """Sign and deliver until cancelled, or with `once` until everything has its receipt."""
    async with open_agent(session, devices) as agent:
        told = ""
        while True:
            await agent.tick()
            refusals = sum(agent.refusal_counts.values())
            state = (
                f"{agent.acknowledged} logged, {agent.unacknowledged} waiting, {refusals} refused"
            )
            if state != told:
                on_state(state)
                told = state
            if once and not agent.unacknowledged:
                return
            await asyncio.sleep(TICK_S)

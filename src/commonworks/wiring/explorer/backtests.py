"""Back-tests beside the running site: in a process of their own, one at a time, each kept.

Goal: the code behind `commonworks proposal backtest`, and never a page that waits for it. Rule: a
process of low priority computes and can be ended at any moment; what it found lies in a file named
by everything that it depends on. Invariant: an outcome in the folder is the one that this network,
these rules, these epochs and these changes give.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from commonworks.chain.government import Governance
from commonworks.chain.members import Members
from commonworks.errors import CommonworksError, Conflict, Corrupt, Unavailable
from commonworks.explorer.ports import (
    Trial,
    TrialChange,
    TrialEpoch,
    TrialFailure,
    TrialOutcome,
    TrialRefusal,
    TrialSetting,
    TrialState,
    TrialWanted,
)
from commonworks.explorer.web.i18n import gettext
from commonworks.transport.client import HttpTransport
from commonworks.wiring.backtest import Backtest, backtest
from commonworks.wiring.evidence import Source, open_evidence
from commonworks.wiring.home import Home, write_durably
from commonworks.wiring.proposals import PolicyChange, policy_change
from commonworks.wiring.session import Session, open_session

FOLDER: Final = "backtests"
FORMAT: Final = 2
"""Of the files; another number reads none of the old ones."""

TIME_MAX_S: Final = 900
"""Longest that one may take, real time."""
WAITING_MAX: Final = 4
"""Most that wait for their turn."""
KEPT_MAX: Final = 16
"""Outcomes and failures kept in memory; outcomes lie in files as well."""
AGAIN_AFTER_S: Final = 300
"""After so long what failed may be tried again, real time."""
LINE_BYTES_MAX: Final = 256 << 20
"""Longest outcome that a process hands over."""
NICENESS: Final = 10

Progress = Callable[[int, int], None]
"""Takes epochs recomputed, and epochs to recompute."""

Run = Callable[[TrialWanted, Progress], Awaitable[TrialOutcome]]
"""Computes one back-test. Raises the house's errors; ends at once when it is cancelled."""


# --- one at a time, each kept ---------------------------------------------------------------------


@dataclass(slots=True)
class _Job:
    """One back-test that somebody asked for."""

    wanted: TrialWanted
    state: TrialState = TrialState.WAITING
    done: int = 0
    total: int = 0
    failure: TrialFailure | None = None
    outcome: TrialOutcome | None = None
    over_at: float = 0.0
    """When it ended, by the loop's own clock."""

    @property
    def trial(self) -> Trial:
        """How far it is."""
        return Trial(
            state=self.state,
            done=self.done,
            total=self.total,
            failure=self.failure,
            outcome=self.outcome,
        )

    @property
    def is_over(self) -> bool:
        """Whether nothing about it will change."""
        return self.state in (TrialState.DONE, TrialState.FAILED)


@dataclass(slots=True)
class FolderBacktests:
    """See `explorer.ports.Backtests`. Belongs to one event loop; `close` ends what runs."""

    folder: Path
    identity: bytes
    """Network and rules: what every outcome depends on besides what is wanted."""
    run: Run
    time_max_s: float = TIME_MAX_S
    _jobs: OrderedDict[str, _Job] = field(default_factory=OrderedDict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def look(self, wanted: TrialWanted) -> Trial | None:
        """See `explorer.ports.Backtests.look`."""
        key = self._key(wanted)
        job = self._known(key)
        if job is None:
            outcome = await asyncio.to_thread(_read, self.folder / f"{key}.json")
            if outcome is None:
                job = self._known(key)  # somebody may have asked meanwhile
                return None if job is None else job.trial
            job = _Job(wanted, TrialState.DONE, outcome=outcome)
            job.done = job.total = _total(wanted)
            self._keep(key, job)
        return job.trial

    async def start(self, wanted: TrialWanted) -> Trial:
        """See `explorer.ports.Backtests.start`."""
        found = await self.look(wanted)
        if found is not None:
            return found
        if sum(not job.is_over for job in self._jobs.values()) > WAITING_MAX:
            raise Unavailable(
                gettext("other back-tests are being computed"),
                hint=gettext("ask again in a few minutes"),
            )
        key, job = self._key(wanted), _Job(wanted, total=_total(wanted))
        self._keep(key, job)
        task = asyncio.create_task(self._work(key, job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job.trial

    async def close(self) -> None:
        """End what runs and forget what waits."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, key: str, job: _Job) -> None:
        async with self._turn:
            job.state = TrialState.RUNNING
            try:
                async with asyncio.timeout(self.time_max_s):
                    job.outcome = await self.run(job.wanted, partial(_note, job))
                data = _encode(job.outcome)
                await asyncio.to_thread(_write, self.folder / f"{key}.json", data)
            except TimeoutError:
                job.failure = TrialFailure.TOO_LONG
            except CommonworksError as error:
                job.failure = failure_of(error)
            finally:
                done = job.failure is None and job.outcome is not None
                if not done and job.failure is None:
                    job.failure = TrialFailure.BROKE_OFF
                job.state = TrialState.DONE if done else TrialState.FAILED
                job.over_at = asyncio.get_running_loop().time()

    def _known(self, key: str) -> _Job | None:
        """Return what is known about a back-test; an old failure is forgotten."""
        job = self._jobs.get(key)
        if job is None:
            return None
        failed = job.state is TrialState.FAILED
        if failed and asyncio.get_running_loop().time() - job.over_at > AGAIN_AFTER_S:
            del self._jobs[key]
            return None
        self._jobs.move_to_end(key)
        return job

    def _keep(self, key: str, job: _Job) -> None:
        self._jobs[key] = job
        over = [known for known, one in self._jobs.items() if one.is_over]
        for known in over[: max(0, len(self._jobs) - KEPT_MAX)]:
            del self._jobs[known]

    def _key(self, wanted: TrialWanted) -> str:
        """Return the name of everything that an outcome depends on."""
        parts = [
            FORMAT,
            self.identity.hex(),
            [wanted.first, wanted.last, wanted.from_state],
            sorted(wanted.changes.items()),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def backtests_of(session: Session, folder: Path) -> FolderBacktests:
    """Return the back-tests of an opened network, kept below the explorer's folder."""
    return FolderBacktests(
        folder=folder / FOLDER,
        identity=session.network.network_id + session.rules_hash,
        run=partial(run_in_process, session.home.path),
    )


def _note(job: _Job, done: int, total: int) -> None:
    job.done, job.total = done, total


def _total(wanted: TrialWanted) -> int:
    return wanted.last + 1 - (wanted.first if wanted.from_state else 0)


# --- computing ------------------------------------------------------------------------------------


async def run_in_process(home: Path, wanted: TrialWanted, progress: Progress) -> TrialOutcome:
    """Compute a back-test in a process of its own, which ends with this call."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    try:
        return await _talk(process, home, wanted, progress)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _talk(
    process: asyncio.subprocess.Process, home: Path, wanted: TrialWanted, progress: Progress
) -> TrialOutcome:
    """Tell a process what is wanted, and read what it says, a JSON value a line."""
    if process.stdin is None or process.stdout is None:
        raise Unavailable("the back-test's process cannot be reached")
    process.stdin.write(json.dumps({"home": str(home), "wanted": asdict(wanted)}).encode())
    process.stdin.close()
    async for line in process.stdout:
        said = json.loads(line)
        if "outcome" in said:
            return decode_outcome(said["outcome"])
        if "failure" in said:
            raise Conflict(said["detail"], why=TrialFailure(said["failure"]))
        progress(said["done"], said["total"])
    raise Unavailable("the back-test broke off", why=TrialFailure.BROKE_OFF)


async def compute(home: Home, wanted: TrialWanted, progress: Progress) -> TrialOutcome:
    """Compute a back-test of a proposal of the network in a folder."""
    async with HttpTransport() as transport, open_session(home) as session:
        view = await session.view()
        change = await _change(session, wanted)
        source = await open_evidence(session, view, transport, places={}, reader=None)
        return await outcome_of(source, change, wanted, progress)


async def outcome_of(
    source: Source, change: PolicyChange, wanted: TrialWanted, progress: Progress
) -> TrialOutcome:
    """Settle the epochs wanted again under a proposal's parameters."""
    total, begun = _total(wanted), 0

    def next_epoch(_: str) -> None:
        nonlocal begun
        progress(begun, total)
        begun += 1

    found = await backtest(
        source,
        change.overrides,
        epochs=wanted.last + 1 - wanted.first,
        from_state=wanted.from_state,
        until=wanted.last,
        defined=change.defined,
        progress=next_epoch,
    )
    progress(total, total)
    return _outcome(found, wanted)


async def _change(session: Session, wanted: TrialWanted) -> PolicyChange:
    """Return what a proposal sets, as the chain has it."""
    client = session.client()
    try:
        government = Governance(Members(client.endpoints, session.deployment))
        change = policy_change((await government.proposal(str(wanted.number))).decisions)
    finally:
        await client.close()
    if {**change.overrides, **change.defined} != dict(wanted.changes):
        raise Conflict(
            f"the index has other changes of proposal {wanted.number} than the chain",
            hint="make it anew: commonworks index rebuild",
            why=TrialFailure.INDEX,
        )
    return change


def failure_of(error: CommonworksError) -> TrialFailure:
    """Return which failure of a back-test an error is: closed, so that it has words everywhere."""
    why = error.fields.get("why")
    if why in TrialFailure.__members__.values():
        return TrialFailure(str(why))
    away = isinstance(error, Unavailable)
    return TrialFailure.UNAVAILABLE if away else TrialFailure.IMPOSSIBLE


def _outcome(found: Backtest, wanted: TrialWanted) -> TrialOutcome:
    return TrialOutcome(
        first=found.first,
        last=found.last,
        begin=wanted.first if wanted.from_state else 0,
        settings=tuple(
            TrialSetting(key=one.key, before=one.before, after=one.after, read=one.read)
            for one in found.settings
        ),
        accounts=tuple(
            TrialChange(
                resource=one.resource,
                account=one.account,
                asset=one.asset,
                before=one.before.net,
                after=one.after.net,
            )
            for one in found.accounts
        ),
        epochs=tuple(
            TrialEpoch(
                epoch=one.epoch,
                paid_before=one.before.paid_micro,
                paid_after=one.after.paid_micro,
                minted_before=one.before.minted_wei,
                minted_after=one.after.minted_wei,
            )
            for one in found.epochs
        ),
        refused=tuple(
            TrialRefusal(epoch=one.epoch, key=one.key, growth=one.growth, limit=one.limit)
            for one in found.refused
        ),
    )


# --- files and lines ------------------------------------------------------------------------------


def encode_outcome(outcome: TrialOutcome) -> Mapping[str, Any]:
    """Return an outcome as values of JSON."""
    plain = asdict(outcome)
    for change in plain["accounts"]:
        change["account"], change["asset"] = change["account"].hex(), change["asset"].hex()
    return plain


def decode_outcome(plain: Mapping[str, Any]) -> TrialOutcome:
    """Return the outcome in values of JSON. Raises Corrupt where it is none."""
    try:
        return TrialOutcome(
            first=int(plain["first"]),
            last=int(plain["last"]),
            begin=int(plain["begin"]),
            settings=tuple(
                TrialSetting(**{**one, "before": tuple(one["before"])}) for one in plain["settings"]
            ),
            accounts=tuple(
                TrialChange(
                    **{
                        **one,
                        "account": bytes.fromhex(one["account"]),
                        "asset": bytes.fromhex(one["asset"]),
                    }
                )
                for one in plain["accounts"]
            ),
            epochs=tuple(TrialEpoch(**one) for one in plain["epochs"]),
            refused=tuple(TrialRefusal(**one) for one in plain["refused"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"this is no outcome of a back-test ({error})") from error


def _encode(outcome: TrialOutcome) -> bytes:
    return json.dumps(encode_outcome(outcome), sort_keys=True).encode() + b"\n"


def _write(path: Path, data: bytes) -> None:
    """Keep an outcome where only this user can read it: it has everybody's gains."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, data)


def _read(path: Path) -> TrialOutcome | None:
    """Return a kept outcome; None where there is none, or a damaged one, which is made anew."""
    try:
        return decode_outcome(json.loads(path.read_bytes()))
    except (OSError, ValueError, Corrupt):
        return None


def main() -> None:
    """Compute what standard input asks for; say how far it is, a JSON value a line."""
    os.nice(NICENESS)
    asked = json.load(sys.stdin)

    def say(said: Mapping[str, object]) -> None:
        print(json.dumps(said), flush=True)

    def progress(done: int, total: int) -> None:
        say({"done": done, "total": total})

    try:
        home = Home(path=Path(asked["home"]))
        outcome = asyncio.run(compute(home, TrialWanted(**asked["wanted"]), progress))
    except CommonworksError as error:
        say({"failure": failure_of(error), "detail": str(error)})
        return
    say({"outcome": encode_outcome(outcome)})


if __name__ == "__main__":
    main()

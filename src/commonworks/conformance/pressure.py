"""The rules alone, under inputs of every kind: other orders, bounds, purses, junk."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from commonworks.conformance.findings import Finding, Rule
from commonworks.conformance.hostile import hostile_records, hostile_statements
from commonworks.conformance.outcome import Ruled, check_rules, run_rules
from commonworks.crypto import cbor
from commonworks.crypto.hashes import sha256
from commonworks.errors import CommonworksError
from commonworks.policy import Policy
from commonworks.resources.base import Resource, ResourceInput
from commonworks.statements.model import Kind

K = TypeVar("K")
V = TypeVar("V")

HASH_SEEDS: Final = ("1", "2", "3")
CHILD_TIMEOUT_S: Final = 120
ALIEN_STATES: Final = (
    b"\xff",
    b"\x00",
    b"not a state",
    cbor.encode([]),
    cbor.encode([[]]),
    cbor.encode({"alien": 1}),
    cbor.encode([[1, 2], [3, 4], [5, 6]]),
    cbor.encode([[[b"", []]], [["", [[]]]], [[None, 0, 0]]]),
)
"""States that a resource did not leave; those that it can read it may read."""
CHILD: Final = (
    "import pickle, sys, hashlib; from commonworks.conformance.outcome import Ruled;"
    "verify, market, data = pickle.load(sys.stdin.buffer); done = verify(data);"
    "ruled = Ruled(verified=done, traded=market(data, done));"
    "print(hashlib.sha256(ruled.canonical()).hexdigest())"
)
"""Runs pickled rules on a pickled input and prints the hash of what comes out."""


def check_pressure(resource: Resource, data: ResourceInput, where: str) -> Iterator[Finding]:
    """Yield what is wrong with the rules on one epoch's input and on what it could have been."""
    ruled = run_rules(resource, data, where)
    yield from check_rules(resource, data, where)
    if isinstance(ruled, Ruled):
        yield from _same(resource, data, ruled, where)
    for situation, other in _situations(resource, data):
        yield from check_rules(resource, other, f"{where}, {situation}")
    yield from _alien_states(resource, data, where)


def _same(resource: Resource, data: ResourceInput, ruled: Ruled, where: str) -> Iterator[Finding]:
    """Run the rules on the same input again, and on the same input in other orders."""
    variants = [(Rule.DETERMINISTIC, "again", data)]
    for label in ("reversed", "shuffled"):
        variants.append((Rule.ORDER, label, _reordered(data, label)))
    expected = _canonical(ruled)
    for rule, label, variant in variants:
        other = run_rules(resource, variant, f"{where}, {label}")
        if isinstance(other, Finding):
            yield other
        elif _canonical(other) != expected:
            yield Finding(rule=rule, where=f"{where}, {label}", message="another result")


def _canonical(ruled: Ruled) -> bytes | str:
    """Return a result's bytes, or its text where it has no canonical form (found elsewhere)."""
    try:
        return ruled.canonical()
    except Exception as error:
        return f"{error} {ruled}"


def _reordered(data: ResourceInput, label: str) -> ResourceInput:
    """Return the same input with its statements and mappings in another order."""

    def order(items: Sequence[V]) -> list[V]:
        if label == "reversed":
            return list(reversed(items))
        return sorted(items, key=lambda item: sha256(repr(item).encode()))

    def mapping(values: Mapping[K, V]) -> dict[K, V]:
        return dict(order(list(values.items())))

    facts = data.facts
    return replace(
        data,
        statements=tuple(order(data.statements)),
        devices=mapping(data.devices),
        accounts=mapping(data.accounts),
        budgets=mapping(data.budgets),
        facts=replace(
            facts,
            devices=mapping(facts.devices),
            payees=mapping(facts.payees),
            spend_limits=mapping(facts.spend_limits),
        ),
    )


def check_hash_seeds(resource: Resource, data: ResourceInput, where: str) -> Iterator[Finding]:
    """Run the rules in interpreters that order sets and hashes otherwise."""
    ruled = run_rules(resource, data, where)
    if isinstance(ruled, Finding):
        return  # found by `check_pressure` already
    try:
        work = pickle.dumps((resource.rules.verify, resource.rules.market, data))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        message = f"verify and market must be functions of a module ({error})"
        yield Finding(rule=Rule.MODULES, where=where, message=message)
        return
    here = _canonical(ruled)
    expected = hashlib.sha256(here if isinstance(here, bytes) else b"").hexdigest()
    for seed in HASH_SEEDS:
        done = subprocess.run(  # noqa: S603  our own interpreter on our own program
            [sys.executable, "-c", CHILD],
            input=work,
            capture_output=True,
            check=False,
            timeout=CHILD_TIMEOUT_S,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        if done.returncode:
            line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            message = f"the rules failed in another interpreter: {line}"
            yield Finding(rule=Rule.HASH_SEED, where=where, message=message)
            return
        if done.stdout.decode().strip() != expected:
            message = f"another result under PYTHONHASHSEED={seed}"
            yield Finding(rule=Rule.HASH_SEED, where=where, message=message)
            return


def _situations(resource: Resource, data: ResourceInput) -> Iterator[tuple[str, ResourceInput]]:
    """Yield inputs that this one could have been."""
    for label in ("minimum", "maximum"):
        bounds = {p.key: getattr(p, label) for p in resource.parameters}
        policy = Policy(
            epoch=data.policy.epoch,
            values={**data.policy.values, **bounds},
            history_hash=data.policy.history_hash,
        )
        yield f"parameters at their {label}", replace(data, policy=policy)
    yield "no budgets", replace(data, budgets={})
    yield "budgets of one", replace(data, budgets=dict.fromkeys(data.budgets, 1))
    yield "no spending limits", replace(data, facts=replace(data.facts, spend_limits={}))
    yield "no references", replace(data, facts=replace(data.facts, references=frozenset()))
    yield "no site table", replace(data, site=None)
    yield "no statements", replace(data, statements=())
    yield "no devices", replace(data, statements=(), devices={}, accounts={})
    hostile = hostile_statements(data, resource.schemas, resource.name)
    both = tuple(sorted((*data.statements, *hostile), key=lambda item: item.identity))
    yield "hostile statements", replace(data, statements=hostile)
    yield "hostile statements among the others", replace(data, statements=both)
    schema = resource.schemas.get(Kind.SITE)
    if schema is not None:
        network, times = data.facts.network.network_id, (data.facts.start,)
        for number, site in enumerate(hostile_records(schema, network, resource.name, times)):
            yield f"hostile site table {number}", replace(data, site=site)


def _alien_states(resource: Resource, data: ResourceInput, where: str) -> Iterator[Finding]:
    """A state that is not the resource's own is refused in so many words, never stumbled over."""
    cut = [data.state[: len(data.state) // 2]] if len(data.state) > 1 else []
    for state in (*ALIEN_STATES, *cut):
        situation = f"{where}, state {state[:16].hex()}"
        try:
            resource.rules.verify(replace(data, state=state))
        except CommonworksError:
            continue
        except Exception as error:
            message = f"raise Corrupt, not {type(error).__name__}: {error}"
            yield Finding(rule=Rule.STATE, where=situation, message=message)

"""Finding resources and simulators by entry point, and hashing the rules that are installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Final, cast

from commonworks.errors import Corrupt, InvalidInput, NotFound
from commonworks.policy import KERNEL_PARAMETERS, Parameter, parameter_table
from commonworks.resources.base import Resource
from commonworks.resources.simulator import Simulator
from commonworks.settlement.rules import rule_modules, rules_hash

RESOURCES: Final = "commonworks.resources"
SIMULATORS: Final = "commonworks.simulators"


def installed_resources() -> Mapping[str, Resource]:
    """Return every installed resource by name, sorted.

    Raises: InvalidInput when a registered object is not a resource, or not under its own name.
    """
    found: dict[str, Resource] = {}
    for entry in sorted(entry_points(group=RESOURCES), key=lambda item: item.name):
        resource = entry.load()
        if not isinstance(resource, Resource) or resource.name != entry.name:
            raise InvalidInput(
                f"entry point {entry.name} of {RESOURCES} is not the resource of that name",
                hint=f"correct or uninstall {entry.value}",
            )
        found[entry.name] = resource
    return found


def select_resources(names: Sequence[str]) -> Mapping[str, Resource]:
    """Return the named resources; raise NotFound for one that is not installed."""
    installed = installed_resources()
    missing = [name for name in names if name not in installed]
    if missing:
        raise NotFound(
            f"this network settles {missing[0]}, which is not installed",
            hint=f"install the package that brings it; installed: {', '.join(installed)}",
        )
    return {name: installed[name] for name in sorted(names)}


def simulator(resource: str) -> Simulator:
    """Return a resource's simulator; raise NotFound when it brings none."""
    for entry in entry_points(group=SIMULATORS):
        if entry.name == resource:
            return cast(Simulator, entry.load())
    raise NotFound(f"resource {resource} brings no simulator")


def simulated(names: Sequence[str]) -> Sequence[str]:
    """Return those of the named resources that bring a simulator."""
    known = {entry.name for entry in entry_points(group=SIMULATORS)}
    return [name for name in names if name in known]


def parameters(resources: Mapping[str, Resource]) -> Mapping[str, Parameter]:
    """Return every parameter of kernel and resources by key."""
    return parameter_table([KERNEL_PARAMETERS, *(r.parameters for r in resources.values())])


def installed_rules_hash(resources: Mapping[str, Resource]) -> bytes:
    """Return the hash of the rules as they are installed here, 32 bytes."""
    return rules_hash({name: _source(name) for name in rule_modules(resources.values())})


def _source(module: str) -> bytes:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise Corrupt(f"the source of rule module {module} is missing", hint="install it again")
    return Path(spec.origin).read_bytes()

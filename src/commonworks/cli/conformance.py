"""`commonworks conformance`: does an installed resource keep every rule of the seam?"""

from __future__ import annotations

import click

from commonworks.cli.shell import json_option, put, put_json, say
from commonworks.conformance import RULES, check_resource
from commonworks.errors import NotFound
from commonworks.wiring.discover import installed_resources, simulated, simulator


@click.command()
@click.argument("name")
@click.option("--seed", default=1, show_default=True, help="The simulated worlds follow from it.")
@json_option
def conformance(*, name: str, seed: int, as_json: bool) -> None:
    """Check an installed resource against every rule of the seam; exit code 1 where it breaks one.

    Example: commonworks conformance energy
    """
    installed = installed_resources()
    if name not in installed:
        raise NotFound(
            f"no resource {name} is installed", hint=f"installed: {', '.join(installed)}"
        )
    resource = installed[name]
    worlds = simulator(name) if simulated([name]) else None
    if worlds is None:
        say(f"{name} brings no simulator: its rules meet hostile statements only")
    found = check_resource(resource, worlds, seed=seed)
    if as_json:
        document = [
            {"rule": str(item.rule), "where": item.where, "message": item.message} for item in found
        ]
        put_json({"resource": name, "rules": len(RULES), "findings": document})
    else:
        for item in found:
            put(str(item))
        say(f"{name}: {len(RULES)} rules, {len(found)} findings")
    if found:
        click.get_current_context().exit(1)

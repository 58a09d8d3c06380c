"""The seam, proven: a resource in a package of its own, installed, beside energy in one network.

The kernel knows neither; both are found by entry point, settle in one epoch, and pass conformance.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commonworks.conformance import RULES, check_resource
from commonworks.resources.energy import RESOURCE
from commonworks.resources.energy.simulate import SIMULATOR

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "examples" / "rainfall"
TIMEOUT_S = 240

pytestmark = pytest.mark.xdist_group("third-party")
"""One installation and one network for all of them."""


def run(site: Path, *command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with the installed sample, as somebody who installed both would."""
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=TIMEOUT_S,
        env={**os.environ, "PYTHONPATH": str(site)},
    )


def commonworks(site: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = "from commonworks.cli import main; main()"
    return run(site, sys.executable, "-c", program, *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the sample into a folder of its own, without a network; return the folder."""
    source = tmp_path_factory.mktemp("source") / "rainfall"
    shutil.copytree(SAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--no-index", "--no-deps", "--no-build-isolation", "--target", str(target), str(source),
        ],
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def network(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Play a day of both resources in one network; return its folder and what the demo printed."""
    folder = tmp_path_factory.mktemp("network")
    done = commonworks(
        site,
        *("demo", "--resource", "energy", "--resource", "rainfall"),
        *("--days", "1", "--no-serve", "--json", "--home", "home"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_both_settle_in_one_epoch(network: tuple[Path, dict[str, Any]]) -> None:
    (epoch,) = network[1]["epochs"]
    energy, rainfall = (epoch["resources"][name] for name in ("energy", "rainfall"))
    assert energy["shared_wh"] > 0
    assert rainfall["verified_readings"] > 0
    assert 0 < rainfall["subscribed_micro"] <= epoch["paid_micro"]
    noticed = {*epoch["rejected"], *epoch["reduced_intervals"]}
    assert {reason.split(".")[0] for reason in noticed if "." in reason} == {"energy", "rainfall"}
    assert {"rainfall.contradiction", "rainfall.disagreement", "rainfall.forecast"} <= noticed


def test_a_resource_settles_alike_alone_and_beside_another(
    site: Path, network: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    done = commonworks(
        site,
        *("demo", "--resource", "energy", "--days", "1", "--no-serve", "--json", "--home", "home"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    alone = json.loads(done.stdout)["epochs"][0]["resources"]["energy"]
    assert alone == network[1]["epochs"][0]["resources"]["energy"]


def test_the_other_needs_no_energy(site: Path, tmp_path: Path) -> None:
    done = commonworks(
        site,
        *("demo", "--resource", "rainfall", "--days", "1", "--no-serve", "--json"),
        *("--home", "home"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["epochs"][0]["resources"]) == ["rainfall"]


def test_anybody_recomputes_both(site: Path, network: tuple[Path, dict[str, Any]]) -> None:
    folder, document = network
    done = commonworks(site, "audit", "0", "--home", "home", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    audited = json.loads(done.stdout)
    assert audited["equal"]
    assert audited["digest"]["found"] == document["epochs"][0]["digest"]


def test_views_are_rendered_by_who_knows_no_resource(
    site: Path, network: tuple[Path, dict[str, Any]]
) -> None:
    done = commonworks(site, "epoch", "show", "0", "--home", "home", cwd=network[0])
    assert done.returncode == 0, done.stderr
    for figure in ("shared_wh", "verified_readings"):
        assert figure in done.stdout


def test_a_network_names_the_resource_that_is_missing(
    network: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    done = commonworks(tmp_path, "audit", "0", "--home", "home", cwd=network[0])
    assert done.returncode == 3
    assert "rainfall, which is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_energy_conforms() -> None:
    assert check_resource(RESOURCE, SIMULATOR) == []


def test_the_sample_conforms_where_it_is_installed(site: Path, tmp_path: Path) -> None:
    done = commonworks(site, "conformance", "rainfall", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout) == {"resource": "rainfall", "rules": len(RULES), "findings": []}


def test_the_sample_passes_its_own_tests(site: Path) -> None:
    # its conformance was checked above
    options = ("-q", "-p", "no:cacheprovider", "-k", "not conforms", str(SAMPLE / "tests"))
    done = run(site, sys.executable, "-m", "pytest", *options, cwd=SAMPLE)
    assert done.returncode == 0, done.stdout


def test_the_kernel_has_no_word_of_the_sample() -> None:
    words = re.compile(r"\b(rain\w*|gauges?|showers?)\b", re.IGNORECASE)
    for path in sorted((ROOT / "src" / "commonworks").rglob("*.py")):
        found = words.search(path.read_text())
        assert found is None, f"{path} says {found and found.group()!r}"


def test_every_rule_stands_in_the_guide() -> None:
    guide = (ROOT / "docs" / "guide" / "resource.md").read_text()
    for rule, sentence in RULES.items():
        assert f"| `{rule}` | {sentence} |" in guide

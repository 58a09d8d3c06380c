"""Joining: the configuration and its checks, the page's steps, a device's progress."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h3
import pytest

import explorer_kit as kit
from commonworks.chain.manifest import (
    Bonds,
    ChainPlace,
    Manifest,
    Votes,
    encode_manifest,
    manifest_hash,
)
from commonworks.chain.plan import Government
from commonworks.errors import Conflict, InvalidInput
from commonworks.explorer.index import schema
from commonworks.wiring.explorer.joining import configuration_url, keep, parse
from commonworks.wiring.home import Home

VIENNA = (48.2, 16.37)
VIENNA_CELL = "871e15b46ffffff"
KEY = kit.digest(0xDE71CE)
LOG = kit.digest(0x10)


# --- the configuration ----------------------------------------------------------------------------


def manifest(**changes: Any) -> Manifest:
    government = Government(
        timelock=kit.account(1),
        governor=kit.account(2),
        guardian=kit.account(3),
        accounts=kit.account(4),
        membership=None,
        router=None,
    )
    fields: dict[str, Any] = {
        "name": "Test street",
        "demo": False,
        "genesis_time": kit.GENESIS,
        "epoch_length_s": kit.DAY,
        "token_name": "Test",
        "token_symbol": "CWT",
        "cap_wei": 1,
        "initial_emission_wei": 1,
        "allocations": (),
        "currency_code": "tEUR",
        "currency_decimals": 6,
        "currency_address": None,
        "founder": kit.account(5),
        "guardian": kit.account(6),
        "guardian_until": kit.GENESIS,
        "votes": Votes.TOKEN,
        "members": (),
        "bonds": Bonds.TOKEN,
        "liquidity": None,
        "router": None,
        "parameters": (),
        "resources": ("energy",),
        "place": ChainPlace(
            chain_id=31_337,
            settlement=kit.account(0x51),
            currency=kit.account(0xE0),
            government=government,
            genesis_block=3,
            genesis_hash=kit.digest(7),
            endpoints=("http://127.0.0.1:8545",),
        ),
    }
    return Manifest(**{**fields, **changes})


def told(**changes: Any) -> bytes:
    document = {
        "format": "commonworks-join/1",
        "network_id": "0x" + kit.digest(0xC0FFEE).hex(),
        "manifest": json.loads(encode_manifest(manifest())),
        "endpoints": ["http://127.0.0.1:8545"],
        "resource": "energy",
        "cell": VIENNA_CELL,
        "device": "roof",
    }
    return json.dumps({**document, **changes}).encode()


def test_a_configuration_is_read_strictly() -> None:
    found = parse(told())
    assert found.network_id == kit.digest(0xC0FFEE)
    assert (found.resource, found.device, f"{found.cell:x}") == ("energy", "roof", VIENNA_CELL)
    assert manifest_hash(found.manifest) == manifest_hash(manifest())


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"x", told(format="other/1"), told(manifest={}), told(network_id="0xzz"),
     told(endpoints=["http://x"] * 17), told(cell="zz"), b"[" * 20_000, b" " * (1 << 20) + b"{}",
     told(manifest={**json.loads(encode_manifest(manifest(place=None)))})],
)  # fmt: skip
def test_what_is_no_configuration(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse(data)


def test_addresses_that_a_newcomer_may_give() -> None:
    path = "/api/v1/join/configuration"
    base = "http://127.0.0.1:9000"
    assert configuration_url(base) == f"{base}{path}"
    assert configuration_url(f"{base}/epochs?x=1") == f"{base}{path}"
    assert configuration_url(f"{base}/join?resource=a#b") == f"{base}{path}?resource=a"
    assert configuration_url(f"{base}{path}?cell=0") == f"{base}{path}?cell=0"


def test_a_folder_is_never_taken_over(tmp_path: Path) -> None:
    mine = manifest()
    home = Home(path=tmp_path / "mine")
    assert keep(home, mine)
    assert not keep(home, mine)
    assert mine.place is not None
    moved = replace(mine, place=replace(mine.place, endpoints=("http://127.0.0.1:9999",)))
    assert not keep(home, moved)
    assert home.manifest() == moved
    for other in (
        manifest(name="Other"),
        replace(mine, place=replace(mine.place, genesis_hash=kit.digest(8))),
    ):
        with pytest.raises(Conflict, match="another network"):
            keep(home, other)
    assert home.manifest() == moved
    own = Home(path=tmp_path / "own")
    own.write_manifest(replace(mine, place=replace(mine.place, endpoints=())))
    with pytest.raises(Conflict, match="runs this network itself"):
        keep(own, mine)
    demo = Home(path=tmp_path / "demo")
    demo.mark_demo({"seed": 1})
    with pytest.raises(Conflict, match="holds a demo"):
        keep(demo, mine)


# --- pages and answers ----------------------------------------------------------------------------


def site(**changes: Any) -> Any:
    return kit.make_site(manifest=encode_manifest(manifest()), **changes)


def test_what_the_page_gives_is_what_the_command_reads() -> None:
    browser = kit.client(site())
    answer = browser.get(
        "/api/v1/join/configuration", params={"resource": "energy", "cell": VIENNA_CELL}
    )
    found = parse(answer.content)
    assert found.endpoints == ("http://127.0.0.1:8545",)
    assert manifest_hash(found.manifest) == manifest_hash(manifest())
    assert answer.json()["reach"] == "here"


@pytest.mark.parametrize(
    ("query", "status"),
    [({"resource": "nothing"}, 404), ({"cell": "zz"}, 400), ({"device": "a;rm -rf /"}, 400),
     ({"device": "$(x)"}, 400), ({"device": "-x"}, 400), ({"device": "../x"}, 400)],
)  # fmt: skip
def test_choices_that_cannot_be(query: dict[str, str], status: int) -> None:
    browser = kit.client(site())
    for path in ("/api/v1/join/configuration", "/join", "/join/qr.svg"):
        assert browser.get(path, params=query).status_code == status


def test_an_old_link_to_a_finer_cell_comes_out_as_coarse_as_policy_allows_now() -> None:
    fine = h3.latlng_to_cell(*VIENNA, 9)
    query = {"resource": "energy", "cell": fine}
    there = site()
    browser = kit.client(there)
    for finest, expected in ((7, VIENNA_CELL), (5, h3.cell_to_parent(fine, 5))):
        if finest != 7:
            kit.set_parameter(there, "map_resolution", (0, 7), (3, finest))
        told = browser.get("/api/v1/join/configuration", params=query).json()
        assert told["cell"] == expected
        page = browser.get("/join", params=query).text
        assert fine not in page
        assert f"--cell {expected}" in page
        assert "finer than the network allows now" in page
    kit.set_parameter(there, "map_resolution", (3, 9))
    assert browser.get("/api/v1/join/configuration", params=query).json()["cell"] == fine
    assert "finer than the network allows now" not in browser.get("/join", params=query).text


def test_the_page_says_how_fine_and_who_decides() -> None:
    there = site()
    browser = kit.client(there)
    query = {"resource": "energy"}
    page = browser.get("/join", params=query).text
    assert "about 5.2 km² large" in page
    assert "/parameters/map_resolution" not in page, "this network's policy has none"
    kit.set_parameter(there, "map_resolution", (0, 12))
    page = browser.get("/join", params=query).text
    assert "about 310 m² large" in page
    assert 'href="/parameters/map_resolution"' in page
    assert 'data-resolution="12"' in page
    placed = browser.post("/join/place", data={**query, "latitude": "48.2", "longitude": "16.37"})
    assert f"cell={h3.latlng_to_cell(*VIENNA, 12)}#" in placed.headers["location"]


def test_the_steps_work_without_a_script() -> None:
    browser = kit.client(site())
    first = browser.get("/join").text
    assert 'value="energy"' in first
    assert "By coordinates" not in first
    second = browser.get("/join", params={"resource": "energy"}).text
    assert "By coordinates" in second
    assert "Set your machine up" not in second
    placed = browser.post(
        "/join/place", data={"resource": "energy", "latitude": "48,2", "longitude": "16.37"}
    )
    assert placed.status_code == 303
    assert placed.headers["location"] == f"/join?resource=energy&cell={VIENNA_CELL}#configure"
    third = browser.get(placed.headers["location"].partition("#")[0]).text
    assert f"--cell {VIENNA_CELL}" in third
    assert "commonworks join" in third
    assert f"cell={VIENNA_CELL}" in third
    nowhere = browser.get("/join", params={"resource": "energy", "cell": "0"}).text
    assert "--cell" not in nowhere
    wrong = browser.post("/join/place", data={"resource": "energy", "latitude": "99"})
    assert "trouble=place" in wrong.headers["location"]


def test_a_form_of_another_site_is_refused() -> None:
    browser = kit.client(site())
    sent = browser.post(
        "/join/place", data={"latitude": "1"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert sent.status_code == 403


def test_the_qr_code_is_a_picture() -> None:
    answer = kit.client(site()).get("/join/qr.svg", params={"resource": "energy"})
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<?xml") or answer.text.startswith("<svg")


def test_cells_near() -> None:
    found = kit.client(site()).get(
        "/api/v1/join/cells", params={"latitude": 48.2, "longitude": 16.4}
    )
    known = {one["cell"]: one["ring"] for one in found.json()["cells"]}
    assert known[VIENNA_CELL][0] == known[VIENNA_CELL][-1]
    assert len(known) == 127
    assert (found.json()["resolution"], found.json()["rounding_degrees"]) == (7, 0.1)
    bad = kit.client(site()).get("/api/v1/join/cells", params={"latitude": 99, "longitude": 0})
    assert bad.status_code == 422


# --- progress -------------------------------------------------------------------------------------


def states(browser: Any) -> list[str]:
    answer = browser.get("/api/v1/join/progress", params={"thumbprint": KEY.hex()})
    assert answer.status_code == 200
    page = browser.get("/join/progress", params={"thumbprint": KEY.hex()})
    assert page.status_code == 200
    for step in answer.json()["steps"]:
        assert step["title"] in page.text
    return [step["state"][0] for step in answer.json()["steps"]]


def statement(position: int, kind: str, **changes: Any) -> dict[str, object]:
    return {
        "log_id": LOG,
        "position": position,
        "identity": kit.digest(1_000 + position),
        "kind": kind,
        "kid": KEY,
        "device": 7,
        "resource": "energy",
        "said_at": None,
        "sealed": True,
        "leaf": kit.digest(2_000 + position),
        "bytes": 100,
        "epoch": None,
        "outcome": None,
        "reason": None,
        **changes,
    }


def test_a_device_is_followed_to_its_first_verified_report() -> None:
    there = site()
    browser, engine = kit.client(there), there.engine
    assert states(browser) == list("wwwww")
    kit.fill(
        engine,
        schema.device,
        {
            "device": 7, "owner": kit.account(0xADA), "thumbprint": KEY, "algorithm": -8,
            "public_key": bytes(32), "resource": "energy", "cell": VIENNA_CELL,
            "enroller": kit.account(9), "enrolled_at": kit.GENESIS, "enrolled_tx": kit.digest(1),
            "reference": False, "statements": 0, "rejected": 0, "last_judged_epoch": None,
        },
    )  # fmt: skip
    assert states(browser) == list("dwwww")
    kit.fill(engine, schema.statement, statement(4, "binding"))
    assert states(browser) == list("ddwww")
    kit.fill(engine, schema.statement, statement(5, "report"))
    assert states(browser) == list("dddww")
    anchor = {"log_id": LOG, "root": kit.digest(1), "time": kit.GENESIS + 9, "tx": kit.digest(2)}
    kit.fill(engine, schema.anchor, {**anchor, "size": 5})
    assert states(browser) == list("dddww"), "the anchor covers the binding only"
    kit.fill(engine, schema.anchor, {**anchor, "size": 6})
    assert states(browser) == list("ddddw")
    late = {"epoch": 0, "outcome": "rejected", "reason": "too_late"}
    with engine.begin() as connection:
        where = schema.statement.c.position == 5
        connection.execute(schema.statement.update().where(where).values(**late))
    assert states(browser) == list("ddddf")
    answer = browser.get("/api/v1/join/progress", params={"thumbprint": KEY.hex()}).json()
    assert "Too late" in answer["steps"][-1]["detail"]
    assert not answer["verified"]
    kit.fill(engine, schema.statement, statement(9, "report", epoch=1, outcome="accepted"))
    kit.fill(engine, schema.anchor, {**anchor, "size": 20})
    assert states(browser) == list("ddddd")
    answer = browser.get("/api/v1/join/progress", params={"thumbprint": KEY.hex()}).json()
    assert answer["verified"]


def test_what_is_no_thumbprint() -> None:
    browser = kit.client(site())
    assert browser.get("/join/progress", params={"thumbprint": "xyz"}).status_code == 400
    assert browser.get("/api/v1/join/progress", params={"thumbprint": "xyz"}).status_code == 422

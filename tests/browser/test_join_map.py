"""The map on which a newcomer places a device: its cell is as fine as policy allows, no finer."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import h3
import pytest
from browsing import Visit

from commonworks.explorer import cells
from explorer_kit import make_site, set_parameter
from proof_kit import serving

PLACE = (48.2, 16.37)


@pytest.mark.parametrize("finest", [4, 7, 10])
def test_a_click_picks_an_allowed_cell_and_the_server_hears_of_a_rough_place(
    visit: Callable[..., Visit], finest: int
) -> None:
    site = make_site()
    set_parameter(site, "map_resolution", (0, finest))
    near_by = cells.cell_at(*PLACE, min(finest + 1, 9))
    with serving(site) as url:
        page = visit().page
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url) if "/join/cells" in one.url else None)
        # an old link to a finer cell opens the map where it is
        page.goto(f"{url}/join?resource=energy&cell={near_by}")
        said = page.locator("section", has=page.locator("#place")).inner_text()
        taken = cells.coarse(near_by, finest)
        assert taken in said
        assert ("finer than the network allows now" in said) == (taken != near_by)
        page.locator("[data-pick] path.picked").wait_for()
        drawn = page.locator("[data-pick] .leaflet")
        box = drawn.bounding_box()
        assert box is not None
        drawn.click(position={"x": box["width"] * 0.5, "y": box["height"] * 0.3})
        picked = page.locator("[data-picked-cell]")
        picked.wait_for()
        cell = picked.inner_text()
        assert h3.get_resolution(cell) == finest
        around = h3.grid_disk(taken, 5)
        assert h3.cell_to_parent(cell, h3.get_resolution(taken)) in around
        page.locator("[data-picked-link]").click()
        page.wait_for_url("**/join?resource=energy&cell=*")
        assert f"--cell {cell}" in page.content()
    [query] = [parse_qs(urlsplit(one).query) for one in asked]
    step = cells.rounding(finest)
    for name in ("latitude", "longitude"):
        steps = float(query[name][0]) / step
        assert abs(steps - round(steps)) < 1e-3, (name, query, step)

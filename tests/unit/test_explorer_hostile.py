"""The explorer against people who mean harm: what they send, log, register and propose."""

from __future__ import annotations

import json
import sys

import pytest

import explorer_kit as kit
from commonworks.explorer.web.nesting import DEPTH_MAX, Nesting
from commonworks.transport import server

JSON = {"content-type": "application/json"}


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bracket", [b"[", b'{"a":', b'{"a":[', b'["\\"[",['])
def test_a_body_of_brackets_is_refused_before_it_is_read(bracket: bytes) -> None:
    browser = kit.client(kit.make_site())
    body = (bracket * 130_000)[:130_000]
    answer = browser.post("/api/v1/session/message", content=body, headers=JSON)
    assert answer.status_code == 400
    assert "nested" in answer.json()["detail"]


def test_another_encoding_hides_no_brackets() -> None:
    """Code point 0x2261 has the byte of a quote: whoever counts bytes would take it for a text."""
    body = ('["≡",' + "[" * 20_000).encode("utf-16-le")
    answer = kit.client(kit.make_site()).post("/api/v1/session", content=body, headers=JSON)
    assert answer.status_code == 400


def test_brackets_in_texts_and_pieces_of_any_size_are_fine() -> None:
    deep = json.dumps({"a": ["[" * 500, '\\"{', {"\\": "}]]"}]}).encode()
    for size in (1, 2, 3, 7, len(deep)):
        nesting = Nesting()
        assert all(nesting.fits(deep[at : at + size]) for at in range(0, len(deep), size))
    for size in (1, 5):
        nesting, body = Nesting(), b'{"\\\\":' * (DEPTH_MAX + 1)
        assert not all(nesting.fits(body[at : at + size]) for at in range(0, len(body), size))


async def test_nothing_is_served_with_a_recursion_that_the_stack_cannot_hold() -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("nobody asks")

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        async with server.serve(app):
            assert sys.getrecursionlimit() <= server.RECURSION_MAX
    finally:
        sys.setrecursionlimit(before)

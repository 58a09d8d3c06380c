"""What the first readers would wait for is done when nobody asks yet, and changes nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from jinja2 import Environment
from starlette.testclient import TestClient

from commonworks.explorer.app import build_app
from commonworks.explorer.web import i18n
from commonworks.explorer.web.templating import ENVIRONMENT
from commonworks.wiring.explorer.warming import set_aside, warm_up, warming
from explorer_kit import make_site
from gateway_kit import asynchronous


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Templates that were compiled, beginning with none."""
    assert ENVIRONMENT.cache is not None
    ENVIRONMENT.cache.clear()
    names: list[str] = []
    really = Environment.compile

    def compile_(
        self: Environment, source: Any, name: str | None = None, *rest: Any, **more: Any
    ) -> Any:
        names.append(name or "")
        return really(self, source, name, *rest, **more)

    monkeypatch.setattr(Environment, "compile", compile_)
    yield names
    ENVIRONMENT.cache.clear()


def test_after_it_no_request_compiles_a_template(compiled: list[str]) -> None:
    app = build_app(make_site())
    asyncio.run(warm_up(app))
    assert sorted(compiled) == sorted(ENVIRONMENT.list_templates())
    compiled.clear()
    browser = TestClient(app, base_url="http://127.0.0.1")
    for path in ("/", "/devices", "/epochs", "/join", "/no-such-page"):
        assert browser.get(path).text
    assert not compiled
    assert app.openapi_schema is not None


def test_the_first_page_is_asked_for_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    app, spoken = build_app(make_site()), list[str]()
    really = i18n.Languages.use

    def use(self: i18n.Languages, language: str) -> None:
        spoken.append(language)
        really(self, language)

    monkeypatch.setattr(i18n.Languages, "use", use)
    asyncio.run(warm_up(app))
    assert spoken == list(app.state.languages.codes)
    assert len(spoken) > 1


@asynchronous
async def test_it_runs_beside_what_follows_and_ends_with_it() -> None:
    async with warming(build_app(make_site())) as task:
        assert not task.done()  # nobody waited for it
    assert task.cancelled()


def test_what_is_there_by_then_is_not_looked_through_again() -> None:
    before = gc.get_freeze_count()
    try:
        set_aside()
        assert gc.get_freeze_count() > before + 10_000
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()

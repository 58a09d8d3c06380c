"""The whole API by its own schema: no server error, every answer as declared, refusals as declared.

Three sites are asked: one with rows in every table and ports that answer, by somebody who signed
in; one whose proofs can be computed; one that is empty, by a stranger. Cases come from the schema
alone, the same each time; values that are really there are mixed in, so that more than refusals is
seen. The stream, which has no end, is read by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import one_of
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup

from commonworks.crypto.hashes import sha256
from commonworks.explorer.app import API, SLICES, build_app
from commonworks.explorer.ports import PriceNow
from commonworks.explorer.site import Site
from commonworks.explorer.web import errors
from explorer_kit import MANY, Told, make_site
from explorer_rows import ANNA, Tried, full_site, plain, routes, samples, signed_in
from proof_kit import proof_site

EXAMPLES = 12
"""Random cases of each operation, beside those that cover its schema rule by rule."""
MOST = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SEMANTIC = ["2xx", "3xx", "400", "401", "403", "404", "409"]
"""What may come of values that fit: which cursors, months, amounts there are, no schema says."""
REFUSED = ["400", "401", "403", "404", "405", "413", "414", "422"]
"""What may come of others: too long for a field is often too long for an address or any body."""


def config(site: Site) -> SchemathesisConfig:
    """Return how cases are made: the same each time, with values that are there among them."""
    known = {name: values[:20] for name, values in samples(site).items() if values}
    return SchemathesisConfig.from_dict(
        {
            "generation": {"deterministic": True},
            "dictionaries": {
                name: {"values": [_typed(one) for one in values]} for name, values in known.items()
            },
            "parameters": {
                f"path.{name}": {"dictionary": name, "probability": 0.7} for name in known
            },
            "checks": {
                "positive_data_acceptance": {"expected-statuses": SEMANTIC},
                "negative_data_rejection": {"expected-statuses": REFUSED},
            },
            "phases": {"coverage": {"unexpected-methods": ["PUT", "PATCH"]}},
        }
    )


def _typed(value: str) -> str | int:
    return int(value) if value.isdecimal() and len(value) < 20 else value


def loaded(site: Site) -> Any:
    """Return a site's schema, bound to its application."""
    app = build_app(site, limits=MANY)
    schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", app, config=config(site))
    schema.validate()
    return schema


def cases(schema: Any, operation: Any) -> Iterator[schemathesis.Case[Any]]:
    """Yield cases that cover an operation's schema rule by rule, kept and broken."""
    generation = schema.config.generation_for(operation=operation, phase="coverage")
    yield from schema.iter_coverage_cases(
        operation, generation_modes=list(GenerationMode), generation_config=generation
    )


def hold(schema: Any, path: str, cookies: dict[str, str] | None = None) -> None:
    """Ask everything at a path; fail with every way in which answers break the contract."""
    broken: dict[str, FailureGroup] = {}

    def ask(case: schemathesis.Case[Any]) -> None:
        try:
            case.call_and_validate(cookies=cookies)
        except FailureGroup as error:
            kind = ", ".join(sorted(type(one).__name__ for one in error.exceptions))
            broken.setdefault(kind, error)

    asked = 0
    for operation in (one.ok() for one in schema.get_all_operations()):
        if operation.path != path:
            continue
        for case in cases(schema, operation):
            asked += 1
            ask(case)
        made = one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])
        MOST(given(case=made)(ask))()
    assert asked
    if broken:
        pytest.fail(f"{path} breaks its contract\n\n" + "\n".join(map(str, broken.values())))


def paths() -> list[str]:
    """Return every path of the API but the stream's, which has no end."""
    found = {
        f"{API}{route.path_format}"
        for name in SLICES
        for route in routes(import_module(f"commonworks.explorer.api.{name}").router)
    }
    return sorted(found - {errors.STREAM_PATH})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return full_site(folder=tmp_path_factory.mktemp("alerts"))


@pytest.fixture(scope="module")
def full(site: Site) -> Any:
    return loaded(site)


@pytest.fixture(scope="module")
def provable() -> Any:
    return loaded(proof_site())


@pytest.fixture(scope="module")
def empty() -> Any:
    return loaded(make_site(backtests=Tried(plain)))


@pytest.mark.parametrize("path", paths())
def test_a_network_in_full(site: Site, full: Any, path: str) -> None:
    hold(full, path, signed_in(site, ANNA, sha256(path.encode())[:8]))


@pytest.mark.parametrize("path", [path for path in paths() if "/proofs/" in path])
def test_a_network_whose_proofs_can_be_computed(provable: Any, path: str) -> None:
    hold(provable, path)


@pytest.mark.parametrize("path", paths())
def test_a_network_without_a_past(empty: Any, path: str) -> None:
    hold(empty, path)


def test_an_answer_that_breaks_the_contract_would_be_seen() -> None:
    class Lying(Told):
        async def sale(self, amount_in: int) -> Any:
            return PriceNow(amount_in=amount_in, amount_out="a lot")  # type: ignore[arg-type]

    with pytest.raises(pytest.fail.Exception, match="Server error"):
        hold(loaded(make_site(Lying())), f"{API}/quote")


def test_the_schema_names_every_path_once(full: Any) -> None:
    raw = full.raw_schema
    assert raw["openapi"] == "3.1.0"
    assert sorted(raw["paths"]) == sorted([*paths(), errors.STREAM_PATH])
    operations = [one for path in raw["paths"].values() for one in path.values()]
    names = [one["operationId"] for one in operations]
    assert len(set(names)) == len(names)
    for one in operations:
        assert one["description"], one["operationId"]
        for status, answer in one["responses"].items():
            kinds = set(answer.get("content", {}))
            assert kinds == {"application/problem+json"} or int(status) < 400, one["operationId"]


# --- the stream -----------------------------------------------------------------------------------


class Listening:
    """One reader of the stream, over the whole application."""

    def __init__(self, site: Site) -> None:
        self.start: dict[str, Any] = {}
        self.body = b""
        self._gone = asyncio.Event()
        self._more = asyncio.Event()
        self._site = site

    async def read(self, query: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Ask for the stream; returns when it ends."""
        scope = {
            "type": "http", "method": "GET", "path": errors.STREAM_PATH, "query_string": query,
            "headers": [(b"host", b"127.0.0.1"), *headers], "client": ("127.0.0.9", 1),
            "scheme": "http", "server": ("127.0.0.1", 80), "raw_path": b"", "root_path": "",
            "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.3"},
        }  # fmt: skip
        await build_app(self._site, limits=MANY)(scope, self._receive, self._send)

    async def until(self, text: bytes) -> None:
        """Return when the stream has said something."""
        async with asyncio.timeout(10):
            while text not in self.body:
                self._more.clear()
                await self._more.wait()

    def go(self) -> None:
        """Close the connection."""
        self._gone.set()

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        self.body += message.get("body", b"")
        self._more.set()


def test_the_stream_says_what_happens_to_those_who_asked_for_it() -> None:
    site = make_site()

    async def scenario() -> None:
        heard = Listening(site)
        task = asyncio.create_task(
            heard.read(b"kinds=epoch,head", ((b"accept-encoding", b"gzip"),))
        )
        await heard.until(b": welcome")
        site.broadcast.publish("statements", {"text": "not asked for"})
        site.broadcast.publish("epoch", {"epoch": 7, "name": "<script>\nid: 1"})
        await heard.until(b"event: epoch")
        headers = dict(heard.start["headers"])
        assert heard.start["status"] == 200
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"access-control-allow-origin"] == b"*"
        assert b"default-src 'none'" in headers[b"content-security-policy"]
        assert b"content-encoding" not in headers
        assert b"etag" not in headers
        assert b"not asked for" not in heard.body
        (data,) = [line for line in heard.body.split(b"\n") if line.startswith(b"data:")]
        assert json.loads(data[5:]) == {"epoch": 7, "name": "<script>\nid: 1"}
        site.broadcast.close()
        await asyncio.wait_for(task, 10)
        assert site.broadcast.listeners == 0

    asyncio.run(scenario())


def test_who_leaves_the_stream_is_forgotten() -> None:
    site = make_site()

    async def scenario() -> None:
        heard = Listening(site)
        task = asyncio.create_task(heard.read(b"", ((b"last-event-id", b"of-another-life"),)))
        await heard.until(b"event: resync")
        assert site.broadcast.listeners == 1
        heard.go()
        await asyncio.wait_for(task, 10)
        assert site.broadcast.listeners == 0

    asyncio.run(scenario())


def test_a_client_listens_only_so_often() -> None:
    site = make_site()

    async def scenario() -> None:
        listening = [Listening(site) for _ in range(32)]
        tasks = [asyncio.create_task(one.read()) for one in listening]
        for one in listening:
            await one.until(b": welcome")
        late = Listening(site)
        await late.read()
        headers = dict(late.start["headers"])
        assert late.start["status"] == 503
        assert headers[b"content-type"] == b"application/problem+json"
        assert int(headers[b"retry-after"]) >= 1
        site.broadcast.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)

    asyncio.run(scenario())

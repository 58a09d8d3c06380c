"""The API's contract beyond its handlers: how answers fail, which headers they carry.

Rule: every status that an operation may answer with is declared at it, so that a client generated
from the schema knows them all. Tests hold the application to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

PROBLEM: Final = "application/problem+json"
METHODS: Final = frozenset({"get", "post", "delete"})


class Misfit(BaseModel):
    """One value of a request that does not fit."""

    model_config = ConfigDict(extra="forbid")

    place: str = Field(description="Where it stands: `query.limit`, `body.account`.")
    problem: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Why there is no answer (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="`about:blank`: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="What is wrong here and what to do, for people.")
    errors: list[Misfit] = Field(default=[], description="With 422: every value that does not fit.")


REFUSALS: Final = {
    "400": "A value cannot be what it should: a cursor of another list, an amount that is none.",
    "404": "There is no such thing.",
    "414": "The query is too long.",
    "422": "A parameter, or the body, does not fit this schema.",
    "429": "Too many requests from this client.",
    "503": "Not now: the index, the chain or a log does not answer.",
}
"""Status -> when any operation answers with it."""

REFUSED_CHANGES: Final = {
    "401": "Nobody signed in, or the signature is not this account's.",
    "403": "Another site's page sent it.",
    "409": "It contradicts what is there, or would fail on chain.",
    "413": "The body is too long.",
}
"""The same, for operations that are sent a body or change something."""

_MINE: Final = {"401": "Nobody signed in."}

_TAGGED: Final = {
    "ETag": {
        "description": "Names this answer; send it back in `If-None-Match`.",
        "schema": {"type": "string"},
    }
}
_RETRY: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
}


def install(app: FastAPI) -> None:
    """Let the application's schema say what every operation may answer."""
    made = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(made())
        return app.openapi_schema

    # The framework's own way to extend a schema.
    app.openapi = complete  # type: ignore[method-assign]


def _complete(schema: dict[str, Any]) -> dict[str, Any]:
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    of_problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(of_problem.pop("$defs"))
    schemas["Problem"] = of_problem
    for method, operation in _operations(schema):
        responses = operation["responses"]
        for status, words in _statuses(method, operation).items():
            declared = responses.get(status, {}).get("description", words)
            responses[status] = _problem(status, declared if status != "422" else words)
        if method == "get" and "application/json" in responses["200"].get("content", {}):
            responses["200"]["headers"] = _TAGGED
            responses["304"] = {"description": "What `If-None-Match` names is still so."}
    return schema


def _statuses(method: str, operation: dict[str, Any]) -> dict[str, str]:
    if method != "get":
        return {**REFUSALS, **REFUSED_CHANGES}
    return {**REFUSALS, **(_MINE if operation.get("tags") == ["alerts"] else {})}


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in schema["paths"].values():
        yield from ((method, path[method]) for method in sorted(METHODS & path.keys()))


def _problem(status: str, words: str) -> dict[str, Any]:
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    found: dict[str, Any] = {"description": words, "content": content}
    return {**found, "headers": _RETRY} if status in ("429", "503") else found

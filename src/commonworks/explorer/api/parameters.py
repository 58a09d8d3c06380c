"""Answers about governed parameters; part of the slice governance."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path

from commonworks.explorer.models.parameters import ParameterBrief, ParameterView
from commonworks.explorer.queries import parameters
from commonworks.explorer.web.context import ConnDep, SiteDep
from commonworks.explorer.web.pagination import LIMIT_DEFAULT, CursorQuery, LimitQuery, Page

router: Final = APIRouter(tags=["governance"])

KeyPath = Annotated[str, Path(max_length=1_000, description="A parameter's key.")]


@router.get("/parameters")
def list_parameters(
    site: SiteDep,
    connection: ConnDep,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> Page[ParameterBrief]:
    """Every parameter: its value now, its bounds, what it does and what it will be; by key."""
    return parameters.parameters(connection, site, limit, cursor)


@router.get("/parameters/{key:path}")
def one_parameter(
    site: SiteDep,
    connection: ConnDep,
    key: KeyPath,
    limit: LimitQuery = LIMIT_DEFAULT,
    cursor: CursorQuery = None,
) -> ParameterView:
    """One parameter with its history, newest first."""
    return parameters.parameter(connection, site, key, limit, cursor)

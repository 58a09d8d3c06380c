"""Answers to a search."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from commonworks.explorer.models.search import SearchAnswer
from commonworks.explorer.queries.search import QUERY_MAX, search
from commonworks.explorer.web.context import ConnDep, SiteDep

router = APIRouter(tags=["search"])


@router.get("/search")
def read_search(
    site: SiteDep,
    connection: ConnDep,
    q: Annotated[
        str,
        Query(
            max_length=QUERY_MAX,
            description="A number, a name, words of a title, or the beginning of a hash.",
        ),
    ] = "",
) -> SearchAnswer:
    """Devices, accounts, epochs, transactions, statements, nodes, proposals, parameters, resources.

    A hash, key thumbprint, log id or address is found by its first four hexadecimal digits, a
    statement by its first eight. Names are found by any part of them.
    """
    return search(connection, site, q)

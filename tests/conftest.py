"""Makes the modules beside this file importable: the builders that many tests share."""

from __future__ import annotations

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run where groups of tests would silently be torn apart.

    Tests of one group share a network; two workers that serve it at once disturb each other. The
    distributing plugin names the group in an item's id, and says nothing where it could not.
    """
    if not getattr(session.config.option, "loadgroup", False):
        return
    torn = [
        item.nodeid
        for item in session.items
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid.rpartition("]")[2]
    ]
    if torn:
        raise pytest.UsageError(f"this pytest-xdist does not heed the group of {torn[0]}")

"""Conformance: every rule of the seam between the kernel and a resource, tried on any resource.

Whoever writes a resource runs it in one line, see docs/guide/resource.md:

    assert check_resource(RESOURCE, SIMULATOR) == []
"""

from __future__ import annotations

from commonworks.conformance.check import check_resource
from commonworks.conformance.findings import RULES, Finding, Rule

__all__ = ["RULES", "Finding", "Rule", "check_resource"]

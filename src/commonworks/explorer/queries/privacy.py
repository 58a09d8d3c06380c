"""Who may see a quantity: the evidence of a `members` resource is for those concerned."""

from __future__ import annotations

from commonworks.explorer.site import Site
from commonworks.resources.base import Visibility


def public_resources(site: Site) -> tuple[str, ...]:
    """Return the resources whose evidence everybody may read, sorted by name."""
    return tuple(
        sorted(n for n, one in site.resources.items() if one.visibility is Visibility.PUBLIC)
    )


def is_public(site: Site, resource: str | None) -> bool:
    """Tell whether everybody may see a resource's quantities; one that is unknown is private."""
    known = site.resources.get(resource or "")
    return known is not None and known.visibility is Visibility.PUBLIC


def may_see(site: Site, resource: str | None, viewer: bytes | None, *concerned: bytes) -> bool:
    """Tell whether a reader may see quantities that concern these accounts."""
    return is_public(site, resource) or (viewer is not None and viewer in concerned)

"""What the pages say of the facility."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from casa_hub.settings import Settings


def start(site: Settings) -> Any:
    """Return what templates see."""
    return {"name": site.name, "announcement": site.announcement}

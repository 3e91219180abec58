"""Variables of a site that are set for everybody in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.site.values import ScalarValue

if TYPE_CHECKING:
    from casa_install.site.definitions import Inventory


def plain_value(inventory: Inventory, name: str) -> str:
    """Return a variable where it is no template; else an empty string."""
    for definition in inventory.definitions:
        value = definition.value
        if definition.name == name and isinstance(value, ScalarValue) and not value.is_template:
            return str(value.data)
    return ""

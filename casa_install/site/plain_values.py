"""What an inventory says in plain words, without Ansible: for tools that run before it or beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.site.values import DictValue, ListValue, ScalarValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.site.definitions import Definition, Inventory
    from casa_install.site.values import Value


class NotPlainError(Exception):
    """A value that only Ansible knows: computed by a template, or encrypted."""


def definitions_of(inventory: Inventory, name: str) -> Iterator[Definition]:
    """Yield every definition of a variable, in reading order."""
    return (definition for definition in inventory.definitions if definition.name == name)


def plain_value(value: Value) -> Any:
    """Return a value as Python has it.

    Raises:
        NotPlainError: A part of it is a template or encrypted.
    """
    if isinstance(value, ScalarValue) and not value.is_template:
        return value.data
    if isinstance(value, ListValue):
        return [plain_value(item) for item in value.items]
    if isinstance(value, DictValue) and not value.is_template:
        return {key: plain_value(entry.value) for key, entry in value.entries.items()}
    raise NotPlainError

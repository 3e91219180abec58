"""Values as an admin wrote them: the Python value together with the place where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.site.findings import Place

_TEMPLATE = re.compile(r"\{\{|\{%|\{#")


@dataclass(frozen=True, slots=True)
class ScalarValue:
    """A string, number, boolean, date or null.

    Args:
        place: Where it starts.
        data: The Python value.
        secret: It comes from a vaulted file, so no message may repeat it.
    """

    place: Place
    data: object
    secret: bool = False

    @property
    def is_template(self) -> bool:
        """Whether only Ansible knows the value, because it is computed by Jinja."""
        return isinstance(self.data, str) and _TEMPLATE.search(self.data) is not None

    def shown(self) -> str:
        """Return the value for a message: short, on one line, and hidden if it is secret."""
        if self.secret:
            return "the encrypted value"
        if self.data is None:
            return "an empty value"
        if isinstance(self.data, int) and not isinstance(self.data, bool):
            text = hex(self.data) if self.data.bit_length() > 128 else str(self.data)
        else:
            text = str(self.data).lower() if isinstance(self.data, bool) else repr(self.data)
        return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class VaultedValue:
    """An inline `!vault` value: it exists, and that is all that is known."""

    place: Place


@dataclass(frozen=True, slots=True, eq=False)
class ListValue:
    """A list."""

    place: Place
    items: list[Value] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping: where the key stands, and its value."""

    place: Place
    value: Value


@dataclass(slots=True, eq=False)
class DictValue:
    """A mapping; keys are the text of what stands in the file.

    Args:
        place: Where it starts.
        entries: Its keys, in order.
        is_template: It is a Jinja expression without quotes, which YAML takes for a mapping.
    """

    place: Place
    entries: dict[str, Entry] = field(default_factory=dict)
    is_template: bool = False


Value: TypeAlias = ScalarValue | VaultedValue | ListValue | DictValue


def scalars(value: Value) -> Iterator[ScalarValue]:
    """Yield every scalar in a value once, however often aliases repeat it."""
    pending, seen = [value], set[int]()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, ScalarValue):
            yield current
        elif isinstance(current, ListValue):
            pending.extend(current.items)
        elif isinstance(current, DictValue):
            pending.extend(entry.value for entry in current.entries.values())

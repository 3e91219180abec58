"""Tables as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.engine.events import plain_text

if TYPE_CHECKING:
    from casa_install.engine.tables import Table


def table_text(table: Table) -> str:
    """Return a table with its title, columns as wide as what they hold; numbers to the right."""
    cells = [table.columns, *table.rows]
    width = len(table.columns)
    rows = [[_cell(row[index]) if index < len(row) else "" for index in range(width)] for row in cells]
    widths = [max(len(row[index]) for row in rows) for index in range(width)]
    numeric = [_is_numeric([row[index] for row in rows[1:]]) for index in range(width)]
    lines = [
        "  ".join(
            cell.rjust(size) if right else cell.ljust(size)
            for cell, size, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.title, *(f"  {line}" for line in lines)])


def _cell(text: str) -> str:
    """What a host says is only ever one line of plain text here."""
    return " ".join(plain_text(text).split())


def _is_numeric(column: list[str]) -> bool:
    """Whether a column holds numbers and nothing else but `-` and `?`, which stand for none and unknown."""
    numbers = [text for text in column if text not in ("-", "?")]
    return bool(numbers) and all(_is_number(text) for text in numbers)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()

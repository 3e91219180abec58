"""Tables that roles hand to the end of a run, for example a pool's slots.

A role sets them with ``ansible.builtin.set_stats``, under the name ``casa_report``: a list of mappings with
``title``, ``columns`` (names) and ``rows`` (lists of values). ansible-runner passes custom statistics on as
``artifact_data`` of its last event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VARIABLE = "casa_report"
_MAX_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its title, the names of its columns, and the rows as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """Return the table as the journal and `--json` hold it."""
        return {"title": self.title, "columns": list(self.columns), "rows": [list(row) for row in self.rows]}


def parse_tables(statistics: object) -> tuple[Table, ...]:
    """Return the tables among custom statistics; anything else there is left out, and nothing raises.

    Tables with one title and the same columns, which several hosts may hand in, become one.
    """
    found = statistics.get(VARIABLE) if isinstance(statistics, Mapping) else None
    tables = [_table(item) for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []
    joined: dict[tuple[str, tuple[str, ...]], tuple[tuple[str, ...], ...]] = {}
    for table in tables:
        if table.columns:
            key = (table.title, table.columns)
            joined[key] = (*joined.get(key, ()), *table.rows)[:_MAX_ROWS]
    return tuple(Table(title, columns, rows) for (title, columns), rows in joined.items())


def _table(item: Mapping[str, Any]) -> Table:
    columns, rows = item.get("columns"), item.get("rows")
    return Table(
        title=str(item.get("title", "")),
        columns=tuple(map(str, columns)) if isinstance(columns, list) else (),
        rows=tuple(tuple(map(str, row)) for row in rows[:_MAX_ROWS] if isinstance(row, list))
        if isinstance(rows, list)
        else (),
    )

"""A site's notebook hubs as people and programs read them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.engine.tables import Table
from casa_install.report.messages import labelled
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.health.notebook import Hub

_COLUMNS = (
    "hub",
    "version",
    "sessions",
    "memory",
    "failed spawns",
    "accounts",
    "environment",
    "cert. days",
    "proxy",
    "answers",
)
_GIB = 2**30


def hubs_text(hubs: Sequence[Hub]) -> str:
    """Return the table of hubs, what they owe, and people who seem to have several accounts."""
    if not hubs:
        return ""
    parts = [table_text(Table("Notebook hubs", _COLUMNS, tuple(_row(hub) for hub in hubs)))]
    parts += [labelled("Owed", f"{hub.name}: {text}") for hub in hubs for text in hub.owed]
    parts += [
        labelled("Note", f"{hub.name}: {hub.look_alikes} may have several accounts: casa-hub-accounts there")
        for hub in hubs
        if hub.look_alikes
    ]
    return "\n".join(parts)


def hubs_json(hubs: Sequence[Hub]) -> dict[str, Any]:
    """Return hubs by name for programs; docs/notebook.md names the keys."""
    return {hub.name: {key: value for key, value in asdict(hub).items() if key != "name"} for hub in hubs}


def _row(hub: Hub) -> tuple[str, ...]:
    if hub.fault:
        return (hub.name, *("-" for _ in _COLUMNS[1:-1]), "not asked")
    return (
        hub.name,
        hub.version or "-",
        str(hub.sessions),
        f"{hub.session_memory / _GIB:.1f} GiB",
        "-" if hub.spawn_failures is None else f"{hub.spawn_failures} of {hub.spawns}",
        "-" if hub.accounts is None else str(hub.accounts),
        hub.environment.rpartition("/")[2] or "-",
        "-" if hub.certificate_days is None else f"{hub.certificate_days:.0f}",
        hub.proxy or "not installed",
        _answer(hub),
    )


def _answer(hub: Hub) -> str:
    if hub.hub != "active":
        return hub.hub or "not installed"
    return "NO" if hub.answer_seconds is None else f"in {hub.answer_seconds} s"

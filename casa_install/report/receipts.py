"""What casa-install owns on hosts, and what would go, as people and machines read it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from casa_install.engine.events import plain_text
from casa_install.engine.tables import Table
from casa_install.plugins.module_utils.casa_state.removal_plan import plan_removal
from casa_install.report.host_language import host_names
from casa_install.report.messages import labelled
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.engine.receipts import HostReceipts
    from casa_install.engine.removal import RemovalPreview
    from casa_install.plugins.module_utils.casa_state.receipts import Entry, Receipt


def explain_text(host: str, owned: HostReceipts) -> str:
    """Return what we own on a host: a table per role."""
    parts = [labelled("Left", text) for text in owned.faults.values()]
    parts += [_role_table(role, receipt) for role, receipt in sorted(owned.receipts.items())]
    return "\n\n".join(parts) or f"{host}: casa-install owns nothing here"


def explain_json(owned: HostReceipts) -> dict[str, Any]:
    """Return the same for programs; digests and what secrets were like are in neither."""
    return {
        "roles": {
            role: {
                "owned": [_entry_json(entry, text) for entry, text in _with_end(receipt)],
                "owed": [{"handler": owed.handler, "reason": owed.reason} for owed in receipt.owed],
            }
            for role, receipt in sorted(owned.receipts.items())
        },
        "faults": owned.faults,
    }


def preview_text(preview: RemovalPreview) -> str:
    """Return what would go, hosts with the same things together, and which hosts are left."""
    same: dict[str, list[str]] = {}
    for name, roles in sorted(preview.hosts.items()):
        lines = []
        for role, steps in roles.items():
            lines.append(f"  {role}")
            lines += [f"    {_line(text)}" for text in preview.effects.get(name, {}).get(role, ())]
            lines += [f"    {_line(step.text)}" for step in steps] or ["    nothing but the receipt"]
        same.setdefault("\n".join(lines), []).append(name)
    parts = [f"{host_names(names)}:\n{text}" for text, names in same.items()]
    return "\n".join([*parts, *left_lines(preview.left)])


def left_lines(left: Mapping[str, str]) -> list[str]:
    """Return a line per reason for which hosts are left as they are."""
    same: dict[str, list[str]] = {}
    for name, reason in sorted(left.items()):
        same.setdefault(reason, []).append(name)
    return [f"{host_names(names)}: left as it is: {_line(reason)}" for reason, names in same.items()]


def _role_table(role: str, receipt: Receipt) -> str:
    rows = [
        (entry.kind, _name(entry), _since(entry), _before(entry), text) for entry, text in _with_end(receipt)
    ]
    columns = ("what", "name", "since run", "before", "at uninstall")
    text = table_text(Table(role, columns, tuple(tuple(row) for row in rows)))
    owed = [labelled("Owed", f"{_line(owed.handler)}, since: {_line(owed.reason)}") for owed in receipt.owed]
    return "\n".join([text, *owed])


def _with_end(receipt: Receipt) -> list[tuple[Entry, str]]:
    """Return entries as they were made, with what an uninstall does to each."""
    ends = {step.entry.key: step.text for step in plan_removal(receipt)}
    return [(entry, ends[entry.key]) for entry in receipt.entries]


def _name(entry: Entry) -> str:
    path = entry.before.get("path")
    return f"in {path}" if entry.kind in ("line", "block") and isinstance(path, str) else entry.name


def _since(entry: Entry) -> str:
    if not entry.confirmed:
        return f"{entry.run} (was cut off)"
    # A run of the command line has its time in its name.
    return entry.run or (_time(entry.since) if entry.since else "?")


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _before(entry: Entry) -> str:
    before = entry.before
    found = before.get("type", "")
    if entry.added:
        return "nothing"
    if found == "package":
        return f"version {before.get('version', '?')}"
    if found == "unit":
        states = [word for word in ("enabled", "active", "masked") if before.get(word) is True]
        return ", ".join(states) or "disabled, not active"
    if found == "sysctl":
        return str(before.get("value"))
    if found == "link":
        return f"link to {before.get('target', '?')}"
    if found in ("file", "directory"):
        owner = f"{before.get('uid', '?')}:{before.get('gid', '?')}"
        return f"{found}, mode {before.get('mode', '?')}, owner {owner}"
    return str(found or "not recorded")


def _entry_json(entry: Entry, end: str) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": _name(entry),
        "run": entry.run,
        "since": entry.since,
        "confirmed": entry.confirmed,
        "before": _before(entry),
        "at_uninstall": end,
    }


def _line(text: str) -> str:
    return " ".join(plain_text(text).split())

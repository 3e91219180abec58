"""A pool's status as people and programs read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.engine.tables import Table
from casa_install.report.messages import labelled
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.health.status import Host, Status
    from casa_install.health.thresholds import Finding

_STATES = ("running", "idle", "held", "other")
_HOST_COLUMNS = (
    "host",
    "is",
    "version",
    "cores",
    "claimed",
    "free",
    "MiB",
    "token days",
    "health",
    "address",
)
_EXPENDABLE = ("address", "MiB", "is", "claimed")
"""Columns that go first where a terminal is narrow."""


def status_text(status: Status, width: int | None = None) -> str:
    """Return the tables: hosts, jobs by group, the negotiator, what is owed, and what was not asked.

    Args:
        status: The picture.
        width: Of the terminal; None for text that no line break spoils, such as a mail.
    """
    hosts, left_out = _host_table(status, width)
    parts = [hosts]
    if status.jobs:
        rows = tuple(
            (group or "none", *(str(states.get(state, 0)) for state in _STATES))
            for group, states in sorted(status.jobs.items())
        )
        parts.append(table_text(Table("Jobs by group", ("group", *_STATES), rows)))
    elif status.queues:
        parts.append("No jobs in the queues that could be read")
    else:
        parts.append("No jobs in the queue")
    if (cycle := status.negotiation) is not None:
        parts.append(
            f"Last negotiation cycle: {cycle.duration:.0f} s, {cycle.matches} matches, {cycle.age:.0f} s ago"
        )
    notes = [("Owed", f"{host.name}: {text}") for host in status.hosts for text in host.owed or ()]
    notes += [
        ("Note", f"{host.name}: {host.slots.reason}")
        for host in status.hosts
        if host.slots and host.slots.draining
    ]
    if status.others:
        notes.append(("Note", f"in the pool and not in the inventory: {', '.join(status.others)}"))
    if status.direct:
        unknown = "condor.service, the installed version, tokens, what is owed and changed files"
        notes.append(("Note", f"unknown without SSH: {unknown}"))
    if left_out:
        notes.append(("Note", f"no room for {', '.join(left_out)}: widen the terminal, or use --json"))
    if notes:
        parts.append("\n".join(labelled(label, text) for label, text in notes))
    return "\n\n".join(parts)


def findings_text(findings: Sequence[Finding], *, colour: bool) -> str:
    """Return a line per finding with its hint; or that all is well."""
    if not findings:
        return "All is well."
    lines = []
    for finding in findings:
        lines.append(labelled("Failed", f"{finding.where}: {finding.what}", colour=colour))
        if finding.hint:
            lines.append(labelled("Hint", finding.hint, colour=colour))
    return "\n".join(lines)


def status_json(status: Status, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return both for programs; docs/status.md names the keys."""
    document = asdict(status)
    document["hosts"] = {
        host.name: {key: value for key, value in asdict(host).items() if key != "name"}
        | {"address": host.address, "slots": _slots(host)}
        for host in status.hosts
    }
    document["findings"] = [asdict(finding) for finding in findings]
    return document


def _host_table(status: Status, width: int | None) -> tuple[str, list[str]]:
    """The table, and the columns that a narrow terminal has no room for."""
    rows = [_host_row(host, direct=status.direct) for host in status.hosts]
    shown = list(range(len(_HOST_COLUMNS)))
    left_out: list[str] = []
    for name in ("", *_EXPENDABLE):
        if name:
            shown.remove(_HOST_COLUMNS.index(name))
            left_out.append(name)
        columns = tuple(_HOST_COLUMNS[index] for index in shown)
        text = table_text(
            Table("Hosts", columns, tuple(tuple(row[index] for index in shown) for row in rows))
        )
        if width is None or max(map(len, text.splitlines())) <= width:
            break
    return text, left_out


def _slots(host: Host) -> dict[str, Any] | None:
    return None if host.slots is None else asdict(host.slots) | {"free": host.slots.free}


def _host_row(host: Host, *, direct: bool) -> tuple[str, ...]:
    days = [token.days for token in host.tokens or () if token.days is not None]
    slots = host.slots
    numbers = (slots.cores, slots.claimed, slots.free, slots.memory) if slots else ("-",) * 4
    return (
        host.name,
        ", ".join(host.groups) or "-",
        _version(host),
        *(str(number) for number in numbers),
        f"{min(days):.0f}" if days else ("?" if host.tokens is None else "-"),
        _health(host, direct=direct),
        _address(host.address),
    )


def _version(host: Host) -> str:
    """What daemons run; what is installed too where they do not run it yet."""
    running = ", ".join(dict.fromkeys(daemon.version for daemon in host.daemons if daemon.version))
    if not running or not host.version or running == host.version:
        return running or host.version or "-"
    return f"{running} ({host.version} installed)"


def _health(host: Host, *, direct: bool) -> str:
    if host.fault:
        return "not asked"
    if not direct and host.unit != "active":
        return host.unit or "not installed"
    if direct and not host.address:
        return "not in the pool"
    if host.slots is None or (host.slots.healthy is None and not host.slots.draining):
        return "runs"
    if host.slots.healthy is False:
        return "takes no jobs"
    return "draining" if host.slots.draining else "healthy"


def _address(sinful: str) -> str:
    """HTCondor's own form (`<10.0.0.1:9618?addrs=...>`) without what only HTCondor reads."""
    return sinful.strip("<>").partition("?")[0] or "-"

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


def status_text(status: Status) -> str:
    """Return the tables: hosts, jobs by group, the negotiator, and what is owed."""
    parts = [table_text(Table("Hosts", _HOST_COLUMNS, tuple(_host_row(host) for host in status.hosts)))]
    if status.jobs:
        rows = tuple(
            (group or "none", *(str(states.get(state, 0)) for state in _STATES))
            for group, states in sorted(status.jobs.items())
        )
        parts.append(table_text(Table("Jobs by group", ("group", *_STATES), rows)))
    else:
        parts.append("No jobs in the queue")
    if (cycle := status.negotiation) is not None:
        parts.append(
            f"Last negotiation cycle: {cycle.duration:.0f} s, {cycle.matches} matches, {cycle.age:.0f} s ago"
        )
    owed = [f"{host.name}: {text}" for host in status.hosts for text in host.owed]
    if owed:
        parts.append("\n".join(labelled("Owed", text) for text in owed))
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
    document["hosts"] = {host.pop("name"): host for host in document["hosts"]}
    document["findings"] = [asdict(finding) for finding in findings]
    return document


_HOST_COLUMNS = ("host", "is", "version", "cores", "free", "memory MiB", "token days", "health", "address")


def _host_row(host: Host) -> tuple[str, ...]:
    days = [token.days for token in host.tokens if token.days is not None]
    return (
        host.name,
        ", ".join(host.groups),
        host.version or "-",
        "-" if host.cores is None else str(host.cores),
        "-" if host.cores is None else str(host.cores - (host.claimed or 0)),
        "-" if host.memory is None else str(host.memory),
        f"{min(days):.0f}" if days else "-",
        _health(host),
        _address(host.address),
    )


def _health(host: Host) -> str:
    if host.fault:
        return "not asked"
    if host.unit != "active":
        return host.unit or "not installed"
    if host.healthy is None:
        return "runs"
    return "healthy" if host.healthy else "takes no jobs"


def _address(sinful: str) -> str:
    """HTCondor's own form (`<10.0.0.1:9618?addrs=...>`) without what only HTCondor reads."""
    return sinful.strip("<>").partition("?")[0] or "-"

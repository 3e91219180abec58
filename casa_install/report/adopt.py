"""A cluster of others', as people and programs read what was found there."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.engine.tables import Table
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from casa_install.health.adopt_cluster import Probe


def adopt_text(probe: Probe) -> str:
    """Return what was found, then what is missing."""
    rows = tuple((each.what, each.found, each.missing or "-") for each in probe.looked)
    parts = [table_text(Table("What the cluster has", ("what", "found", "missing"), rows))]
    if probe.denied:
        where = f"in {probe.namespace}"
        denied = tuple(
            (
                f"{need.resource}.{need.group}" if need.group else need.resource,
                ", ".join(need.verbs),
                where if need.namespaced else "everywhere",
                need.why,
            )
            for need in probe.denied
        )
        columns = ("resource", "verbs", "where", "for")
        parts.append(table_text(Table("What these credentials may not do", columns, denied)))
    else:
        parts.append("These credentials may do all that is needed.")
    return "\n\n".join(parts)


def adopt_json(probe: Probe) -> dict[str, Any]:
    """Return the same for `--json`."""
    return {
        "ok": probe.ok,
        "namespace": probe.namespace,
        "looked": [asdict(each) for each in probe.looked],
        "denied": [asdict(need) for need in probe.denied],
    }

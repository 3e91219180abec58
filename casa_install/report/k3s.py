"""A site's k3s cluster as people and programs read it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from casa_install.engine.tables import Table
from casa_install.report.messages import labelled
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casa_install.health.k3s import Cluster

_COLUMNS = (
    "nodes ready",
    "version",
    "API ready",
    "etcd healthy",
    "cert. days",
    "kubeconfig days",
    "last snapshot",
)
_HOUR, _MINUTE = 3600, 60


def cluster_text(cluster: Cluster | None) -> str:
    """Return the cluster's line, what hosts owe, and nodes that need a word; empty where there is none."""
    if cluster is None:
        return ""
    parts = [table_text(Table("k3s cluster", _COLUMNS, (_row(cluster),)))]
    parts += [labelled("Owed", f"{host.name}: {text}") for host in cluster.hosts for text in host.owed]
    if cordoned := [node.name for node in cluster.nodes if node.cordoned]:
        parts.append(labelled("Note", f"cordoned, so that no new pods come: {', '.join(cordoned)}"))
    if cluster.others:
        said = ", ".join(cluster.others)
        parts.append(labelled("Note", f"in the cluster and not in the inventory: {said}"))
    return "\n".join(parts)


def cluster_json(cluster: Cluster | None) -> dict[str, Any]:
    """Return the cluster for programs; docs/status.md names the keys."""
    if cluster is None:
        return {}
    document = asdict(cluster)
    document["hosts"] = {
        host.name: {key: value for key, value in asdict(host).items() if key != "name"}
        for host in cluster.hosts
    }
    document["nodes"] = {
        node.name: {
            "ready": node.ready,
            "reason": node.reason,
            "since": node.since,
            "version": node.version,
            "roles": node.roles,
            "cordoned": node.cordoned,
        }
        for node in cluster.nodes
    }
    return document | {"others": cluster.others}


def _row(cluster: Cluster) -> tuple[str, ...]:
    days = [host.certificate_days for host in cluster.hosts if host.certificate_days is not None]
    ages = [host.snapshot_age for host in cluster.hosts if host.snapshot_age is not None]
    servers = [host for host in cluster.hosts if host.kind == "server"]
    # A dead server cannot say that it had a part of etcd; its node still does.
    etcd = max(
        sum("etcd" in node.roles for node in cluster.nodes),
        sum(host.etcd_healthy is not None for host in servers),
    )
    ready = sum(node.ready for node in cluster.nodes)
    return (
        "?" if cluster.fault else f"{ready} of {len(cluster.nodes)}",
        _versions([node.version for node in cluster.nodes] or [host.running for host in cluster.hosts]),
        f"{sum(host.api_ready is True for host in servers)} of {len(servers)}",
        f"{sum(host.etcd_healthy is True for host in servers)} of {etcd}" if etcd else "-",
        f"{min(days):.0f}" if days else "-",
        "-" if cluster.kubeconfig_days is None else f"{cluster.kubeconfig_days:.0f}",
        _ago(min(ages)) if ages else ("none" if etcd else "-"),
    )


def _versions(versions: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(sorted(filter(None, versions)))) or "-"


def _ago(seconds: float) -> str:
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min ago"
    return f"{seconds / _HOUR:.0f} h ago"

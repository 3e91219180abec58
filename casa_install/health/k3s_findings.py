"""What of a k3s cluster somebody should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.health.k3s import HOUR, Cluster, K3sHost
from casa_install.health.thresholds import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

CERTIFICATE_DAYS = 30
"""Fewer days left are a fault: k3s renews what has less than 90 left when it starts, and has not started."""
SNAPSHOT_HOURS = 49
"""Of k3s's own schedule (every 12 hours) four snapshots were missed then, of a daily one two."""
ETCD_FULL = 0.8
"""Part of etcd's quota; beyond the quota it takes no more writes."""
CLUSTER = "cluster"

_UNITS = {"server": "k3s", "agent": "k3s-agent"}


def find_in_cluster(cluster: Cluster | None) -> list[Finding]:
    """Return what is wrong, hosts first."""
    if cluster is None:
        return []
    found = [finding for host in cluster.hosts for finding in _host(cluster, host)]
    if cluster.fault:
        why = "`systemctl status k3s` on the servers; casa-install verify tries the API from here"
        found.append(Finding(CLUSTER, f"no API answers: {cluster.fault}", why))
    if cluster.kubeconfig_fault:
        found.append(Finding(CLUSTER, cluster.kubeconfig_fault))
    days = cluster.kubeconfig_days
    if days is not None and days < CERTIFICATE_DAYS:
        hint = "casa-install apply of the k3s servers brings a fresh one"
        found.append(Finding(CLUSTER, f"the certificate of the kubeconfig here {_left(days)}", hint))
    return found


def _host(cluster: Cluster, host: K3sHost) -> Iterator[Finding]:
    name, unit = host.name, _UNITS[host.kind]
    if host.fault:
        yield Finding(name, f"could not be asked about its k3s: {host.fault}")
    else:
        yield from _own(host, unit)
    if not cluster.fault:
        yield from _as_node(cluster, host)
    for drift in host.drift:
        yield Finding(name, drift, "casa-install plan shows the difference, apply puts it back")


def _own(host: K3sHost, unit: str) -> Iterator[Finding]:
    name = host.name
    if host.unit != "active":
        said = f": {host.fatal}" if host.fatal else ""
        why = f"`journalctl -u {unit}` on that host tells why; its pods go on meanwhile"
        yield Finding(name, f"{unit}.service is {host.unit or 'not there'}{said}", why)
    restart = f"on that host: systemctl restart {unit}; its pods go on"
    if host.running and host.version and host.running != host.version:
        yield Finding(name, f"k3s {host.version} is installed, and {host.running} still runs", restart)
    if host.api_ready is False and host.unit == "active":
        yield Finding(name, f"its API is not ready: {host.api_fault}", "journalctl -u k3s on that host")
    if host.etcd_healthy is False and host.unit == "active":
        yield Finding(
            name,
            f"its part of etcd is not healthy: {host.etcd_fault}",
            "the cluster takes writes as long as more than half of the servers are healthy",
        )
    if host.etcd_used is not None and host.etcd_used > ETCD_FULL:
        yield Finding(
            name,
            f"etcd has used {host.etcd_used:.0%} of its quota, beyond which it takes no writes",
            "look for what makes so many objects (kubectl get events -A), and defragment etcd",
        )
    if host.certificate_days is not None and host.certificate_days < CERTIFICATE_DAYS:
        what = f"its certificate {_left(host.certificate_days)} ({host.certificate})"
        yield Finding(name, what, f"{restart}, and it makes new ones")
    yield from _snapshots(host)


def _snapshots(host: K3sHost) -> Iterator[Finding]:
    if host.etcd_healthy is None or not host.snapshots:
        return
    if host.snapshot_age is not None and host.snapshot_age > SNAPSHOT_HOURS * HOUR:
        what = f"the newest snapshot of etcd is {host.snapshot_age / HOUR:.0f} hours old"
    elif host.snapshot_age is None and host.running_for > SNAPSHOT_HOURS * HOUR:
        what = f"k3s has run for {host.running_for / HOUR:.0f} hours and made no snapshot of etcd"
    else:
        return
    yield Finding(
        host.name, what, "on that host: k3s etcd-snapshot save, and look for why in journalctl -u k3s"
    )


def _as_node(cluster: Cluster, host: K3sHost) -> Iterator[Finding]:
    node = cluster.node(host)
    if node is None:
        why = "`journalctl -u k3s -u k3s-agent` on that host tells why it did not join"
        yield Finding(host.name, f"the cluster has no node {host.node or host.name}", why)
    elif not node.ready:
        hint = f"kubectl describe node {node.name}"
        yield Finding(host.name, f"its node is not ready since {node.since}: {node.reason}", hint)


def _left(days: float) -> str:
    return "has ended" if days < 0 else f"ends in {days:.0f} days"

"""A site's k3s cluster as its hosts describe it: the objects behind `casa-install status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError
from casa_install.health.kube_config import kubeconfig_path, read_kubeconfig
from casa_install.health.kube_reading import Node, node_named, read_node

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY, HOUR = 86400, 3600


@dataclass(frozen=True, slots=True)
class K3sHost:
    """One host with k3s.

    Attributes:
        name: In the inventory.
        kind: `server` or `agent`.
        node: Its name in the cluster.
        unit: State of its unit.
        version: Of the installed file.
        running: Of the process that runs; empty where none does.
        certificate_days: Until the first of k3s's own certificates ends; None where none can be read.
        certificate: Which one that is, below k3s's directory.
        api_ready: Whether the API on this host says so; None on agents.
        api_fault: Why it is not.
        etcd_healthy: Whether its part of etcd says so; None where it has none.
        etcd_fault: Why it is not.
        etcd_used: The part of etcd's quota that is in use, 0 to 1; None where unknown.
        snapshots: Whether etcd's snapshots are on.
        snapshot_age: Seconds since the newest one; None where there is none.
        running_for: How long the unit has been active, in seconds.
        fatal: Why k3s ended last, where it does not run.
        owed: What waits for a run.
        drift: Files of ours that somebody else changed or removed.
        fault: Why the host could not be asked.
    """

    name: str
    kind: str
    node: str = ""
    unit: str = ""
    version: str = ""
    running: str = ""
    certificate_days: float | None = None
    certificate: str = ""
    api_ready: bool | None = None
    api_fault: str = ""
    etcd_healthy: bool | None = None
    etcd_fault: str = ""
    etcd_used: float | None = None
    snapshots: bool = True
    snapshot_age: float | None = None
    running_for: float = 0
    fatal: str = ""
    owed: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A site's cluster.

    Attributes:
        hosts: Those of the inventory.
        nodes: Those that the API knows.
        fault: Why no API could be asked for them.
        asked_on: The host whose API was.
        kubeconfig_days: Until the client certificate of the kubeconfig here ends; None without one.
        kubeconfig_fault: Why that file is not to be used.
    """

    hosts: tuple[K3sHost, ...]
    nodes: tuple[Node, ...] = ()
    fault: str = ""
    asked_on: str = ""
    kubeconfig_days: float | None = None
    kubeconfig_fault: str = ""

    @property
    def others(self) -> tuple[str, ...]:
        """Nodes that the inventory does not know."""
        known = [self.node(host) for host in self.hosts]
        return tuple(node.name for node in self.nodes if node not in known)

    def node(self, host: K3sHost) -> Node | None:
        """Return a host's node; of one that was not asked only the name in the inventory is known."""
        return node_named(host.node or host.name, self.nodes)


def read_cluster(
    answers: Mapping[str, Mapping[str, Any]], kinds: Mapping[str, str], lost: Mapping[str, str], now: float
) -> Cluster | None:
    """Put together what hosts said of their k3s; None where the site has none.

    Args:
        answers: Host -> the objects that its programs printed; ours is under `k3s`.
        kinds: Host -> `server` or `agent`.
        lost: Host -> why it could not be asked.
        now: Seconds since 1970, here.
    """
    if not kinds:
        return None
    said = {host: answers[host]["k3s"] for host in kinds if "k3s" in answers.get(host, {})}
    hosts = tuple(_host(host, kind, said.get(host), lost.get(host, "")) for host, kind in kinds.items())
    lists = {host: one["nodes"] for host, one in said.items() if "nodes" in one}
    asked_on = next((host for host, one in lists.items() if not one["fault"]), "")
    why = [f"{host}: {one['fault']}" for host, one in lists.items() if one["fault"]]
    days, fault = _kubeconfig(next((one["wanted"] for one in said.values()), None), now)
    return Cluster(
        hosts=hosts,
        nodes=tuple(map(read_node, lists[asked_on]["items"])) if asked_on else (),
        fault="" if asked_on else "; ".join(why) or "no server could be asked",
        asked_on=asked_on,
        kubeconfig_days=days,
        kubeconfig_fault=fault,
    )


def _kubeconfig(site: Mapping[str, Any] | None, now: float) -> tuple[float | None, str]:
    if site is None:
        return None, ""
    try:
        found = read_kubeconfig(kubeconfig_path(site["site_name"], site["kubeconfig"]))
    except CasaError as error:
        return None, f"{error.message} {error.hint}".strip()
    if found is None or found.client_ends is None:
        return None, ""
    return (found.client_ends - now) / DAY, ""


def _host(name: str, kind: str, said: Mapping[str, Any] | None, lost: str) -> K3sHost:
    if said is None:
        return K3sHost(name, kind, fault=lost or "it gave no answer")
    unit, now = said["unit"], said["time"]
    if not said["installed"]:
        return K3sHost(name, kind, said["node"], unit["state"], fault="no k3s is installed there")
    ends = dict(said["certificates"])
    if said.get("served"):
        ends["what the API shows"] = said["served"]
    first = min(ends, key=lambda each: ends[each], default="")
    api, etcd, snapshot = said.get("api"), said.get("etcd"), said.get("snapshot")
    return K3sHost(
        name=name,
        kind=kind,
        node=said["node"],
        unit=unit["state"],
        version=said["version"],
        running=said["running"],
        certificate_days=(ends[first] - now) / DAY if first else None,
        certificate=first,
        api_ready=api["ready"] if api else None,
        api_fault=api["fault"] if api else "",
        etcd_healthy=etcd["healthy"] if etcd else None,
        etcd_fault=etcd["fault"] if etcd else "",
        etcd_used=etcd["bytes"] / etcd["quota"] if etcd and etcd["bytes"] and etcd["quota"] else None,
        snapshots=said.get("snapshots", True),
        snapshot_age=now - snapshot["time"] if snapshot else None,
        running_for=now - unit["since"] if unit["since"] else 0,
        fatal=said["fatal"],
        owed=tuple(str(item.get("handler", "")) for item in said["owed"]),
        drift=tuple(f"{item['path']} {item['what']}" for item in said["drift"]),
    )

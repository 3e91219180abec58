"""Which nodes of a cluster an upgrade would touch, and why it may not begin.

What the API says of a node counts before what lies on its disk: a program that was replaced and not started
is not what runs. Sources: Kubernetes' version skew policy (https://kubernetes.io/releases/version-skew-policy/)
and k3s's upgrade guide (https://docs.k3s.io/upgrades/manual).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from casa_install.cluster.upgrades import upgrade_findings
from casa_install.cluster.versions import found_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Object = dict[str, Any]

_SERVER_LABELS = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@dataclass(frozen=True, slots=True)
class Host:
    """A host that an upgrade was asked for.

    Attributes:
        server: Whether it is a server; else it is an agent.
        installed: The release of its program, as `k3s --version` says; empty for none.
        active: Whether its unit runs.
    """

    server: bool
    installed: str
    active: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the API knows it.

    Attributes:
        server: Whether it is a server; else it is an agent.
        version: What its kubelet runs.
        not_ready: Why it is not Ready; empty where it is.
        unschedulable: Whether it takes no new pods.
    """

    server: bool
    version: str
    not_ready: str
    unschedulable: bool


@dataclass(slots=True)
class Plan:
    """What an upgrade would do.

    Attributes:
        due: Node -> the release that it runs now.
        findings: Why it may not begin, each with what to do.
        notes: What to know about it.
    """

    due: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as the role reads it."""
        return asdict(self)


def read_nodes(items: Iterable[Object]) -> dict[str, Node]:
    """Return the nodes of the API's list, by name."""
    return {item["metadata"]["name"]: _read_node(item) for item in items}


def _read_node(item: Object) -> Node:
    labels = item["metadata"].get("labels") or {}
    status = item.get("status", {})
    ready: Object = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), {})
    well = ready.get("status") == "True"
    return Node(
        server=any(label in labels for label in _SERVER_LABELS),
        version=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        not_ready=""
        if well
        else str(ready.get("message") or ready.get("reason") or "its kubelet never reported"),
        unschedulable=bool(item.get("spec", {}).get("unschedulable")),
    )


def plan_upgrade(
    hosts: Mapping[str, Host], nodes: Mapping[str, Node] | None, silence: str, target: str, *, etcd: bool
) -> Plan:
    """Say which nodes are due, and why an upgrade may not begin.

    Args:
        hosts: Node name -> the host, for the hosts that were chosen.
        nodes: All nodes of the cluster; None where the API does not answer.
        silence: Why it does not answer.
        target: The release that the hosts shall have.
        etcd: Whether the servers keep the cluster's data in embedded etcd.
    """
    known = dict(nodes or {})
    running = {
        name: (known[name].version if name in known else host.installed) for name, host in hosts.items()
    }
    plan = Plan()
    for name, host in hosts.items():
        if not host.installed:
            plan.findings.append(
                f"{name} has no k3s yet: leave it out until the others run {target}, then apply"
            )
        elif running[name] != target or host.installed != target or not host.active:
            plan.due[name] = running[name]
    plan.findings += _skew(hosts, known, running, target, etcd=etcd)
    plan.findings += _order(hosts, known, plan.due, target)
    if nodes is None:
        plan.findings += _silent(hosts, silence, target)
        plan.notes.append(
            f"the API does not answer ({silence}), so no work is taken off the node that is mended first"
        )
    plan.findings += [
        f"{name} is not Ready ({node.not_ready}): mend it first, an upgrade would hide why"
        for name, node in known.items()
        # One on which an earlier upgrade stopped is mended by going on.
        if node.not_ready and (name not in hosts or hosts[name].installed != target)
    ]
    cordoned = [name for name in plan.due if name in known and known[name].unschedulable]
    plan.notes += [f"{name} takes no new pods now, and takes none afterwards" for name in cordoned]
    return plan


def _skew(
    hosts: Mapping[str, Host],
    known: Mapping[str, Node],
    running: Mapping[str, str],
    target: str,
    *,
    etcd: bool,
) -> list[str]:
    everywhere = {name: (node.server, node.version) for name, node in known.items()}
    everywhere |= {name: (host.server, running[name]) for name, host in hosts.items()}
    servers = {name: version for name, (server, version) in everywhere.items() if server}
    agents = {name: version for name, (server, version) in everywhere.items() if not server}
    return upgrade_findings(servers, agents, target, etcd)


def _order(
    hosts: Mapping[str, Host], known: Mapping[str, Node], due: Mapping[str, str], target: str
) -> list[str]:
    """No kubelet may be newer than a server, so servers that nobody chose must be there already."""
    wanted = found_version(target)
    if wanted is None or all(hosts[name].server for name in due):
        return []
    old = {
        name: version
        for name, node in known.items()
        if node.server and name not in hosts and (version := found_version(node.version)) and version < wanted
    }
    return [
        f"{name} is a server and runs {version}: servers come before agents, so choose it too, or no host"
        for name, version in old.items()
    ]


def _silent(hosts: Mapping[str, Host], silence: str, target: str) -> list[str]:
    if any(host.server and host.installed == target and not host.active for host in hosts.values()):
        return []
    # A server that was replaced and hangs in its start is active for systemd, or not yet: the API tells.
    if any(host.server and host.installed == target for host in hosts.values()):
        return []
    return [f"the API does not answer ({silence}): an upgrade asks it what runs where, so mend that first"]


def may_stop(name: str, nodes: Mapping[str, Node]) -> str:
    """Say why a server may not be stopped now; empty where it may, and for agents."""
    node = nodes.get(name)
    if node is None or not node.server:
        return ""
    others = {other: n for other, n in nodes.items() if n.server and other != name}
    down = [other for other, n in others.items() if n.not_ready]
    if not down:
        return ""
    total = len(others) + 1
    return (
        f"{', '.join(down)} of {total} servers {'is' if len(down) == 1 else 'are'} not Ready: without {name} "
        f"{total - len(down) - 1} would be left, and etcd needs {total // 2 + 1}. Mend {down[0]} first."
    )


def takers(name: str, items: Iterable[Object]) -> list[str]:
    """Return the nodes that could take over a node's pods: Ready, schedulable, without taints against it."""
    found = []
    for item in items:
        node = _read_node(item)
        taints = item.get("spec", {}).get("taints") or ()
        closed = any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in taints)
        if item["metadata"]["name"] != name and not node.not_ready and not node.unschedulable and not closed:
            found.append(str(item["metadata"]["name"]))
    return found

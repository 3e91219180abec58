"""What a node is to its cluster, and what the cluster is without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.cluster.pods import is_lone, pod_name, runs, stays

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Object = dict[str, Any]

_SERVER = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Kubernetes 1.20 brought the first, 1.24 took the second away."""
_MEMBER = "node-role.kubernetes.io/etcd"


def name_of(node: Object) -> str:
    """Return a node's name."""
    return str(node["metadata"]["name"])


def is_server(node: Object) -> bool:
    """Return whether the node runs the control plane."""
    labels = node["metadata"].get("labels") or {}
    return any(labels.get(key) == "true" for key in _SERVER)


def is_member(node: Object) -> bool:
    """Return whether the node is a member of the cluster's etcd."""
    return (node["metadata"].get("labels") or {}).get(_MEMBER) == "true"


def not_ready(node: Object) -> str:
    """Return why a node is not Ready; empty where it is."""
    for condition in node.get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready":
            if condition["status"] == "True":
                return ""
            return str(condition.get("message") or condition.get("reason") or "no reason given")
    return "its kubelet has never reported"


def quorum(members: int) -> int:
    """Return how many of so many etcd members must be there (https://etcd.io/docs/latest/faq/)."""
    return members // 2 + 1


def leave_findings(nodes: Sequence[Object], name: str) -> list[str]:
    """Return why a node cannot leave its cluster, each with what to do; empty where it can.

    Args:
        nodes: All nodes of the cluster.
        name: The one that is to leave.
    """
    node = next((one for one in nodes if name_of(one) == name), None)
    if node is None or not is_server(node):
        return []
    servers = [one for one in nodes if is_server(one)]
    if len(servers) == 1:
        return [
            f"{name} is the cluster's last server: without it there is no cluster. "
            "`casa-install uninstall` takes all of it off its hosts."
        ]
    if not is_member(node):
        return []
    return _etcd_findings([one for one in nodes if is_member(one)], node)


def _etcd_findings(members: Sequence[Object], node: Object) -> list[str]:
    name, now = name_of(node), len(members)
    others = [one for one in members if one is not node]
    healthy = [one for one in others if not not_ready(one)]
    missing = [name_of(one) for one in others if not_ready(one)]
    away = ", ".join(missing)
    here = len(healthy) + (not not_ready(node))
    if here < quorum(now):
        return [
            f"etcd has no quorum: {here} of its {now} members are Ready and {quorum(now)} are needed, so no "
            f"member can be removed. Bring back {away or name}, or restore the cluster from its backup."
        ]
    left = now - 1
    if len(healthy) < quorum(left):
        return [
            f"Without {name} etcd has {left} members, of which {len(healthy)} are Ready and "
            f"{quorum(left)} are needed: the cluster would stop. Bring back {away}, or remove it first."
        ]
    return []


def leave_notes(nodes: Sequence[Object], name: str) -> list[str]:
    """Return what an admin should know of the cluster without the node."""
    members = [one for one in nodes if is_member(one)]
    if not any(name_of(one) == name for one in members) or len(members) < 2:
        return []
    left = len(members) - 1
    bears = left - quorum(left)
    if left % 2 == 0:
        what = (
            f"etcd has {left} members then and bears the loss of {bears or 'none'}: {left - 1} bear as many."
        )
        return [f"{what} Add a server or remove another."]
    return [f"etcd has {left} member{'s' if left > 1 else ''} then and bears the loss of {bears or 'none'}."]


def leaving(
    node: Object | None, pods: Iterable[Object], volumes: Iterable[Object], name: str
) -> dict[str, Any]:
    """Return what stands on a node.

    Args:
        node: As the cluster knows it; None where it knows none of this name.
        pods: Those on the node.
        volumes: All PersistentVolumes of the cluster.
        name: The node's name.
    """
    some = [pod for pod in pods if runs(pod)]
    roles = [] if node is None else ["server" if is_server(node) else "agent"]
    status = {} if node is None else node.get("status", {})
    return {
        "node": name,
        "exists": node is not None,
        "why": "" if node is None else not_ready(node),
        "role": "".join(roles),
        "version": status.get("nodeInfo", {}).get("kubeletVersion", ""),
        "addresses": [one["address"] for one in status.get("addresses", ())],
        "moves": sorted(pod_name(pod) for pod in some if not stays(pod) and not is_lone(pod)),
        "lost": sorted(pod_name(pod) for pod in some if not stays(pod) and is_lone(pod)),
        "stays": sorted(pod_name(pod) for pod in some if stays(pod)),
        "volumes": sorted(_claim(volume) for volume in volumes if _lies_on(volume, name)),
    }


def _lies_on(volume: Object, name: str) -> bool:
    """Whether a volume can be reached on one node only, as those of local-path."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required") or {}
    return any(
        one.get("key") == "kubernetes.io/hostname" and one.get("values") == [name]
        for term in required.get("nodeSelectorTerms") or ()
        for one in term.get("matchExpressions") or ()
    )


def _claim(volume: Object) -> str:
    claim = volume["spec"].get("claimRef")
    return f"{claim['namespace']}/{claim['name']}" if claim else str(volume["metadata"]["name"])

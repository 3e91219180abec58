"""Nodes and pods as the API shows them, read for what a check needs; nothing here asks anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Object = Mapping[str, Any]

_ROLE = "node-role.kubernetes.io/"
_PULLING = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")


@dataclass(frozen=True, slots=True)
class Node:
    """A node.

    Attributes:
        name: In the cluster.
        ready: Whether its kubelet says so and was heard of lately.
        reason: Why it is not.
        since: When that changed last, ISO 8601 in UTC.
        version: The running kubelet's.
        roles: Such as `control-plane` and `etcd`; an agent has none.
        cordoned: Whether new pods are kept away.
        images: Names of images that it has.
        addresses: Its own, the internal ones first.
    """

    name: str
    ready: bool
    reason: str = ""
    since: str = ""
    version: str = ""
    roles: tuple[str, ...] = ()
    cordoned: bool = False
    images: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    @property
    def is_server(self) -> bool:
        """Whether the API runs there; before Kubernetes 1.20 the role was called `master`."""
        return bool({"control-plane", "master"} & set(self.roles))


def read_node(item: Object) -> Node:
    """Return a node from the API's object."""
    status = item.get("status", {})
    ready = _condition(item, "Ready")
    said = ready.get("message") or ready.get("reason") or "its kubelet has not reported yet"
    addresses = sorted(status.get("addresses") or [], key=lambda each: each["type"] != "InternalIP")
    return Node(
        name=item["metadata"]["name"],
        ready=ready.get("status") == "True",
        reason="" if ready.get("status") == "True" else str(said),
        since=str(ready.get("lastTransitionTime", "")),
        version=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        roles=tuple(
            sorted(
                label.removeprefix(_ROLE)
                for label in item["metadata"].get("labels") or {}
                if label.startswith(_ROLE)
            )
        ),
        cordoned=bool(item.get("spec", {}).get("unschedulable")),
        images=tuple(name for image in status.get("images") or [] for name in image.get("names") or []),
        addresses=tuple(each["address"] for each in addresses if each["type"].endswith("IP")),
    )


def node_named(name: str, nodes: Iterable[Node]) -> Node | None:
    """Return the node of that name, or the only one that it is the short name of."""
    found = [node for node in nodes if name in (node.name, node.name.partition(".")[0])]
    return next((node for node in found if node.name == name), found[0] if len(found) == 1 else None)


def pod_ready(pod: Object) -> bool:
    """Return whether a pod serves, or has ended well as those of jobs do."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    return (
        pod.get("status", {}).get("phase") == "Succeeded" or _condition(pod, "Ready").get("status") == "True"
    )


def pod_fault(pod: Object) -> str:
    """Return why a pod does not serve; empty where it does."""
    if pod_ready(pod):
        return ""
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return "is being removed"
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"has no node: {scheduled.get('message') or scheduled.get('reason')}"
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if fault := _container_fault(container):
            return fault
    if status.get("phase") == "Failed":
        return f"failed: {status.get('message') or status.get('reason') or 'no reason given'}"
    return status.get("message") or f"is {status.get('phase', 'unknown')}, not ready"


def image_missing(pod: Object) -> bool:
    """Return whether a pod waits for an image that could not be had."""
    containers = pod.get("status", {}).get("containerStatuses") or []
    return any((each.get("state", {}).get("waiting") or {}).get("reason") in _PULLING for each in containers)


def pod_ips(pod: Object) -> tuple[str, ...]:
    """Return a pod's addresses, one per IP family."""
    status = pod.get("status", {})
    return tuple(each["ip"] for each in status.get("podIPs") or [] if each.get("ip")) or tuple(
        filter(None, [status.get("podIP")])
    )


def core_faults(pods: Iterable[Object], workloads: Iterable[Object]) -> dict[str, str]:
    """Return what of kube-system does not serve, with reasons.

    Args:
        pods: Its pods.
        workloads: Its Deployments and DaemonSets: one whose pods are not even made has none to look at.
    """
    found = {pod["metadata"]["name"]: pod_fault(pod) for pod in pods if not _of_past(pod)}
    faults = {name: fault for name, fault in found.items() if fault}
    for item in workloads:
        name, status = item["metadata"]["name"], item.get("status", {})
        wanted = status.get("desiredNumberScheduled", item.get("spec", {}).get("replicas", 0))
        serving = status.get("numberReady", status.get("readyReplicas", 0)) or 0
        if serving < wanted and not any(pod.startswith(f"{name}-") for pod in faults):
            faults[name] = f"{serving} of {wanted} pods are ready: {_why(item)}"
    return faults


def proof_image(nodes: Sequence[Node]) -> str:
    """Return an image with BusyBox that all nodes have already; empty without one."""
    common = set.intersection(*(set(node.images) for node in nodes)) if nodes else set()
    return min((name for name in common if "busybox" in name and "@sha256:" not in name), default="")


def _of_past(pod: Object) -> bool:
    """A job's earlier tries stay as failed pods beside the one that succeeded."""
    owners = pod["metadata"].get("ownerReferences") or []
    return pod.get("status", {}).get("phase") == "Failed" and any(one["kind"] == "Job" for one in owners)


def _condition(item: Object, kind: str) -> dict[str, Any]:
    conditions = item.get("status", {}).get("conditions") or []
    return next((dict(each) for each in conditions if each["type"] == kind), {})


def _container_fault(container: Object) -> str:
    name, state = container.get("name", ""), container.get("state") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    if waiting.get("reason") in _PULLING:
        return f"{waiting['reason']}: the image {container.get('image')} cannot be had"
    if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        last = (container.get("lastState") or {}).get("terminated") or {}
        status = f", its last status was {last['exitCode']}" if "exitCode" in last else ""
        said = waiting.get("message") or waiting.get("reason")
        return f"{waiting.get('reason')}: container {name}{status}" if last else f"container {name}: {said}"
    if ended and ended.get("exitCode"):
        return f"container {name} ended with {ended['exitCode']} ({ended.get('reason', 'no reason')})"
    if not container.get("ready") and "running" in state:
        return f"container {name} runs and is not ready"
    return ""


def _why(item: Object) -> str:
    conditions = item.get("status", {}).get("conditions") or []
    said = [each.get("message", "") for each in conditions if each.get("type") == "ReplicaFailure"]
    return next(filter(None, said), "no reason is given")

"""What `casa-install verify` tries in a cluster, from its API; `kube_checks` says what it must find."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from casa_install.health import kube_network, kube_objects, kube_volume
from casa_install.health.kube_errors import KubeError
from casa_install.health.kube_events import with_event
from casa_install.health.kube_namespace import own_namespace
from casa_install.health.kube_network import Denied
from casa_install.health.kube_reading import (
    Node,
    core_faults,
    image_missing,
    node_named,
    pod_fault,
    pod_ips,
    pod_ready,
    proof_image,
    read_node,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from casa_install.health.kube_api import KubeApi
    from casa_install.health.kube_namespace import Space
    from casa_install.health.kube_network import Answers
    from casa_install.health.kube_volume import Kept

CORE_SECONDS, POD_SECONDS = 30, 45
"""How long core pods may take to become ready, and how long ours may take to start."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class PodOnNode:
    """Our pod on a node: its name and addresses, or why it does not run."""

    name: str = ""
    ips: tuple[str, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What was found.

    Attributes:
        fault: Why the API could not be asked; nothing else was tried then.
        version: The API server's.
        strangers: Who asked without the kubeconfig's credentials -> how the API answered.
        nodes: All nodes.
        core: What of kube-system does not serve -> why.
        core_pods: How many pods kube-system has.
        dns: Whether the cluster has a DNS service.
        entry_points: Ports that Traefik's Service has.
        entry_addresses: Where load balancers show it.
        entry_pods: How many pods of Traefik are ready behind it.
        storage: Name of the default StorageClass; empty without one.
        image: The image of our pods.
        untried: Why nothing was tried with pods.
        pods: Node that is ready -> our pod there.
        answers: Node -> what its pod heard from others.
        denied: What a NetworkPolicy did; None where it was not tried.
        kept: What a volume did; None where it was not tried.
        left: What could not be removed.
    """

    fault: str = ""
    version: str = ""
    strangers: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    core: Mapping[str, str] = field(default_factory=dict)
    core_pods: int = 0
    dns: bool = False
    entry_points: tuple[int, ...] = ()
    entry_addresses: tuple[str, ...] = ()
    entry_pods: int = 0
    storage: str = ""
    image: str = ""
    untried: str = ""
    pods: Mapping[str, PodOnNode] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)
    denied: Denied | None = None
    kept: Kept | None = None
    left: str = ""


def try_cluster(api: KubeApi, image: str, wanted: Sequence[str]) -> Tried:
    """Try everything; a fault of the API midway ends it and is told.

    Args:
        api: The cluster's.
        image: Of the pods, with BusyBox's `sh`, `httpd`, `wget` and `nslookup`; empty for one that all nodes
            have.
        wanted: Names of the nodes that must take part; empty for all.
    """
    try:
        tried = _look(api)
    except KubeError as error:
        return Tried(fault=error.text)
    known = [node_named(name, tried.nodes) for name in wanted]
    nodes = [node for node in tried.nodes if node.ready and (not wanted or node in known)]
    image = image or proof_image(nodes)
    if not nodes:
        return replace(tried, untried="no node is ready")
    if not image:
        return replace(
            tried, untried="the nodes have no common image with BusyBox; name one in k3s_proof_image"
        )
    try:
        return _with_pods(api, replace(tried, image=image), nodes)
    except KubeError as error:
        return replace(tried, untried=f"the API failed midway: {error.text}")


def _look(api: KubeApi) -> Tried:
    """What can be seen without changing anything."""
    version = api.get("/version")["gitVersion"]
    strangers = {
        "no credentials": api.stranger("/api/v1/nodes"),
        "a wrong token": api.stranger("/api/v1/nodes", secrets.token_urlsafe(24)),
    }
    nodes = tuple(sorted(map(read_node, api.get("/api/v1/nodes")["items"]), key=lambda node: node.name))
    core_pods, core = _core(api)
    services = {item["metadata"]["name"]: item for item in api.get(_in("kube-system", "services"))["items"]}
    entry = services.get("traefik", {})
    shown = entry.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    classes = api.get("/apis/storage.k8s.io/v1/storageclasses")["items"]
    return Tried(
        version=version,
        strangers=strangers,
        nodes=nodes,
        core=core,
        core_pods=core_pods,
        dns=any(
            (item["metadata"].get("labels") or {}).get("k8s-app") == "kube-dns" for item in services.values()
        ),
        entry_points=tuple(port["port"] for port in entry.get("spec", {}).get("ports") or []),
        entry_addresses=tuple(filter(None, (each.get("ip") or each.get("hostname") for each in shown))),
        entry_pods=_ready_behind(api, "traefik") if entry else 0,
        storage=next((item["metadata"]["name"] for item in classes if _is_default(item)), ""),
    )


def _ready_behind(api: KubeApi, service: str) -> int:
    """How many ready addresses a Service of kube-system has."""
    subsets = api.get(f"{_in('kube-system', 'endpoints')}/{service}").get("subsets") or []
    return len({each["ip"] for subset in subsets for each in subset.get("addresses") or []})


def _core(api: KubeApi) -> tuple[int, dict[str, str]]:
    """How many pods kube-system has, and what is wrong there; after a start it gets some time."""
    space = "kube-system"
    pods = api.wait(_in(space, "pods"), lambda seen: not core_faults(seen, ()), CORE_SECONDS)
    workloads = [
        item
        for kind in ("deployments", "daemonsets")
        for item in api.get(f"/apis/apps/v1/namespaces/{space}/{kind}")["items"]
    ]
    faults = core_faults(pods, workloads)
    return len(pods), {name: with_event(api, space, name, fault) for name, fault in faults.items()}


def _with_pods(api: KubeApi, tried: Tried, nodes: Sequence[Node]) -> Tried:
    names = [node.name for node in nodes]
    # Where new pods are not wanted, none is put but the one of the DaemonSet.
    free = [node.name for node in nodes if not node.cordoned] or names
    with own_namespace(api) as space, ThreadPoolExecutor(_AT_ONCE) as threads, space.until_ending():
        service = space.create("services", kube_objects.service())["spec"]
        space.create("daemonsets", kube_objects.nodes_pods(tried.image), "apps")
        askers = {kube_objects.FRIEND: free[0], kube_objects.STRANGER: free[-1]}
        for name, node in askers.items():
            space.create("pods", kube_objects.asking_pod(name, tried.image, node))
        keeping = threads.submit(kube_volume.keep, space, tried.image) if tried.storage else None
        pods = _pods_on(space, names)
        running = {node: (pod.name, pod.ips) for node, pod in pods.items() if not pod.fault}
        answers = kube_network.talk(space, threads, running, service, dns=tried.dns) if running else {}
        denied = _denied(space, threads, running, list(askers)) if running else None
        kept = keeping.result() if keeping else None
    return replace(tried, pods=pods, answers=answers, denied=denied, kept=kept, left=space.left)


def _denied(
    space: Space,
    threads: ThreadPoolExecutor,
    running: Mapping[str, tuple[str, tuple[str, ...]]],
    askers: Sequence[str],
) -> Denied:
    for name in askers:
        if fault := space.pod(name, POD_SECONDS):
            return Denied(fault=f"the pod {name} {fault}")
    return kube_network.deny(space, threads, running)


def _pods_on(space: Space, nodes: Sequence[str]) -> dict[str, PodOnNode]:
    """Our pod on each of the nodes, once all run or there is no hope for those that do not."""

    def met(pods: list[dict[str, Any]]) -> bool:
        settled = {
            pod.get("spec", {}).get("nodeName") for pod in pods if pod_ready(pod) or image_missing(pod)
        }
        return settled.issuperset(nodes)

    query = {"labelSelector": f"app={kube_objects.SERVICE}"}
    found = {_node_of(pod): pod for pod in space.api.wait(space.path("pods"), met, POD_SECONDS, **query)}
    return {node: _pod_on(space, found.get(node)) for node in nodes}


def _node_of(pod: dict[str, Any]) -> str:
    """Where a pod runs; one of a DaemonSet that no node took yet says where it is to go."""
    if node := pod["spec"].get("nodeName"):
        return str(node)
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms") or []
    fields = [field for term in terms for field in term.get("matchFields") or []]
    return next((str(each["values"][0]) for each in fields if each["key"] == "metadata.name"), "")


def _pod_on(space: Space, pod: dict[str, Any] | None) -> PodOnNode:
    if pod is None:
        return PodOnNode(fault=space.why(kube_objects.SERVICE, "no pod was made for it"))
    name = pod["metadata"]["name"]
    return PodOnNode(name, pod_ips(pod), space.why(name, pod_fault(pod)))


def _in(namespace: str, kind: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{kind}"


def _is_default(storage: dict[str, Any]) -> bool:
    notes = storage["metadata"].get("annotations") or {}
    return notes.get("storageclass.kubernetes.io/is-default-class") == "true"

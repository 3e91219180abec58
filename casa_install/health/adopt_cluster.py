"""A look at a cluster that others run: what it has, and what a facility in it may do. Changes nothing there.

Permissions are asked of the cluster itself, by SelfSubjectAccessReview
(https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from casa_install.health.kube_errors import KubeError
from casa_install.health.kube_reading import read_node

if TYPE_CHECKING:
    from casa_install.health.kube_reading import Node

    Object = dict[str, Any]

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_OLDEST = 21
"""The oldest minor release of Kubernetes 1 that casa-install is tried with."""
_ENFORCERS = ("calico", "cilium", "antrea", "kube-router", "weave-net", "canal", "ovnkube", "romana")
"""DaemonSets of network plugins that enforce NetworkPolicies, by what their names begin with
(https://kubernetes.io/docs/concepts/cluster-administration/addons/#networking-and-network-policy)."""


class Api(Protocol):
    """What is needed of a cluster's API; it raises KubeError."""

    def get(self, path: str, **query: str) -> Object:
        """Return an object or a list."""

    def text(self, path: str) -> str:
        """Return what is no list."""

    def create(self, path: str, body: Object) -> Object:
        """Ask for a review, which keeps nothing."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        found: What there is.
        missing: What is needed and is not there; empty where nothing is.
    """

    what: str
    found: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """A permission: verbs on a resource, in the namespace or in the whole cluster."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    namespaced: bool
    why: str


@dataclass(slots=True)
class Probe:
    """What was found.

    Attributes:
        looked: Each thing, in the order of the page.
        denied: Permissions that are missing, with their missing verbs only.
        namespace: The one that the facility would live in.
    """

    namespace: str
    looked: list[Looked] = field(default_factory=list)
    denied: list[Need] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is missing."""
        return not self.denied and not any(each.missing for each in self.looked)


def probe_cluster(api: Api, namespace: str) -> Probe:
    """Look at a cluster with the credentials that one was given.

    Args:
        api: The cluster.
        namespace: The namespace that the facility would live in.

    Raises:
        KubeError: It does not answer at all, or does not take the credentials.
    """
    version = json.loads(api.text("/version"))
    found = Probe(namespace)
    nodes = _list(api, "/api/v1/nodes")
    read = [read_node(item) for item in nodes or ()]
    found.looked = [
        _version(version),
        _nodes(read, known=nodes is not None),
        _namespace(api, namespace),
        _storage(api),
        _entry(api),
        _policies(api, str(version.get("gitVersion", ""))),
    ]
    found.denied = [denied for need in needs() if (denied := _asked(api, need, namespace))]
    return found


@cache
def needs() -> tuple[Need, ...]:
    """Return the permissions of `adopt_needs.yml`, one for each resource."""
    table = yaml.safe_load(Path(__file__).with_name("adopt_needs.yml").read_text(encoding="utf-8"))
    return tuple(
        Need(each["group"], resource, tuple(each["verbs"]), scope == "namespace", each["why"])
        for scope in ("namespace", "cluster")
        for each in table[scope]
        for resource in each["resources"]
    )


def _asked(api: Api, need: Need, namespace: str) -> Need | None:
    """Return what of a permission is missing, or None."""
    resource, _, part = need.resource.partition("/")
    denied = []
    for verb in need.verbs:
        attributes = {"verb": verb, "group": need.group, "resource": resource, "subresource": part}
        if need.namespaced:
            attributes["namespace"] = namespace
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        if not api.create(_REVIEWS, body)["status"].get("allowed"):
            denied.append(verb)
    return Need(need.group, need.resource, tuple(denied), need.namespaced, need.why) if denied else None


def _list(api: Api, path: str) -> list[Object] | None:
    """Return a list, or None where these credentials may not see it or the cluster has no such thing."""
    try:
        items: list[Object] = api.get(path)["items"]
    except KubeError as error:
        if error.status in (403, 404):
            return None
        raise
    return items


def _version(said: Object) -> Looked:
    name = str(said.get("gitVersion", ""))
    minor = int("".join(filter(str.isdigit, str(said.get("minor", "")))) or 0)
    wrong = str(said.get("major")) != "1" or minor < _OLDEST
    return Looked("version", name, f"Kubernetes 1.{_OLDEST} or newer" if wrong else "")


def _nodes(nodes: list[Node], *, known: bool) -> Looked:
    if not known:
        return Looked("nodes", "not to be seen", "permission to list nodes (below)")
    ready = [node for node in nodes if node.ready]
    text = f"{len(ready)} of {len(nodes)} Ready"
    return Looked("nodes", text, "" if ready else "a node that is Ready")


def _namespace(api: Api, namespace: str) -> Looked:
    try:
        api.get(f"/api/v1/namespaces/{namespace}")
    except KubeError as error:
        if error.status == 404:
            return Looked("namespace", f"no {namespace}", f"a namespace {namespace} (below)")
        if error.status == 403:
            return Looked("namespace", "not to be seen", "permission to get namespaces (below)")
        raise
    return Looked("namespace", namespace)


def _storage(api: Api) -> Looked:
    classes = _list(api, "/apis/storage.k8s.io/v1/storageclasses")
    if classes is None:
        return Looked("storage class", "not to be seen", "permission to list storageclasses (below)")
    default = [
        str(item["metadata"]["name"])
        for item in classes
        if (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if default:
        return Looked("storage class", f"{default[0]} ({_provisioner(classes, default[0])})")
    names = ", ".join(str(item["metadata"]["name"]) for item in classes) or "none"
    return Looked("storage class", names, f"a default: annotate one with {_DEFAULT_CLASS}=true")


def _provisioner(classes: list[Object], name: str) -> str:
    return next(str(item.get("provisioner", "")) for item in classes if item["metadata"]["name"] == name)


def _entry(api: Api) -> Looked:
    """How people and Dask's clients get in: an ingress controller, and one that routes TCP by SNI."""
    classes = _list(api, "/apis/networking.k8s.io/v1/ingressclasses")
    groups = {str(group["name"]) for group in api.get("/apis").get("groups", ())}
    traefik = sorted(groups & {"traefik.io", "traefik.containo.us"})
    found = [f"{item['metadata']['name']} ({item['spec'].get('controller', '')})" for item in classes or ()]
    text = ", ".join([*found, *(f"IngressRouteTCP of {name}" for name in traefik)]) or "none"
    if not found and not traefik:
        return Looked("ingress", text, "an ingress controller; Dask's entry point needs Traefik")
    return Looked(
        "ingress", text, "" if traefik else "Traefik, if Dask clusters are to be reached from outside"
    )


def _policies(api: Api, version: str) -> Looked:
    """Whether something enforces NetworkPolicies: the API takes them also where nothing does."""
    sets = _list(api, "/apis/apps/v1/daemonsets")
    names = [str(item["metadata"]["name"]) for item in sets or ()]
    enforcing = [name for name in names if name.startswith(_ENFORCERS)]
    if enforcing:
        return Looked("network policies", f"enforced by {enforcing[0]}")
    if "+k3s" in version:
        return Looked("network policies", "enforced by k3s, unless it was told not to")
    found = "not known" if sets is None else "nothing known enforces them"
    return Looked(
        "network policies", found, "a network plugin that enforces them, or the admin's word for it"
    )


def admin_manifest(namespace: str) -> str:
    """Return what the cluster's admin applies: an account with these permissions, and none beside."""
    name, group = "casa-install", "rbac.authorization.k8s.io"
    inside = {"name": name, "namespace": namespace}
    bodies: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": inside},
    ]
    for kind, meta, namespaced in (("Role", inside, True), ("ClusterRole", {"name": name}, False)):
        rules = [
            {"apiGroups": [need.group], "resources": [need.resource], "verbs": list(need.verbs)}
            for need in needs()
            if need.namespaced is namespaced
        ]
        bodies += [
            {"apiVersion": f"{group}/v1", "kind": kind, "metadata": dict(meta), "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": f"{kind}Binding",
                "metadata": dict(meta),
                "roleRef": {"apiGroup": group, "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            },
        ]
    return "---\n".join(yaml.safe_dump(body, sort_keys=False) for body in bodies)

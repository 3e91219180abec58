"""A cluster's objects in memory, for what is decided from them; no proof of how a cluster behaves."""

from __future__ import annotations

import copy
from typing import Any

from casa_install.health.kube_errors import KubeError

Object = dict[str, Any]


def node(name: str, *, server: bool = False, member: bool = False, ready: bool = True) -> Object:
    labels = {"node-role.kubernetes.io/control-plane": "true"} if server or member else {}
    if member:
        labels["node-role.kubernetes.io/etcd"] = "true"
    said = {"type": "Ready", "status": "True" if ready else "Unknown", "message": "Kubelet stopped posting"}
    status = {"conditions": [said], "nodeInfo": {"kubeletVersion": "v1.21.3+k3s1"}}
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}


def pod(name: str, *, on: str = "a1", owner: str = "ReplicaSet", **more: Any) -> Object:
    owners = [{"kind": owner, "name": "x", "controller": True}] if owner else []
    meta: Object = {"namespace": "work", "name": name, "uid": f"uid-{name}", "ownerReferences": owners}
    meta |= more.pop("meta", {})
    spec = {"nodeName": on, "terminationGracePeriodSeconds": 30}
    return {"metadata": meta, "spec": spec, "status": {"phase": more.pop("phase", "Running")}}


class FakeApi:
    """Nodes and pods by name; evicted pods are gone at the next look, unless they are kept or slow."""

    def __init__(
        self, nodes: list[Object], pods: list[Object] | None = None, *, eviction: str = "v1"
    ) -> None:
        self.nodes = {one["metadata"]["name"]: one for one in nodes}
        self.pods = list(pods or [])
        self.eviction = eviction
        self.kept: set[str] = set()
        self.slow: set[str] = set()
        self.budgets: list[Object] = []
        self.volumes: list[Object] = []
        self.secrets: set[str] = set()
        self.stuck: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Object] = []
        self.silent: set[str] = set()
        self.server = "https://s1:6443"

    def get(self, path: str, **query: str) -> Object:
        self.calls.append(("get", path))
        if path == "/api/v1":
            return {"resources": [{"name": "pods/eviction", "group": "policy", "version": self.eviction}]}
        if path == "/apis/policy":
            versions = [{"groupVersion": f"policy/{self.eviction}"}]
            return {"preferredVersion": versions[0], "versions": versions}
        if path.endswith("/poddisruptionbudgets"):
            return {"items": self.budgets}
        if path == "/api/v1/nodes":
            return {"items": copy.deepcopy(list(self.nodes.values()))}
        if path == "/api/v1/persistentvolumes":
            return {"items": self.volumes}
        if path == "/api/v1/pods":
            name = query["fieldSelector"].removeprefix("spec.nodeName=")
            return {"items": copy.deepcopy([one for one in self.pods if one["spec"]["nodeName"] == name])}
        if path.startswith("/api/v1/nodes/"):
            return copy.deepcopy(self._node(path))
        if "/kube-system/secrets/" in path and path.rpartition("/")[2] in self.secrets:
            return {}
        raise KubeError(f"{path} not found", status=404)

    def text(self, path: str) -> str:
        """A kubelet's /healthz, through the API."""
        name = path.split("/")[-3]
        if name in self.silent:
            raise KubeError(f"answers 503: dial tcp {name}:10250: no route to host", status=503)
        return "ok"

    def create(self, path: str, body: Object) -> Object:
        self.calls.append(("create", path))
        self.bodies.append(body)
        name = path.split("/")[-2]
        if name in self.kept:
            raise KubeError("answers 429: it would violate the pod's disruption budget.", status=429)
        found = [one for one in self.pods if one["metadata"]["name"] == name]
        if not found:
            raise KubeError("gone", status=404)
        if name in self.slow:
            found[0]["metadata"]["deletionTimestamp"] = "now"
        else:
            self.pods.remove(found[0])
        return {}

    def patch(self, path: str, body: Object) -> Object:
        self.calls.append(("patch", path))
        target = self._node(path)
        _merge(target, body)
        if self.stuck and not target["metadata"].get("finalizers"):
            del self.nodes[target["metadata"]["name"]]
        return target

    def delete(self, path: str, *, grace: int | None = None) -> bool:
        del grace
        self.calls.append(("delete", path))
        name = path.rpartition("/")[2]
        if "/secrets/" in path:
            there = name in self.secrets
            self.secrets.discard(name)
            return there
        if self.stuck and name in self.nodes:
            self.nodes[name]["metadata"]["finalizers"] = self.stuck
            return True
        return self.nodes.pop(name, None) is not None

    def wait(self, path: str, met: Any, seconds: float, **query: str) -> list[Object]:
        del path, met, seconds
        name = query["fieldSelector"].removeprefix("metadata.name=")
        return [self.nodes[name]] if name in self.nodes else []

    def _node(self, path: str) -> Object:
        name = path.rpartition("/")[2]
        if name not in self.nodes:
            raise KubeError(f'nodes "{name}" not found', status=404)
        return self.nodes[name]


def _merge(target: Object, change: Object) -> None:
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value

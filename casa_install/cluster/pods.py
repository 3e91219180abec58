"""What a pod is to the node that it runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casa_install.cluster.drain import Api

    Object = dict[str, Any]


def pod_name(pod: Object) -> str:
    """Return `namespace/name`."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def runs(pod: Object) -> bool:
    """Return whether a pod has not ended."""
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")


def stays(pod: Object) -> bool:
    """Return whether a pod belongs to its node: one of a DaemonSet, or a static one."""
    if "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {}):
        return True
    return _controller(pod).get("kind") == "DaemonSet"


def is_lone(pod: Object) -> bool:
    """Return whether no controller makes the pod anew when it goes."""
    return not _controller(pod)


def blocking_budgets(api: Api, pods: Iterable[Object]) -> list[str]:
    """Return the PodDisruptionBudgets that let none of these pods go, each with its numbers.

    Args:
        api: The cluster.
        pods: Pods that could not be evicted.
    """
    spaces: dict[str, list[Object]] = {}
    for pod in pods:
        spaces.setdefault(pod["metadata"]["namespace"], []).append(pod)
    found = []
    for space, inside in sorted(spaces.items()):
        for budget in _budgets(api, space):
            status = budget.get("status", {})
            if status.get("disruptionsAllowed", 0) > 0:
                continue
            if any(
                selects(budget["spec"].get("selector"), pod["metadata"].get("labels") or {}) for pod in inside
            ):
                numbers = (
                    f"{status.get('currentHealthy', 0)} healthy, {status.get('desiredHealthy', 0)} needed"
                )
                found.append(f"{space}/{budget['metadata']['name']} ({numbers})")
    return found


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector means something with these labels.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/. An empty one means all.
    """
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(one, labels) for one in selector.get("matchExpressions") or ())


def _expression(one: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = one["key"], one.get("values") or ()
    return bool(
        {
            "In": key in labels and labels[key] in values,
            "NotIn": key not in labels or labels[key] not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }.get(one["operator"], False)
    )


def _controller(pod: Object) -> Object:
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def _budgets(api: Api, space: str) -> list[Object]:
    """Of the version that this server has: v1 from Kubernetes 1.21 on, v1beta1 until 1.24."""
    groups = api.get("/apis/policy")
    version = groups["preferredVersion"]["groupVersion"]
    known = [one["groupVersion"] for one in groups.get("versions", ())]
    chosen = "policy/v1" if "policy/v1" in known else version
    items: list[Object] = api.get(f"/apis/{chosen}/namespaces/{space}/poddisruptionbudgets")["items"]
    return items

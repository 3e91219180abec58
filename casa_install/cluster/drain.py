"""Taking work off a Kubernetes node before it is stopped, and giving the node back.

A node is cordoned, then its pods are asked to leave by the eviction API, which honours PodDisruptionBudgets
(https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/). What goes wrong gives the node back.

`python -m casa_install.cluster.drain KUBECONFIG NODE cordon|drain|uncordon [--seconds N] [--lone]` is the
same for programs: one JSON object on standard output.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from casa_install.cluster.nodes import not_ready
from casa_install.cluster.pods import blocking_budgets, is_lone, pod_name, runs, stays
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Object = dict[str, Any]

MARK = "casa-install/cordoned"
"""Annotation of a node that was cordoned here: one that somebody else cordoned is not un-cordoned."""

_PAUSE = 1.0
"""Seconds between two looks at the pods of a node."""


class Api(Protocol):
    """What is needed of a cluster's API. Errors are CasaErrors; what the API answers has its `status`."""

    def get(self, path: str, **query: str) -> Object:
        """Return an object or a list."""

    def create(self, path: str, body: Object) -> Object:
        """Create an object."""

    def patch(self, path: str, body: Object) -> Object:
        """Change an object by a JSON merge patch (RFC 7386)."""


@dataclass(slots=True)
class Drained:
    """What a drain did.

    Attributes:
        cordoned: Whether the node took new pods before.
        evicted: Pods that left, as `namespace/name`.
        stayed: Pods that belong to the node: of DaemonSets, and static ones.
    """

    cordoned: bool = False
    evicted: list[str] = field(default_factory=list)
    stayed: list[str] = field(default_factory=list)


def cordon(api: Api, node: str) -> bool:
    """Let no new pods come to a node.

    Returns:
        Whether they could come before.

    Raises:
        CasaError: The cluster has no such node, or does not answer.
    """
    found = api.get(f"/api/v1/nodes/{node}")
    if found["spec"].get("unschedulable"):
        return False
    now = datetime.now(UTC).isoformat(timespec="seconds")
    change = {"metadata": {"annotations": {MARK: now}}, "spec": {"unschedulable": True}}
    api.patch(f"/api/v1/nodes/{node}", change)
    return True


def uncordon(api: Api, node: str, *, whoever: bool = False) -> bool:
    """Let pods come to a node again.

    Args:
        api: The cluster.
        node: The node's name.
        whoever: Also where somebody else cordoned it.

    Returns:
        Whether they could not before.

    Raises:
        CasaError: The cluster has no such node, or does not answer.
    """
    found = api.get(f"/api/v1/nodes/{node}")
    marked = MARK in (found["metadata"].get("annotations") or {})
    cordoned = bool(found["spec"].get("unschedulable"))
    ours = cordoned and (marked or whoever)
    if ours or marked:
        change: Object = {"metadata": {"annotations": {MARK: None}}}
        if ours:
            change["spec"] = {"unschedulable": None}
        api.patch(f"/api/v1/nodes/{node}", change)
    return ours


def drain(
    api: Api,
    node: str,
    seconds: float,
    *,
    lone: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Drained:
    """Cordon a node and have its pods leave.

    Pods of DaemonSets and static pods stay, as they belong to the node; so do pods that have ended.

    Args:
        api: The cluster.
        node: The node's name.
        seconds: How long pods may take to leave, their own grace periods included.
        lone: Whether pods that no controller makes anew elsewhere may go too; they are lost.
        tell: Takes a line about what goes on.

    Raises:
        CasaError: Pods would be lost, a PodDisruptionBudget or a slow pod kept some here, or the API failed.
            The node is un-cordoned again if it was not cordoned before.
    """
    found = _pods(api, node)
    lost = sorted(pod_name(pod) for pod in found if is_lone(pod) and not stays(pod))
    if lost and not lone:
        raise CasaError(
            f"On {node} run pods that no controller would make anew elsewhere: {', '.join(lost)}. "
            "Nothing was done.",
            hint="Delete them, or say that they may be lost (--lone).",
        )
    done = Drained(stayed=sorted(pod_name(pod) for pod in found if stays(pod)))
    done.cordoned = cordon(api, node)
    try:
        _evict(api, node, seconds, done, tell)
    except BaseException as fault:
        # Also when the run is interrupted: a node left cordoned takes no work, and nobody notices.
        _give_back(api, node, done, fault)
        raise
    return done


def _evict(api: Api, node: str, seconds: float, done: Drained, tell: Callable[[str], None]) -> None:
    deadline = time.monotonic() + seconds
    version = _eviction_version(api)
    leaving: set[str] = set()
    while True:
        left = {pod["metadata"]["uid"]: pod for pod in _pods(api, node) if not stays(pod)}
        if not left:
            return
        refused = {}
        for uid, pod in left.items():
            if uid in leaving or pod["metadata"].get("deletionTimestamp"):
                continue
            why = _ask_to_leave(api, pod, version)
            if why:
                refused[uid] = why
                continue
            leaving.add(uid)
            done.evicted.append(pod_name(pod))
            tell(f"{node}: {pod_name(pod)} leaves")
        if time.monotonic() >= deadline:
            raise _too_slow(api, node, seconds, left, refused)
        time.sleep(_PAUSE)


def _ask_to_leave(api: Api, pod: Object, version: str) -> str:
    """Evict a pod; why it may not leave yet, or nothing."""
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/eviction"
    body = {
        "apiVersion": version,
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        # A pod of the same name that came meanwhile is another one.
        "deleteOptions": {"preconditions": {"uid": meta["uid"]}},
    }
    try:
        api.create(path, body)
    except CasaError as error:
        status = getattr(error, "status", 0)
        if status == 429:
            return error.message
        # 404: it has gone meanwhile; 409: the name is another pod's now, which the next look shows.
        if status not in (404, 409):
            raise
    return ""


def _eviction_version(api: Api) -> str:
    """The eviction's version as this server says it: policy/v1 from Kubernetes 1.22 on, v1beta1 before."""
    for resource in api.get("/api/v1")["resources"]:
        if resource["name"] == "pods/eviction":
            return f"{resource['group']}/{resource['version']}"
    raise CasaError("The cluster's API has no evictions, so no node of it can be drained.")


def _pods(api: Api, node: str) -> list[Object]:
    found: list[Object] = api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    return [pod for pod in found if runs(pod)]


def _too_slow(
    api: Api, node: str, seconds: float, left: dict[str, Object], refused: dict[str, str]
) -> CasaError:
    kept = [pod for uid, pod in left.items() if uid in refused]
    slow = [pod for uid, pod in left.items() if uid not in refused]
    reasons = []
    if kept:
        budgets = blocking_budgets(api, kept)
        by_what = f" by PodDisruptionBudget {', '.join(budgets)}" if budgets else ""
        said = "" if budgets else f" ({next(iter(refused.values()))})"
        reasons.append(f"kept{by_what}: {', '.join(sorted(map(pod_name, kept)))}{said}")
    if slow:
        names = [f"{pod_name(pod)} (grace period {_grace(pod)} s)" for pod in slow]
        reasons.append(f"not ended yet: {', '.join(sorted(names))}")
    hint = "Let it take longer, or let these pods run elsewhere first (more replicas, another budget)."
    why = not_ready(api.get(f"/api/v1/nodes/{node}"))
    if why:
        reasons.append(f"{node} is not Ready ({why}), so nothing tells that its pods have ended")
        hint = f"If the machine is dead: casa-install node remove {node} --dead"
    return CasaError(f"{node} is not drained after {seconds:g} s: {'; '.join(reasons)}.", hint=hint)


def _grace(pod: Object) -> int:
    meta = pod["metadata"]
    return int(
        meta.get("deletionGracePeriodSeconds") or pod["spec"].get("terminationGracePeriodSeconds") or 0
    )


def _give_back(api: Api, node: str, done: Drained, fault: BaseException) -> None:
    if not done.cordoned:
        return
    try:
        uncordon(api, node)
    except CasaError as second:
        if isinstance(fault, CasaError):
            fault.message += f" And it is still cordoned: {second.message}"
            fault.args = (fault.message,)
            fault.hint = f"`kubectl uncordon {node}` lets pods come to it again. {fault.hint}".strip()
    else:
        if isinstance(fault, CasaError):
            fault.message += " It is un-cordoned again."
            fault.args = (fault.message,)


def main(words: Sequence[str]) -> int:
    """Do one thing to one node of the cluster that a kubeconfig leads to."""
    from casa_install.cluster.access import open_cluster

    parser = argparse.ArgumentParser(prog="casa_install.cluster.drain")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("node")
    parser.add_argument("action", choices=("cordon", "drain", "uncordon"))
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--lone", action="store_true")
    parser.add_argument("--server", action="append", default=[], help="another server of the cluster")
    parser.add_argument("--avoid", action="append", default=[], help="a server that is not to be asked")
    given = parser.parse_args(words)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        api = open_cluster(given.kubeconfig, servers=given.server, avoid=given.avoid)
        if given.action == "drain":
            answer = asdict(drain(api, given.node, given.seconds, lone=given.lone))
            answer["changed"] = answer["cordoned"] or bool(answer["evicted"])
        elif given.action == "cordon":
            answer = {"changed": cordon(api, given.node)}
        else:
            answer = {"changed": uncordon(api, given.node)}
    except CasaError as error:
        sys.stderr.write(f"Error: {error.message}\n" + (f"Hint: {error.hint}\n" if error.hint else ""))
        return int(error.exit_code)
    print(json.dumps(answer))
    return 0


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

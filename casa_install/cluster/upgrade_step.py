"""What an upgrade asks of the cluster, for the role: `python -m casa_install.cluster.upgrade_step WHAT ...`.

`look` reads a JSON object on standard input (target, etcd, hosts: node name -> server, installed, active) and
says what is due, as an answer that the command line hears too; `clear NODE` takes the work off a node;
`give-back NODE...` lets pods come again to nodes that were cordoned here. Each prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from casa_install.cluster.drain import MARK, drain, uncordon
from casa_install.cluster.pods import is_lone, pod_name, stays
from casa_install.cluster.upgrade_rules import Host, may_stop, plan_upgrade, read_nodes, takers
from casa_install.engine.answers import ANSWER
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.cluster.drain import Api

    Object = dict[str, Any]

_NODES = "/api/v1/nodes"
_TAINT = "node.kubernetes.io/unschedulable"
_TAINT_SECONDS, _PAUSE = 60.0, 0.5


def look(api: Api | None, silence: str, order: Object) -> Object:
    """Return what an upgrade would do, as `Plan.as_json`.

    Args:
        api: The cluster, or None where it cannot be reached.
        silence: Why not.
        order: What the hosts say of themselves.
    """
    hosts = {name: Host(**said) for name, said in order["hosts"].items()}
    nodes = None
    if api is not None:
        try:
            nodes = read_nodes(api.get(_NODES)["items"])
        except CasaError as error:
            silence = error.message
    plan = plan_upgrade(hosts, nodes, silence, order["target"], etcd=order["etcd"])
    cordoned = [name for name, node in (nodes or {}).items() if node.unschedulable]
    return {**plan.as_json(), "cordoned": cordoned}


def clear(api: Api, node: str, seconds: float, *, move: bool) -> Object:
    """Take the work off a node that k3s will be started anew on.

    Pods outlive a restart of k3s, so those that nothing would make anew elsewhere stay where they are.

    Args:
        api: The cluster.
        node: The node's name.
        seconds: How long its pods may take to leave.
        move: Whether pods are to leave at all.

    Returns:
        `cordoned`: whether the node was cordoned here; `evicted`, `stayed`: pods; `skipped`: why none left.

    Raises:
        CasaError: It may not be stopped now, or its pods did not leave; the node is as before.
    """
    items = api.get(_NODES)["items"]
    nodes = read_nodes(items)
    if reason := may_stop(node, nodes):
        raise CasaError(reason)
    answer: Object = {"cordoned": False, "evicted": [], "stayed": [], "skipped": ""}
    if not move:
        return answer | {"skipped": "k3s_upgrade_drain is false"}
    if node not in nodes:
        return answer | {"skipped": "the cluster has no such node"}
    if nodes[node].not_ready:
        return answer | {"skipped": f"it is not Ready ({nodes[node].not_ready}), so its pods could not end"}
    if not takers(node, items):
        return answer | {"skipped": "no other node could take its pods"}
    lone = _lone(api, node)
    done = drain(_WithoutPods(api, frozenset(lone)), node, seconds)
    return answer | {"cordoned": done.cordoned, "evicted": done.evicted, "stayed": [*done.stayed, *lone]}


def give_back(api: Api, names: Sequence[str]) -> list[str]:
    """Let pods come again to those of the nodes that were cordoned here; return these."""
    given = [name for name in names if uncordon(api, name)]
    deadline = time.monotonic() + _TAINT_SECONDS
    # The next node's pods need a place: the taint goes when the controllers, which may just have been started
    # anew, have seen the change.
    while time.monotonic() < deadline and any(_is_tainted(api, name) for name in given):
        time.sleep(_PAUSE)
    return given


def _is_tainted(api: Api, name: str) -> bool:
    taints = api.get(f"{_NODES}/{name}")["spec"].get("taints") or ()
    return any(taint["key"] == _TAINT for taint in taints)


def left_cordoned(look: Object) -> list[str]:
    """After an upgrade that was cut off, let pods come again to the nodes that it had cordoned.

    Args:
        look: What `look` answered before it.

    Returns:
        One line for each node of which there is something to say.
    """
    from casa_install.cluster.access import open_cluster

    try:
        api = open_cluster(Path(look["kubeconfig"]), servers=look["servers"])
        names = [
            str(item["metadata"]["name"])
            for item in api.get(_NODES)["items"]
            if MARK in (item["metadata"].get("annotations") or {}) and item["spec"].get("unschedulable")
        ]
        ours = [name for name in names if name in look["due"] and name not in look["cordoned"]]
        return [f"{name} takes new pods again" for name in give_back(api, ours)]
    except CasaError as error:
        due = ", ".join(look["due"])
        return [
            f"whether one of {due} still takes no new pods cannot be asked: {error.message}",
            "`kubectl get nodes` shows it later, and `kubectl uncordon NODE` ends it",
        ]


class _WithoutPods:
    """An API that does not show some pods."""

    def __init__(self, api: Api, hidden: frozenset[str]) -> None:
        self._api = api
        self._hidden = hidden

    def get(self, path: str, **query: str) -> Object:
        found = self._api.get(path, **query)
        if path == "/api/v1/pods":
            found["items"] = [pod for pod in found["items"] if pod_name(pod) not in self._hidden]
        return found

    def create(self, path: str, body: Object) -> Object:
        return self._api.create(path, body)

    def patch(self, path: str, body: Object) -> Object:
        return self._api.patch(path, body)


def _lone(api: Api, node: str) -> list[str]:
    pods = api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    return sorted(pod_name(pod) for pod in pods if is_lone(pod) and not stays(pod))


def main(words: Sequence[str]) -> int:
    """Do one of the three."""
    parser = argparse.ArgumentParser(prog="casa_install.cluster.upgrade_step")
    parser.add_argument("what", choices=("look", "clear", "give-back"))
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("nodes", nargs="*")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--server", action="append", default=[], help="another address of the API")
    parser.add_argument("--stay", action="store_true", help="pods are not moved")
    given = parser.parse_args(words)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        answer = json.dumps(_answer(given))
        print(ANSWER + answer if given.what == "look" else answer)
    except CasaError as error:
        sys.stderr.write(f"{error.message}\n" + (f"Fix: {error.hint}\n" if error.hint else ""))
        return int(error.exit_code)
    return 0


def _answer(given: argparse.Namespace) -> Object:
    from casa_install.cluster.access import open_cluster

    if given.what == "look":
        order = json.load(sys.stdin)
        try:
            found = look(open_cluster(given.kubeconfig, servers=given.server), "", order)
        except CasaError as error:
            found = look(None, error.message, order)
        return {"upgrade": found | {"kubeconfig": str(given.kubeconfig), "servers": given.server}}
    api = open_cluster(given.kubeconfig, servers=given.server)
    if given.what == "clear":
        return clear(api, given.nodes[0], given.seconds, move=not given.stay)
    return {"given_back": give_back(api, given.nodes)}


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

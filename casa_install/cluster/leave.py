"""A node leaves its cluster: what that means, and what the cluster has to forget.

For programs, `python -m casa_install.cluster.leave WHAT KUBECONFIG ...`:

- `look NODE` says what stands on the node and why it cannot leave;
- `check NODE` fails if it cannot leave now;
- `delete NODE` deletes its Node object, which takes its member out of etcd, and the secret with its
  password's hash: a machine that comes under this name is a new one then;
- `kubeconfig` removes the kubeconfig if no server of the cluster answers any more.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casa_install.cluster.access import open_cluster
from casa_install.cluster.nodes import is_member, leave_findings, leave_notes, leaving, name_of, not_ready
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casa_install.health.kube_api import KubeApi

    Object = dict[str, Any]

_PAUSE = 1.0
"""Seconds between two looks at a node that is to go."""
_HOUSEKEEPING = "wrangler.cattle.io/node"
"""Finalizer with which k3s clears up after a node: it deletes the secret that is deleted here anyway.

k3s does not always come to it once a member has left etcd (k3s-io/k3s issue 2669; seen with 1.21.3).
"""
_PATIENCE = 20.0
"""Seconds for k3s to do it itself. The finalizer that takes the member out of etcd is never taken off."""
_ANSWER = "casa-install answer 1"
"""First line of what the command line listens to."""


def look(api: KubeApi, name: str) -> Object:
    """Return what stands on a node, why it cannot leave, and what to know of the cluster without it.

    Raises:
        CasaError: The API failed.
    """
    nodes = _nodes_now(api, name)
    node = next((one for one in nodes if name_of(one) == name), None)
    pods = api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")["items"]
    volumes = api.get("/api/v1/persistentvolumes")["items"]
    return {
        **leaving(node, pods, volumes, name),
        "password": _has_password(api, name),
        "nodes": {name_of(one): not_ready(one) for one in nodes},
        "members": len([one for one in nodes if is_member(one)]),
        "findings": leave_findings(nodes, name),
        "notes": leave_notes(nodes, name),
    }


def check(api: KubeApi, name: str) -> None:
    """Ask once more whether a node can leave, just before it is stopped.

    Raises:
        CasaError: The cluster would lose its last server or etcd's quorum, or the API failed.
    """
    if findings := leave_findings(_nodes_now(api, name), name):
        raise CasaError("\n".join(findings))


def _nodes_now(api: KubeApi, name: str) -> list[Object]:
    """All nodes. One whose kubelet does not answer now is not Ready, whatever it reported last.

    A node counts as Ready for another 40 seconds after its last report: long enough to take the quorum away
    with a second one. Asked are the node in question and, if it is a member of etcd, the other members.
    """
    nodes: list[Object] = api.get("/api/v1/nodes")["items"]
    member = any(name_of(one) == name and is_member(one) for one in nodes)
    asked = [one for one in nodes if name_of(one) == name or (member and is_member(one))]
    asked = [one for one in asked if not not_ready(one)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        said = pool.map(lambda one: _silence(api, name_of(one)), asked)
        for one, silence in zip(asked, said, strict=True):
            if silence:
                one["status"]["conditions"] = [{"type": "Ready", "status": "Unknown", "message": silence}]
    return nodes


def _silence(api: KubeApi, name: str) -> str:
    """Why a node's kubelet does not answer through the API; empty where it does.

    On a server the kubelet is part of the very process that etcd is in.
    """
    try:
        api.text(f"/api/v1/nodes/{name}/proxy/healthz")
    except CasaError as error:
        return f"its kubelet does not answer: {error.message}"
    return ""


def delete(api: KubeApi, name: str, seconds: float) -> list[str]:
    """Make the cluster forget a node.

    Args:
        api: The cluster, through a server that stays.
        name: The node's name.
        seconds: How long k3s may take to let the object go; it takes the node's member out of etcd first.

    Returns:
        What was done; empty where the cluster knew nothing of it.

    Raises:
        CasaError: It would lose its last server or etcd's quorum, k3s keeps the object, or the API failed.
    """
    check(api, name)
    done = []
    if api.delete(f"/api/v1/nodes/{name}"):
        holders = _wait_until_gone(api, name, seconds)
        if holders:
            raise CasaError(
                f"The node {name} is deleted but not gone after {seconds:g} s: {holders}.",
                hint="Look at k3s on the servers (journalctl -u k3s), then give the same command again.",
            )
        done.append(f"deleted node {name}")
    if api.delete(_password_path(name)):
        done.append(f"deleted secret {_password_name(name)}")
    return done


def _wait_until_gone(api: KubeApi, name: str, seconds: float) -> str:
    """What still holds a deleted node when the time is over; empty when it is gone.

    Where a member leaves an etcd of two, the other one has no leader for a moment, and k3s there starts anew:
    that the API is away is no fault until the time is over.
    """
    began = time.monotonic()
    while True:
        spent = time.monotonic() - began
        try:
            found = api.get(f"/api/v1/nodes/{name}")
            holders = found["metadata"].get("finalizers") or []
            held = f"{', '.join(holders) or 'nobody named'} did not let it go"
            if holders == [_HOUSEKEEPING] and spent >= _PATIENCE:
                version = found["metadata"].get("resourceVersion", "")
                api.patch(
                    f"/api/v1/nodes/{name}", {"metadata": {"resourceVersion": version, "finalizers": []}}
                )
        except CasaError as error:
            status = getattr(error, "status", 0)
            if status == 404:
                return ""
            # 409: it was changed meanwhile.
            if status and status < 500 and status != 409:
                raise
            held = error.message
        if spent >= seconds:
            return held
        time.sleep(_PAUSE)


def forget_kubeconfig(path: Path, servers: Sequence[str], avoid: Sequence[str] = ()) -> bool:
    """Remove the kubeconfig of a cluster of which no server answers.

    Args:
        path: The kubeconfig.
        servers: Addresses of the servers beside the one that it names.
        avoid: Names and addresses of a server that does not count.

    Returns:
        Whether it was removed.
    """
    if not path.exists():
        return False
    try:
        open_cluster(path, servers=servers, avoid=avoid)
    except CasaError as error:
        if error.exit_code is not ExitCode.UNREACHABLE:
            # It answers, or the file is not one to act on.
            return False
    else:
        return False
    path.unlink()
    return True


def lead_elsewhere(path: Path, api: KubeApi, left: Sequence[str]) -> bool:
    """Let a kubeconfig that leads to a server which has left lead to the one that is in use.

    Returns:
        Whether it led there.

    Raises:
        CasaError: It cannot be read or written.
    """
    from urllib.parse import urlsplit

    import yaml

    from casa_install.cluster.kubeconfig import write_private
    from casa_install.health.kube_config import read_kubeconfig

    found = read_kubeconfig(path)
    if found is None or urlsplit(found.server).hostname not in left:
        return False
    for entry in found.content["clusters"]:
        entry["cluster"]["server"] = api.server
    write_private(path, yaml.safe_dump(found.content, sort_keys=False))
    return True


def _password_name(name: str) -> str:
    return f"{name.lower()}.node-password.k3s"


def _password_path(name: str) -> str:
    return f"/api/v1/namespaces/kube-system/secrets/{_password_name(name)}"


def _has_password(api: KubeApi, name: str) -> bool:
    try:
        api.get(_password_path(name))
    except CasaError as error:
        if getattr(error, "status", 0) == 404:
            return False
        raise
    return True


def _look(given: argparse.Namespace) -> int:
    api = open_cluster(given.kubeconfig, servers=given.server, avoid=given.avoid)
    print(f"{_ANSWER}\n{json.dumps(look(api, given.node))}")
    return 0


def _addresses(api: KubeApi, name: str) -> list[str]:
    nodes = [one for one in api.get("/api/v1/nodes")["items"] if name_of(one) == name]
    return [str(one["address"]) for node in nodes for one in node.get("status", {}).get("addresses", ())]


def _check(given: argparse.Namespace) -> int:
    check(open_cluster(given.kubeconfig, servers=given.server, avoid=given.avoid), given.node)
    return 0


def _delete(given: argparse.Namespace) -> int:
    api = open_cluster(given.kubeconfig, servers=given.server, avoid=given.avoid)
    left = [*given.avoid, *_addresses(api, given.node)]
    done = delete(api, given.node, given.seconds)
    if lead_elsewhere(given.kubeconfig, api, left):
        done.append(f"{given.kubeconfig} leads to {api.server} now")
    print("\n".join(done))
    return 0


def _kubeconfig(given: argparse.Namespace) -> int:
    if forget_kubeconfig(given.kubeconfig, given.server, given.avoid):
        print(f"removed {given.kubeconfig}")
    return 0


def main(words: Sequence[str]) -> int:
    """Do one thing."""
    parser = argparse.ArgumentParser(prog="casa_install.cluster.leave")
    commands = parser.add_subparsers(required=True)
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "look": _look,
        "check": _check,
        "delete": _delete,
        "kubeconfig": _kubeconfig,
    }
    for name, action in actions.items():
        command = commands.add_parser(name)
        command.set_defaults(action=action)
        command.add_argument("kubeconfig", type=Path)
        if name != "kubeconfig":
            command.add_argument("node")
        command.add_argument("--server", action="append", default=[], help="another server, as HOST:PORT")
        command.add_argument("--avoid", action="append", default=[], help="a server that is not to be asked")
        command.add_argument("--seconds", type=float, default=120.0)
    given = parser.parse_args(words)
    try:
        return int(given.action(given))
    except CasaError as error:
        sys.stderr.write(f"Error: {error.message}\n" + (f"Hint: {error.hint}\n" if error.hint else ""))
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""How the checks of a k3s cluster ended, from what was found here and on the hosts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.health.kube_checks import (
    ACCESS,
    ACROSS,
    BY_API,
    CLEAN,
    CLUSTER,
    CORE,
    DASK,
    DEPLOY,
    DNS,
    EXEC,
    KUBELET,
    OTHERS,
    POLICY,
    READY,
    RUNS,
    SERVICE,
    STRANGER,
    VOLUME,
    WITH_PODS,
)
from casa_install.health.kube_reading import node_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from casa_install.health.checks import Result
    from casa_install.health.kube_reading import Node
    from casa_install.health.kube_tries import Tried

_REFUSED = ("401", "403")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node as the inventory has it.

    Attributes:
        host: In the inventory.
        node: In the cluster.
        server: Whether it is one, rather than an agent.
        etcd: Whether it is to hold a part of etcd.
        version: Such as `v1.34.2+k3s1`; empty where the inventory does not say.
    """

    host: str
    node: str
    server: bool
    etcd: bool = False
    version: str = ""


def judge_cluster(
    tried: Tried | None,
    wanted: Sequence[Wanted],
    *,
    unasked: str = "",
    policies: bool = True,
    dask: Mapping[str, str] | None = None,
) -> Iterator[Result]:
    """Judge what was found through the API.

    Args:
        tried: What was; None where the API was not asked.
        wanted: The inventory's nodes.
        unasked: Why it was not.
        policies: Whether k3s's controller for NetworkPolicies is on.
        dask: What came of the entry point for Dask (`kube_entry.try_entry_point`); None where there is none.
    """
    if tried is None or tried.fault:
        yield (
            ACCESS.result(CLUSTER, passed=False, found=tried.fault)
            if tried
            else ACCESS.untried(CLUSTER, unasked)
        )
        yield from (check.untried(CLUSTER, "the API was not reached") for check in BY_API[1:])
        return
    nodes = {each.host: node_named(each.node, tried.nodes) for each in wanted}
    hosts = {node.name: host for host, node in nodes.items() if node}
    yield ACCESS.result(CLUSTER, passed=True, found=tried.version)
    let_in = [f"{who}: {said}" for who, said in tried.strangers.items() if said not in _REFUSED]
    yield STRANGER.result(CLUSTER, not let_in, ", ".join(let_in))
    yield from _nodes(tried, wanted)
    yield from _core(tried)
    if tried.untried:
        yield from (check.untried(CLUSTER, tried.untried) for check in WITH_PODS)
    else:
        yield from _pods(tried, hosts)
        yield from _network(tried, hosts)
        yield _volume(tried)
        yield from _policy(tried, hosts, policies=policies)
        yield CLEAN.result(CLUSTER, not tried.left, tried.left)
    yield _dask(tried, dask)


def judge_hosts(tried: Mapping[str, Mapping[str, Any]]) -> Iterator[Result]:
    """Judge what hosts found; theirs is under `k3s_tried`, as `playbooks/files/try-k3s.py` prints it."""
    for host, said in tried.items():
        if "k3s_tried" not in said:
            continue
        found = said["k3s_tried"]
        yield _kubelet(host, found["kubelet"], found["read_only"])
        if "manifest" in found:
            fault, seconds = found["manifest"]["fault"], found["manifest"]["seconds"]
            yield DEPLOY.result(host, not fault, fault or f"after {seconds} s")


def _kubelet(host: str, answers: Mapping[str, str], read_only: str) -> Result:
    """Only an answer shows something: a kubelet that is down lets nobody in either."""
    silent = [said for said in answers.values() if not said.isdigit()]
    let_in = [f"{who}: {said}" for who, said in answers.items() if said.isdigit() and said not in _REFUSED]
    if read_only:
        let_in.append(f"the read-only port: {read_only}")
    if silent and not let_in:
        return KUBELET.untried(host, f"the kubelet does not answer on port 10250: {silent[0]}")
    return KUBELET.result(host, not let_in, ", ".join(let_in))


def _nodes(tried: Tried, wanted: Sequence[Wanted]) -> Iterator[Result]:
    known = {each.host: node_named(each.node, tried.nodes) for each in wanted}
    for each in wanted:
        wrong = _wrong(known[each.host], each)
        yield READY.result(each.host, not wrong, "; ".join(wrong))
    others = [node.name for node in tried.nodes if node not in known.values()]
    yield OTHERS.result(CLUSTER, not others, ", ".join(others))


def _wrong(node: Node | None, wanted: Wanted) -> Iterator[str] | list[str]:
    if node is None:
        return [f"the cluster has no node {wanted.node}"]
    wrong = [] if node.ready else [f"not ready since {node.since}: {node.reason}"]
    if wanted.version and node.version != wanted.version:
        wrong.append(f"its kubelet runs {node.version}, k3s_version is {wanted.version}")
    if wanted.server != node.is_server:
        roles = ", ".join(node.roles) or "none"
        wrong.append(f"it is to be {'a server' if wanted.server else 'an agent'}, and its roles are: {roles}")
    if wanted.etcd and "etcd" not in node.roles:
        wrong.append("it is to hold a part of etcd and does not")
    return wrong


def _core(tried: Tried) -> Iterator[Result]:
    if not tried.core_pods and not tried.core:
        yield CORE.untried(CLUSTER, "kube-system has no pods: all packaged components are disabled")
    else:
        faults = "; ".join(f"{name} {fault}" for name, fault in sorted(tried.core.items()))
        yield CORE.result(CLUSTER, not faults, faults)


def _pods(tried: Tried, hosts: Mapping[str, str]) -> Iterator[Result]:
    for node, pod in tried.pods.items():
        yield RUNS.result(hosts.get(node, node), not pod.fault, pod.fault)
    for node, heard in tried.answers.items():
        yield EXEC.result(hosts.get(node, node), not heard.fault, heard.fault)


def _network(tried: Tried, hosts: Mapping[str, str]) -> Iterator[Result]:
    able = {node: heard for node, heard in tried.answers.items() if not heard.fault}
    checks = (ACROSS, SERVICE, DNS)
    if not able:
        yield from (check.untried(CLUSTER, "no command could be run in a pod") for check in checks)
        return
    for node, heard in able.items():
        host = hosts.get(node, node)
        if heard.peer:
            deaf = [
                f"no answer from {heard.peer} ({ip})" for ip, got in heard.peers.items() if got != heard.peer
            ]
            yield ACROSS.result(host, not deaf, "; ".join(deaf))
        silent = [f"no answer from {ip}" for ip, got in heard.service.items() if not got]
        yield SERVICE.result(host, not silent, "; ".join(silent))
        if heard.name:
            found = f"{heard.name}: {heard.resolved}" if heard.resolved else ""
            yield DNS.result(host, not heard.resolved, found)
    if not any(heard.peer for heard in able.values()):
        yield ACROSS.untried(CLUSTER, "pods run on one node only")
    if not tried.dns:
        yield DNS.untried(CLUSTER, "coredns is disabled")


def _volume(tried: Tried) -> Result:
    if tried.kept is None:
        return VOLUME.untried(CLUSTER, "the cluster has no default StorageClass")
    return VOLUME.result(CLUSTER, not tried.kept.fault, tried.kept.fault or tried.storage)


def _policy(tried: Tried, hosts: Mapping[str, str], *, policies: bool) -> Iterator[Result]:
    denied = tried.denied
    if not policies:
        yield POLICY.untried(CLUSTER, "k3s's controller for them is disabled")
    elif denied is None:
        yield POLICY.untried(CLUSTER, "our pod runs on no node")
    elif denied.fault:
        yield POLICY.result(CLUSTER, passed=False, found=denied.fault)
    else:
        for node in tried.answers:
            host = hosts.get(node, node)
            if node in denied.before:
                yield POLICY.untried(host, "its pod could not be reached before either")
            elif node in denied.let_in:
                yield POLICY.result(host, passed=False, found="its pod can still be reached by all")
            else:
                shut = node in denied.shut_out
                yield POLICY.result(
                    host, not shut, "its pod cannot be reached by whom the policy lets in" * shut
                )


def _dask(tried: Tried, dask: Mapping[str, str] | None) -> Result:
    if dask is None:
        return DASK.untried(CLUSTER, "no server has an entry point for Dask configured")
    if not tried.entry_points:
        return DASK.untried(CLUSTER, "Traefik is disabled")
    faults = "; ".join(f"{where}: {fault}" for where, fault in dask.items() if fault)
    return DASK.result(CLUSTER, not faults, faults)

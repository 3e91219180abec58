"""What a check needs of nodes and pods, from objects as an API server of k3s 1.21 gives them."""

from __future__ import annotations

from typing import Any

import pytest

from casa_install.health.kube_reading import (
    core_faults,
    image_missing,
    pod_fault,
    pod_ips,
    pod_ready,
    proof_image,
    read_node,
)


def _node(**status: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-27T19:28:14Z", "reason": "x"}
    return {
        "metadata": {
            "name": "s1.lab.test",
            "labels": {
                "node-role.kubernetes.io/control-plane": "true",
                "node-role.kubernetes.io/etcd": "true",
            },
        },
        "spec": {},
        "status": {
            "conditions": [{"type": "MemoryPressure", "status": "False"}, ready],
            "nodeInfo": {"kubeletVersion": "v1.21.3+k3s1"},
            "addresses": [
                {"type": "Hostname", "address": "s1"},
                {"type": "ExternalIP", "address": "192.0.2.7"},
                {"type": "InternalIP", "address": "10.89.3.3"},
            ],
        }
        | status,
    }


def _pod(name: str = "p", *, phase: str = "Running", ready: str = "True", **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": {"name": name}, "status": {"phase": phase, "conditions": conditions} | status}


def _waiting(reason: str, **more: Any) -> dict[str, Any]:
    state = {"waiting": {"reason": reason} | more.pop("said", {})}
    return {"name": "c", "image": "registry/x:1", "ready": False, "state": state} | more


def test_a_server_that_is_ready() -> None:
    node = read_node(_node())
    assert (node.ready, node.is_server, node.roles) == (True, True, ("control-plane", "etcd"))
    assert (node.version, node.reason) == ("v1.21.3+k3s1", "")
    assert node.addresses == ("10.89.3.3", "192.0.2.7")


def test_a_node_whose_kubelet_is_silent() -> None:
    condition = {
        "type": "Ready",
        "status": "Unknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": "2026-11-27T20:00:00Z",
    }
    node = read_node(_node(conditions=[condition]))
    assert not node.ready
    assert node.reason == "Kubelet stopped posting node status."
    assert node.since == "2026-11-27T20:00:00Z"


def test_a_node_that_has_only_just_registered() -> None:
    node = read_node({"metadata": {"name": "a1"}})
    assert (node.ready, node.is_server, node.version) == (False, False, "")
    assert node.reason == "its kubelet has not reported yet"


def test_images_without_names_are_no_fault() -> None:
    assert read_node(_node(images=[{"names": None}, {"names": ["x:1"]}])).images == ("x:1",)


def test_the_image_is_one_that_all_nodes_have() -> None:
    one = read_node(_node(images=[{"names": ["docker.io/a/busybox@sha256:0", "docker.io/a/busybox:1"]}]))
    two = read_node(_node(images=[{"names": ["docker.io/a/busybox:1", "docker.io/b/busybox:2"]}]))
    assert proof_image([one, two]) == "docker.io/a/busybox:1"
    assert proof_image([one, read_node(_node())]) == ""
    assert proof_image([]) == ""


def test_pods_that_serve_or_have_ended_well() -> None:
    assert pod_ready(_pod())
    assert pod_fault(_pod()) == ""
    assert pod_fault(_pod(phase="Succeeded", ready="False")) == ""


@pytest.mark.parametrize(
    ("pod", "fault"),
    [
        (
            _pod(phase="Pending", ready="False", containerStatuses=[_waiting("ImagePullBackOff")]),
            "ImagePullBackOff: the image registry/x:1 cannot be had",
        ),
        (
            _pod(
                phase="Pending",
                ready="False",
                conditions=[
                    {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}
                ],
            ),
            "has no node: 0/1 nodes are available",
        ),
        (
            _pod(
                ready="False",
                containerStatuses=[
                    _waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}}),
                ],
            ),
            "CrashLoopBackOff: container c, its last status was 1",
        ),
        (
            _pod(
                ready="False",
                containerStatuses=[_waiting("CreateContainerConfigError", said={"message": "no secret x"})],
            ),
            "container c: no secret x",
        ),
        (
            _pod(
                ready="False", initContainerStatuses=[{"name": "i", "state": {"terminated": {"exitCode": 2}}}]
            ),
            "container i ended with 2 (no reason)",
        ),
        (
            _pod(ready="False", containerStatuses=[{"name": "c", "ready": False, "state": {"running": {}}}]),
            "container c runs and is not ready",
        ),
        (_pod(phase="Failed", ready="False", reason="Evicted"), "failed: Evicted"),
        (
            _pod(phase="Pending", ready="False", containerStatuses=[_waiting("ContainerCreating")]),
            "is Pending, not ready",
        ),
    ],
)
def test_pods_that_do_not(pod: dict[str, Any], fault: str) -> None:
    assert not pod_ready(pod)
    assert pod_fault(pod) == fault


def test_a_pod_that_goes_does_not_serve() -> None:
    pod = _pod()
    pod["metadata"]["deletionTimestamp"] = "2026-11-27T20:00:00Z"
    assert not pod_ready(pod)
    assert pod_fault(pod) == "is being removed"


def test_only_a_missing_image_is_hopeless() -> None:
    assert image_missing(_pod(containerStatuses=[_waiting("ErrImagePull")]))
    assert not image_missing(_pod(containerStatuses=[_waiting("ContainerCreating")]))
    assert not image_missing(_pod())


def test_addresses_of_both_families() -> None:
    assert pod_ips(_pod(podIP="10.42.0.5", podIPs=[{"ip": "10.42.0.5"}, {"ip": "fd00::5"}])) == (
        "10.42.0.5",
        "fd00::5",
    )
    assert pod_ips(_pod(podIP="10.42.0.5")) == ("10.42.0.5",)
    assert pod_ips(_pod()) == ()


def test_a_jobs_earlier_tries_are_of_the_past() -> None:
    tried = _pod("helm-install-traefik-x", phase="Failed", ready="False")
    tried["metadata"]["ownerReferences"] = [{"kind": "Job"}]
    assert core_faults([tried, _pod("coredns-1")], []) == {}


def test_workloads_whose_pods_are_not_made() -> None:
    condition = {"type": "ReplicaFailure", "message": 'pods "metrics-server-x" is forbidden'}
    deployment = {
        "metadata": {"name": "metrics-server"},
        "spec": {"replicas": 1},
        "status": {"conditions": [condition]},
    }
    found = core_faults([_pod("coredns-1")], [deployment])
    assert found == {"metrics-server": '0 of 1 pods are ready: pods "metrics-server-x" is forbidden'}


def test_a_pods_own_fault_is_told_once() -> None:
    pod = _pod("svclb-traefik-x", phase="Pending", ready="False")
    daemons = {
        "metadata": {"name": "svclb-traefik"},
        "status": {"desiredNumberScheduled": 2, "numberReady": 1},
    }
    assert core_faults([pod], [daemons]) == {"svclb-traefik-x": "is Pending, not ready"}

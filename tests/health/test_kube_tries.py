"""What is made in a cluster is removed whatever happens; that pods talk is proved on real clusters."""

from __future__ import annotations

import signal
import socket
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from casa_install.health import kube_entry, kube_objects
from casa_install.health.kube_entry import try_entry_point
from casa_install.health.kube_errors import KubeError
from casa_install.health.kube_namespace import own_namespace
from casa_install.health.kube_reading import Node
from casa_install.health.kube_tries import Tried, try_cluster

if TYPE_CHECKING:
    from casa_install.health.kube_api import KubeApi

NAMESPACES = "/api/v1/namespaces"


class Api:
    """Keeps namespaces, and fails where it is told to."""

    def __init__(self) -> None:
        self.namespaces: dict[str, dict[str, Any]] = {}
        self.failing = ""
        self.stuck: list[dict[str, Any]] = []

    def get(self, path: str, **_: str) -> dict[str, Any]:
        if self.failing and self.failing in path:
            raise KubeError("it broke", status=500)
        return {"items": list(self.namespaces.values())} if path == NAMESPACES else {"items": []}

    def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == NAMESPACES:
            self.namespaces[body["metadata"]["name"]] = body
        return body

    def delete(self, path: str, **_: object) -> bool:
        return self.namespaces.pop(path.removeprefix(f"{NAMESPACES}/"), None) is not None

    def wait(self, path: str, *_: object, **__: str) -> list[dict[str, Any]]:
        if path.endswith("serviceaccounts"):
            return [{"metadata": {"name": "default"}}]
        return self.stuck if path == NAMESPACES else []


def _kept(name: str, *, seconds: float) -> dict[str, Any]:
    made = datetime.now(UTC) - timedelta(seconds=seconds)
    return {"metadata": {"name": name, "creationTimestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ")}}


@pytest.fixture
def api() -> Api:
    return Api()


def _space(api: Api) -> Any:
    return own_namespace(cast("KubeApi", api))


def test_the_namespace_goes_at_the_end(api: Api) -> None:
    with _space(api) as space:
        assert list(api.namespaces) == [space.name]
        labels = api.namespaces[space.name]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"
    assert labels[kube_objects.LABEL] == space.name.removeprefix("casa-verify-")
    assert api.namespaces == {}
    assert space.left == ""


@pytest.mark.parametrize("error", [KubeError("it broke"), KeyboardInterrupt(), SystemExit(3)])
def test_it_goes_after_a_fault_and_an_interrupt(api: Api, error: BaseException) -> None:
    with pytest.raises(type(error)), _space(api):
        raise error
    assert api.namespaces == {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_goes_when_the_process_is_ended(api: Api, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match=number.name), _space(api):
        signal.raise_signal(number)
    assert api.namespaces == {}
    assert signal.getsignal(number) == before


def test_one_that_stays_is_told_with_its_reason(api: Api) -> None:
    condition = {"status": "True", "message": "metrics.k8s.io/v1beta1: stale GroupVersion discovery"}
    api.stuck = [{"status": {"conditions": [condition]}}]
    with _space(api) as space:
        pass
    assert "is still there after 30 s: metrics.k8s.io/v1beta1: stale" in space.left


def test_what_a_killed_run_left_is_removed_and_nothing_else(api: Api) -> None:
    old, young = _kept("casa-verify-old", seconds=1000), _kept("casa-verify-young", seconds=100)
    foreign = _kept("somebody-else", seconds=1000)
    api.namespaces = {each["metadata"]["name"]: each for each in (old, young, foreign)}
    with _space(api):
        pass
    assert set(api.namespaces) == {"casa-verify-young", "somebody-else"}


def test_an_api_that_fails_is_a_finding_and_no_error(api: Api) -> None:
    api.failing = "/version"
    assert try_cluster(cast("KubeApi", api), "", []).fault == "it broke"


def test_pods_may_do_nothing_but_talk() -> None:
    daemons = kube_objects.nodes_pods("busybox:1")["spec"]["template"]["spec"]
    for spec in (daemons, kube_objects.asking_pod("x", "busybox:1", "n1")["spec"]):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "limits" in container["resources"]


def test_pods_that_are_left_end_by_themselves() -> None:
    assert kube_objects.keeping_pod("busybox:1")["spec"]["activeDeadlineSeconds"] == kube_objects.LIFETIME


def _tried(**more: Any) -> Tried:
    server = Node("s1", ready=True, roles=("control-plane",), addresses=("127.0.0.1",))
    return Tried(nodes=(server,), **({"entry_pods": 1} | more))


def test_the_entry_point_takes_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert try_entry_point(_tried(entry_points=(port,)), port) == {f"127.0.0.1:{port}": ""}
    found = try_entry_point(_tried(entry_points=(port,), entry_addresses=("127.0.0.1",)), port)
    assert found == {f"127.0.0.1:{port}": "Connection refused"}


def test_nothing_is_sent_where_no_pod_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = try_entry_point(_tried(entry_points=(port,), entry_pods=0), port)
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert found == {"the Service traefik": "no pod of Traefik is ready behind it"}


def test_traefik_has_another_port() -> None:
    found = try_entry_point(_tried(entry_points=(80, 443)), 8786)
    assert found == {"the Service traefik": "it has no port 8786, but 80, 443"}


def test_no_entry_point() -> None:
    assert try_entry_point(_tried(entry_points=(80,)), 0) is None
    assert try_entry_point(_tried(), 8786) == {}
    assert kube_entry.SECONDS < 10

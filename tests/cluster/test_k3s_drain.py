"""Taking work off a node: what is evicted, what keeps it, and that a node is given back."""

from __future__ import annotations

import pytest
from fake_api import FakeApi, node, pod

from casa_install.cluster import drain as module
from casa_install.cluster.drain import MARK, cordon, drain, uncordon
from casa_install.cluster.pods import selects
from casa_install.errors import CasaError
from casa_install.health.kube_errors import KubeError


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)


def unschedulable(api: FakeApi, name: str = "a1") -> bool:
    return bool(api.nodes[name]["spec"].get("unschedulable"))


def test_node_is_cordoned_once_and_given_back_only_by_whom_it_was():
    api = FakeApi([node("a1")])
    assert cordon(api, "a1") is True
    assert MARK in api.nodes["a1"]["metadata"]["annotations"]
    assert cordon(api, "a1") is False
    assert uncordon(api, "a1") is True
    assert api.nodes["a1"]["spec"] == {}
    assert api.nodes["a1"]["metadata"]["annotations"] == {}
    api.nodes["a1"]["spec"]["unschedulable"] = True
    assert uncordon(api, "a1") is False
    assert unschedulable(api)
    assert uncordon(api, "a1", whoever=True) is True
    assert not unschedulable(api)


def test_pods_leave_and_those_of_the_node_stay():
    mirror = {"annotations": {"kubernetes.io/config.mirror": "x"}}
    pods = [
        pod("web"),
        pod("job", owner="Job"),
        pod("fluent", owner="DaemonSet"),
        pod("static", owner="Node", meta=mirror),
        pod("done", owner="Job", phase="Succeeded"),
        pod("elsewhere", on="a2"),
    ]
    api = FakeApi([node("a1")], pods)
    told: list[str] = []
    done = drain(api, "a1", 5, tell=told.append)
    assert done.evicted == ["work/web", "work/job"]
    assert done.stayed == ["work/fluent", "work/static"]
    assert told == ["a1: work/web leaves", "a1: work/job leaves"]
    assert unschedulable(api)
    assert {one["metadata"]["name"] for one in api.pods} == {"fluent", "static", "done", "elsewhere"}
    # A pod that came back under its name is another one, which nobody asked to leave.
    assert api.bodies[0]["deleteOptions"] == {"preconditions": {"uid": "uid-web"}}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_eviction_is_of_the_servers_version(version):
    api = FakeApi([node("a1")], [pod("web")], eviction=version)
    drain(api, "a1", 5)
    assert api.bodies[0]["apiVersion"] == f"policy/{version}"


def test_pods_that_nothing_makes_anew_are_refused_and_nothing_is_done():
    api = FakeApi([node("a1")], [pod("web"), pod("mine", owner="")])
    with pytest.raises(CasaError, match=r"nothing|work/mine\. Nothing was done") as caught:
        drain(api, "a1", 5)
    assert "--lone" in caught.value.hint
    assert [kind for kind, _ in api.calls] == ["get"]
    assert drain(api, "a1", 5, lone=True).evicted == ["work/web", "work/mine"]


def test_budget_that_keeps_a_pod_is_named_with_its_numbers_and_the_node_given_back():
    api = FakeApi([node("a1")], [pod("web", meta={"labels": {"app": "web"}}), pod("other")])
    api.kept = {"web"}
    api.budgets = [
        {
            "metadata": {"name": "keep-web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1},
        },
        {"metadata": {"name": "loose"}, "spec": {"selector": {}}, "status": {"disruptionsAllowed": 1}},
    ]
    with pytest.raises(CasaError) as caught:
        drain(api, "a1", 0.05)
    assert caught.value.message == (
        "a1 is not drained after 0.05 s: kept by PodDisruptionBudget work/keep-web (1 healthy, 1 needed): "
        "work/web. It is un-cordoned again."
    )
    assert str(caught.value) == caught.value.message
    assert not unschedulable(api)


def test_slow_pod_is_named_with_its_grace_period():
    api = FakeApi([node("a1")], [pod("slow")])
    api.slow = {"slow"}
    with pytest.raises(CasaError, match=r"not ended yet: work/slow \(grace period 30 s\)"):
        drain(api, "a1", 0.05)
    assert sum(kind == "create" for kind, _ in api.calls) == 1


def test_dead_node_is_told_from_a_slow_pod():
    api = FakeApi([node("a1", ready=False)], [pod("slow")])
    api.slow = {"slow"}
    with pytest.raises(CasaError, match="a1 is not Ready") as caught:
        drain(api, "a1", 0.05)
    assert "node remove a1 --dead" in caught.value.hint


def test_node_that_somebody_else_cordoned_stays_so_after_a_failure():
    api = FakeApi([node("a1")], [pod("slow")])
    api.slow = {"slow"}
    api.nodes["a1"]["spec"]["unschedulable"] = True
    with pytest.raises(CasaError) as caught:
        drain(api, "a1", 0.05)
    assert "un-cordoned" not in caught.value.message
    assert unschedulable(api)


def test_interrupt_gives_the_node_back(monkeypatch):
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    api = FakeApi([node("a1")], [pod("slow")])
    api.slow = {"slow"}
    monkeypatch.setattr(module.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drain(api, "a1", 60)
    assert not unschedulable(api)


def test_node_that_cannot_be_given_back_is_said_to_be_cordoned(monkeypatch):
    api = FakeApi([node("a1")], [pod("web")])

    def gone(*_: object) -> dict[str, object]:
        raise KubeError("https://s1:6443 cannot be reached")

    monkeypatch.setattr(api, "create", gone)
    patch = api.patch
    monkeypatch.setattr(
        api,
        "patch",
        lambda path, body: (
            gone() if "metadata" in body and None in body["spec"].values() else patch(path, body)
        ),
    )
    with pytest.raises(CasaError) as caught:
        drain(api, "a1", 5)
    assert "And it is still cordoned" in caught.value.message
    assert caught.value.hint.startswith("`kubectl uncordon a1`")


def test_unknown_node_is_refused():
    with pytest.raises(CasaError, match="a9"):
        drain(FakeApi([node("a1")]), "a9", 5)


@pytest.mark.parametrize(
    ("selector", "meant"),
    [
        ({}, True),
        (None, False),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "1", "b": "1"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Near"}]}, False),
    ],
)
def test_selectors_mean_what_kubernetes_says(selector, meant):
    assert selects(selector, {"a": "1"}) is meant

"""What an upgrade may do: what is due, what refuses it, and what it asks of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from casa_install.cluster import access, upgrade_step
from casa_install.cluster.drain import MARK
from casa_install.cluster.upgrade_rules import Host, Node, may_stop, plan_upgrade, read_nodes
from casa_install.errors import CasaError

OLD, NEW = "v1.20.9+k3s1", "v1.21.3+k3s1"
_NODES = "/api/v1/nodes"


def _plan(hosts, nodes, silence="", target=NEW):
    return plan_upgrade(hosts, nodes, silence, target, etcd=True)


def _server(version=OLD, not_ready="", unschedulable=False) -> Node:
    return Node(True, version, not_ready, unschedulable)


def _agent(version=OLD, not_ready="") -> Node:
    return Node(False, version, not_ready, False)


def test_nodes_with_another_release_are_due():
    hosts = {"s1": Host(True, OLD, True), "a1": Host(False, NEW, True)}
    plan = _plan(hosts, {"s1": _server(), "a1": _agent(NEW)}, target=NEW)
    assert plan.due == {"s1": OLD}
    assert plan.findings == []


def test_what_runs_counts_and_not_the_program_on_disk():
    hosts = {"s1": Host(True, NEW, True)}
    assert _plan(hosts, {"s1": _server(OLD)}).due == {"s1": OLD}


def test_a_node_that_stopped_in_an_upgrade_is_due_though_it_has_the_release():
    plan = _plan({"s1": Host(True, NEW, False)}, {"s1": _server(NEW, "kubelet stopped")})
    assert (plan.due, plan.findings) == ({"s1": NEW}, [])


def test_a_minor_release_cannot_be_left_out():
    plan = _plan({"s1": Host(True, OLD, True)}, {"s1": _server()}, target="v1.22.17+k3s1")
    assert len(plan.findings) == 1
    assert "must pass v1.21" in plan.findings[0]


def test_nothing_goes_back():
    plan = _plan({"s1": Host(True, NEW, True)}, {"s1": _server(NEW)}, target=OLD)
    assert any("cannot go back" in finding for finding in plan.findings)


def test_agents_wait_for_servers_that_were_not_chosen():
    plan = _plan({"a1": Host(False, OLD, True)}, {"s1": _server(), "a1": _agent()})
    assert any("s1 is a server and runs v1.20.9+k3s1" in finding for finding in plan.findings)


def test_agents_may_go_alone_when_the_servers_are_there():
    plan = _plan({"a1": Host(False, OLD, True)}, {"s1": _server(NEW), "a1": _agent()})
    assert (plan.due, plan.findings) == ({"a1": OLD}, [])


def test_a_node_that_is_not_ready_is_mended_first():
    nodes = {"s1": _server(), "a1": _agent(not_ready="disk pressure")}
    plan = _plan({"s1": Host(True, OLD, True)}, nodes)
    assert plan.findings == ["a1 is not Ready (disk pressure): mend it first, an upgrade would hide why"]


def test_a_silent_api_stops_an_upgrade_that_has_not_begun():
    plan = _plan({"s1": Host(True, OLD, True)}, None, "connection refused")
    assert any("the API does not answer (connection refused)" in finding for finding in plan.findings)


def test_a_silent_api_does_not_stop_one_that_broke_the_api():
    plan = _plan({"s1": Host(True, NEW, False)}, None, "connection refused")
    assert plan.findings == []
    assert "the API does not answer" in plan.notes[0]


def test_a_host_without_k3s_is_no_node_to_upgrade():
    plan = _plan({"s1": Host(True, OLD, True), "a1": Host(False, "", False)}, {"s1": _server()})
    assert [finding for finding in plan.findings if "a1 has no k3s yet" in finding]
    assert "a1" not in plan.due


def test_a_node_that_an_admin_cordoned_is_noted():
    plan = _plan({"s1": Host(True, OLD, True)}, {"s1": _server(unschedulable=True)})
    assert plan.notes == ["s1 takes no new pods now, and takes none afterwards"]


def test_no_server_stops_where_etcd_would_lose_its_quorum():
    nodes = {"s1": _server(), "s2": _server(not_ready="gone"), "s3": _server()}
    assert "etcd needs 2" in may_stop("s1", nodes)
    assert may_stop("s2", nodes) == ""
    assert may_stop("a1", nodes | {"a1": _agent()}) == ""


def _node(name: str, *, server: bool = False, ready: bool = True, cordoned: bool = False, mark: bool = False):
    labels = {"node-role.kubernetes.io/master": "true"} if server else {}
    status = {"type": "Ready", "status": "True" if ready else "False", "message": "" if ready else "gone"}
    return {
        "metadata": {"name": name, "labels": labels, "annotations": {MARK: "now"} if mark else {}},
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {"conditions": [status], "nodeInfo": {"kubeletVersion": OLD}},
    }


def _pod(name: str, node: str, owner: str = "") -> dict[str, Any]:
    owners = [{"kind": owner, "name": "o", "controller": True}] if owner else []
    meta = {"namespace": "default", "name": name, "uid": name, "ownerReferences": owners}
    return {"metadata": meta, "spec": {"nodeName": node}, "status": {"phase": "Running"}}


class Api:
    """A cluster's API in memory: evicted pods are gone at once."""

    def __init__(self, nodes, pods=()) -> None:
        self.nodes = {node["metadata"]["name"]: node for node in nodes}
        self.pods = list(pods)
        self.patched: list[tuple[str, dict[str, Any]]] = []

    def get(self, path, **query):
        if path == _NODES:
            return {"items": list(self.nodes.values())}
        if path.startswith(_NODES):
            return self.nodes[path.rpartition("/")[2]]
        if path == "/api/v1":
            return {"resources": [{"name": "pods/eviction", "group": "policy", "version": "v1beta1"}]}
        node = query["fieldSelector"].partition("=")[2]
        return {"items": [pod for pod in self.pods if pod["spec"]["nodeName"] == node]}

    def create(self, _path, body):
        self.pods = [pod for pod in self.pods if pod["metadata"]["name"] != body["metadata"]["name"]]
        return {}

    def patch(self, path, body):
        node = self.nodes[path.rpartition("/")[2]]
        self.patched.append((path, body))
        node["spec"]["unschedulable"] = body.get("spec", {}).get("unschedulable")
        node["metadata"]["annotations"] = {
            key: value for key, value in body["metadata"]["annotations"].items() if value
        }
        return node


def test_pods_leave_and_those_that_nothing_would_make_anew_stay():
    pods = [_pod("web", "a1", "ReplicaSet"), _pod("lone", "a1"), _pod("each", "a1", "DaemonSet")]
    api = Api([_node("s1", server=True), _node("a1")], pods)
    done = upgrade_step.clear(api, "a1", 5, move=True)
    assert done["cordoned"]
    assert done["evicted"] == ["default/web"]
    assert sorted(done["stayed"]) == ["default/each", "default/lone"]
    assert [pod["metadata"]["name"] for pod in api.pods] == ["lone", "each"]


@pytest.mark.parametrize(
    ("nodes", "move", "why"),
    [
        ([_node("s1", server=True)], True, "no other node could take its pods"),
        ([_node("s1", server=True), _node("a1", cordoned=True)], True, "no other node"),
        ([_node("s1", server=True), _node("a1")], False, "k3s_upgrade_drain is false"),
        ([_node("s1", server=True, ready=False), _node("a1")], True, "it is not Ready"),
    ],
)
def test_nothing_is_moved_where_it_could_not_or_should_not_be(nodes, move, why):
    api = Api(nodes, [_pod("web", "s1", "ReplicaSet")])
    done = upgrade_step.clear(api, "s1", 5, move=move)
    assert why in done["skipped"]
    assert not done["cordoned"]
    assert (api.patched, len(api.pods)) == ([], 1)


def test_a_server_that_etcd_needs_is_not_touched():
    api = Api([_node("s1", server=True), _node("s2", server=True, ready=False), _node("s3", server=True)])
    with pytest.raises(CasaError, match="s2 of 3 servers is not Ready"):
        upgrade_step.clear(api, "s1", 5, move=True)
    assert api.patched == []


def test_only_nodes_that_were_cordoned_here_are_given_back():
    api = Api([_node("a1", cordoned=True, mark=True), _node("a2", cordoned=True)])
    assert upgrade_step.give_back(api, ["a1", "a2"]) == ["a1"]
    assert api.nodes["a2"]["spec"]["unschedulable"]


def test_a_node_is_given_back_when_pods_really_come(monkeypatch):
    monkeypatch.setattr(upgrade_step, "_PAUSE", 0)
    node = _node("a1", cordoned=True, mark=True)
    taints = iter(
        [[{"key": "node.kubernetes.io/unschedulable"}], [{"key": "node.kubernetes.io/unschedulable"}]]
    )
    api = Api([node])
    seen = []

    def get(path, **_):
        node["spec"]["taints"] = next(taints, [])
        seen.append(path)
        return node

    monkeypatch.setattr(api, "get", get)
    assert upgrade_step.give_back(api, ["a1"]) == ["a1"]
    assert len(seen) == 3


def test_after_a_cut_only_this_upgrades_nodes_are_given_back(monkeypatch):
    cordoned = [_node(name, cordoned=True, mark=True) for name in ("a1", "a2", "a3")]
    api = Api(cordoned)
    monkeypatch.setattr(access, "open_cluster", lambda *_, **__: api)
    look = {"kubeconfig": "/k", "servers": [], "due": {"a1": OLD, "a2": OLD}, "cordoned": ["a2"]}
    assert upgrade_step.left_cordoned(look) == ["a1 takes new pods again"]
    assert [name for name, node in api.nodes.items() if node["spec"]["unschedulable"]] == ["a2", "a3"]


def test_after_a_cut_a_silent_api_is_told(monkeypatch):
    def silent(*_: object, **__: object):
        raise CasaError("No server of the cluster answers")

    monkeypatch.setattr(access, "open_cluster", silent)
    look = {"kubeconfig": "/k", "servers": [], "due": {"a1": OLD}, "cordoned": []}
    assert "cannot be asked: No server of the cluster answers" in upgrade_step.left_cordoned(look)[0]


def test_a_look_tells_what_the_role_and_the_command_line_need():
    api = Api([_node("s1", server=True), _node("a1", cordoned=True)])
    order = {
        "target": NEW,
        "etcd": True,
        "hosts": {"s1": {"server": True, "installed": OLD, "active": True}},
    }
    found = upgrade_step.look(api, "", order)
    assert found["due"] == {"s1": OLD}
    assert found["cordoned"] == ["a1"]


def test_nodes_are_read_as_the_api_gives_them():
    found = read_nodes([_node("s1", server=True), _node("a1", ready=False)])
    assert found == {"s1": _server(), "a1": _agent(not_ready="gone")}


def test_servers_come_before_agents_and_a_node_that_fails_stops_the_rest():
    path = Path(__file__).resolve().parents[2] / "playbooks" / "upgrade.yml"
    plays = [play for play in yaml.safe_load(path.read_text(encoding="utf-8")) if "serial" in play]
    assert [play["hosts"] for play in plays] == ["k3s_server", "k3s_agent"]
    assert plays[0]["serial"] == 1
    # any_errors_fatal would stop the others of a batch too, cordoned as they are.
    assert [(play["max_fail_percentage"], "any_errors_fatal" in play) for play in plays] == [(0, False)] * 2

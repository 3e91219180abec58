"""When a node may leave its cluster, what stands on it, and what the cluster forgets."""

from __future__ import annotations

import pytest
import yaml
from fake_api import FakeApi, node, pod

from casa_install.cluster import leave as module
from casa_install.cluster.access import with_host
from casa_install.cluster.leave import check, delete, forget_kubeconfig, lead_elsewhere, look
from casa_install.cluster.nodes import leave_findings, leave_notes, quorum
from casa_install.errors import CasaError, ExitCode


def members(*states: bool) -> list[dict]:
    return [node(f"s{number}", member=True, ready=ready) for number, ready in enumerate(states, 1)]


@pytest.mark.parametrize(("count", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_quorum_is_more_than_half(count, needed):
    assert quorum(count) == needed


@pytest.mark.parametrize(
    ("nodes", "name", "said"),
    [
        ([*members(True), node("a1")], "a1", ""),
        ([*members(True), node("a1")], "s1", "s1 is the cluster's last server"),
        ([node("s1", server=True), node("s2", server=True)], "s1", ""),
        (members(True, True), "s2", ""),
        (members(True, False), "s2", "etcd has no quorum: 1 of its 2 members are Ready and 2 are needed"),
        (members(True, True, True), "s1", ""),
        (members(True, True, False), "s3", ""),
        (members(True, True, False), "s1", "2 members, of which 1 are Ready and 2 are needed"),
        (members(True, False, False), "s3", "1 of its 3 members are Ready and 2 are needed"),
        (members(True, True, True, False, False), "s5", ""),
        (members(True, True, True, False, False), "s1", "4 members, of which 2 are Ready and 3 are needed"),
        (members(True), "unknown", ""),
    ],
)
def test_node_leaves_only_where_the_cluster_goes_on(nodes, name, said):
    findings = leave_findings(nodes, name)
    assert bool(findings) is bool(said)
    assert not said or said in findings[0]


def test_who_is_missing_is_named():
    assert "Bring back s3, or remove it first" in leave_findings(members(True, True, False), "s1")[0]
    assert "Bring back s2, s3" in leave_findings(members(True, False, False), "s1")[0]


def test_what_the_cluster_bears_then_is_said():
    assert (
        "2 members then and bears the loss of none: 1 bear as many"
        in leave_notes(members(*[True] * 3), "s1")[0]
    )
    assert leave_notes(members(*[True] * 4), "s1") == ["etcd has 3 members then and bears the loss of 1."]
    assert leave_notes([*members(True), node("a1")], "a1") == []


def test_look_tells_what_stands_on_the_node():
    api = FakeApi(
        [*members(True), node("a1", ready=False)],
        [pod("web"), pod("mine", owner=""), pod("fluent", owner="DaemonSet"), pod("ended", phase="Failed")],
    )
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["a1"]}
    terms = {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}
    claim = {"namespace": "work", "name": "data"}
    api.volumes = [
        {"metadata": {"name": "pv1"}, "spec": {"nodeAffinity": terms, "claimRef": claim}},
        {"metadata": {"name": "pv2"}, "spec": {}},
    ]
    api.secrets = {"a1.node-password.k3s"}
    found = look(api, "a1")
    assert found["moves"] == ["work/web"]
    assert found["lost"] == ["work/mine"]
    assert found["stays"] == ["work/fluent"]
    assert found["volumes"] == ["work/data"]
    assert (found["role"], found["why"], found["password"]) == ("agent", "Kubelet stopped posting", True)
    assert (found["members"], found["findings"], found["notes"]) == (1, [], [])
    nobody = look(api, "a9")
    assert (nobody["exists"], nobody["password"], nobody["role"]) == (False, False, "")


def test_node_and_its_password_are_forgotten_and_nothing_else():
    api = FakeApi([*members(True, True, True), node("a1"), node("a2")])
    api.secrets = {"a1.node-password.k3s", "a2.node-password.k3s"}
    assert delete(api, "a1", 5) == ["deleted node a1", "deleted secret a1.node-password.k3s"]
    assert set(api.nodes) == {"s1", "s2", "s3", "a2"}
    assert api.secrets == {"a2.node-password.k3s"}
    assert delete(api, "a1", 5) == []


def test_forgetting_is_refused_again_where_the_cluster_would_stop():
    """Between the look and the deletion somebody may have lost another server."""
    api = FakeApi(members(True, True, False))
    with pytest.raises(CasaError, match="the cluster would stop"):
        delete(api, "s1", 5)
    assert set(api.nodes) == {"s1", "s2", "s3"}


def test_member_that_has_just_gone_counts_as_gone():
    """The cluster still calls it Ready, and the next server to leave would take the quorum along."""
    api = FakeApi([*members(True, True, True), node("a1")])
    assert look(api, "s2")["findings"] == []
    api.silent = {"s1", "a1"}
    for question in (lambda: check(api, "s2"), lambda: delete(api, "s2", 5)):
        with pytest.raises(CasaError, match="of which 1 are Ready and 2 are needed") as caught:
            question()
        assert "Bring back s1, or remove it first" in caught.value.message
    assert set(api.nodes) == {"s1", "s2", "s3", "a1"}
    assert look(api, "s2")["findings"] == [caught.value.message]
    assert "no route to host" in look(api, "s1")["why"]
    check(api, "s1")
    check(api, "a1")
    assert "no route to host" in look(api, "a1")["why"]
    api.silent = {"a1"}
    assert look(api, "s1")["findings"] == []


def test_api_that_is_away_while_a_member_leaves_is_waited_for(monkeypatch):
    """k3s on the server that stays starts anew when etcd has no leader for a moment."""
    from casa_install.health.kube_errors import KubeError

    api = FakeApi(members(True, True))
    api.secrets = {"s2.node-password.k3s"}
    get, away = api.get, [KubeError("closed the connection"), KubeError("no leader", status=503)]

    def unsteady(path, **query):
        if path == "/api/v1/nodes/s2" and away:
            raise away.pop()
        return get(path, **query)

    monkeypatch.setattr(api, "get", unsteady)
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    assert delete(api, "s2", 5) == ["deleted node s2", "deleted secret s2.node-password.k3s"]
    away.extend([KubeError("forbidden", status=403)])
    with pytest.raises(CasaError, match="forbidden"):
        module._wait_until_gone(api, "s2", 5)
    away.extend([KubeError("closed the connection")])
    assert module._wait_until_gone(api, "s2", 0) == "closed the connection"


def test_housekeeping_that_k3s_forgets_is_done_for_it_but_never_the_one_of_etcd(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    api = FakeApi(members(True, True, False))
    api.stuck = ["wrangler.cattle.io/node"]
    api.secrets = {"s3.node-password.k3s"}
    assert delete(api, "s3", 5) == ["deleted node s3", "deleted secret s3.node-password.k3s"]
    api = FakeApi(members(True, True, False))
    api.stuck = ["wrangler.cattle.io/managed-etcd-controller", "wrangler.cattle.io/node"]
    with pytest.raises(CasaError, match=r"managed-etcd-controller, wrangler\.cattle\.io/node did not"):
        delete(api, "s3", 0.2)
    assert ("patch", "/api/v1/nodes/s3") not in api.calls


def test_node_that_k3s_does_not_let_go_is_named_with_who_holds_it(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE", 0.01)
    api = FakeApi(members(True, True, False))
    api.stuck = ["wrangler.cattle.io/managed-etcd-controller"]
    api.secrets = {"s3.node-password.k3s"}
    with pytest.raises(CasaError, match=r"wrangler\.cattle\.io/managed-etcd-controller did not let it go"):
        delete(api, "s3", 0.05)
    assert api.secrets == {"s3.node-password.k3s"}


@pytest.mark.parametrize(
    ("server", "url"),
    [
        ("s2", "https://s2:6443"),
        ("s2:7443", "https://s2:7443"),
        ("10.0.0.2:7443", "https://10.0.0.2:7443"),
        ("fd00::2", "https://[fd00::2]:6443"),
        ("[fd00::2]:7443", "https://[fd00::2]:7443"),
    ],
)
def test_another_servers_address_takes_the_place_of_the_first(server, url):
    assert with_host("https://s1.example.org:6443", server) == url


def config(path, server: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority-data": "eA=="}}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o600)


def test_kubeconfig_that_leads_to_the_server_that_left_leads_to_another(tmp_path):
    path = tmp_path / "kubeconfig"
    config(path, "https://s1.example.org:6443")
    api = FakeApi([])
    api.server = "https://s2.example.org:6443"
    assert not lead_elsewhere(path, api, ["a1", "a1.example.org"])
    assert lead_elsewhere(path, api, ["s1", "s1.example.org"])
    assert "https://s2.example.org:6443" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_address_of_a_node_counts_as_its_name(tmp_path, monkeypatch, capsys):
    """A kubeconfig often leads to an address rather than to a name."""
    path = tmp_path / "kubeconfig"
    config(path, "https://10.0.2.1:6443")
    api = FakeApi(members(True, True, True))
    api.nodes["s1"]["status"]["addresses"] = [{"type": "InternalIP", "address": "10.0.2.1"}]
    api.server = "https://10.0.2.2:6443"
    monkeypatch.setattr(module, "open_cluster", lambda *_, **__: api)
    assert module.main(["delete", str(path), "s1", "--avoid=s1"]) == 0
    assert f"{path} leads to https://10.0.2.2:6443 now" in capsys.readouterr().out
    assert "https://10.0.2.2:6443" in path.read_text()


@pytest.mark.parametrize(
    ("fault", "removed"),
    [
        (CasaError("nobody there", exit_code=ExitCode.UNREACHABLE), True),
        (CasaError("401"), False),
        (CasaError("others can read it", exit_code=ExitCode.USAGE), False),
        (None, False),
    ],
)
def test_kubeconfig_goes_only_when_no_server_answers(tmp_path, monkeypatch, fault, removed):
    path = tmp_path / "kubeconfig"
    path.write_text("x")

    def opened(*_: object, **__: object) -> None:
        if fault:
            raise fault

    monkeypatch.setattr(module, "open_cluster", opened)
    assert forget_kubeconfig(path, ["s2:6443"]) is removed
    assert path.exists() is not removed
    assert forget_kubeconfig(tmp_path / "none", []) is False


def test_cluster_is_reached_through_a_server_that_stays_and_answers(tmp_path, monkeypatch):
    from casa_install.cluster.access import open_cluster
    from casa_install.health import kube_api
    from casa_install.health.kube_errors import KubeError

    asked: list[str] = []

    class Api:
        def __init__(self, kubeconfig):
            self.server = kubeconfig.server
            assert kubeconfig.content["clusters"][0]["cluster"]["server"] == self.server

        def text(self, _):
            asked.append(self.server)
            if "s2" in self.server:
                raise KubeError("s2 cannot be reached")
            return "ok"

    monkeypatch.setattr(kube_api, "KubeApi", Api)
    path = tmp_path / "kubeconfig"
    config(path, "https://s1:6443")
    api = open_cluster(path, servers=["s1:6443", "s2:6443", "s3:6443"], avoid=["s1", "s1.example.org"])
    assert (api.server, asked) == ("https://s3:6443", ["https://s2:6443", "https://s3:6443"])
    with pytest.raises(CasaError, match="the one that is not to be used"):
        open_cluster(path, avoid=["s1"])
    with pytest.raises(CasaError, match=r"No server of the cluster answers: s2 cannot"):
        open_cluster(path, servers=["s2:6443"], avoid=["s1"])
    path.chmod(0o644)
    with pytest.raises(CasaError, match="0644"):
        open_cluster(path)
    with pytest.raises(CasaError, match="There is no kubeconfig"):
        open_cluster(tmp_path / "none")

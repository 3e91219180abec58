"""The status of a k3s cluster, from what real hosts said (k3s 1.21.3), some changed to what must be found."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kube_server import kubeconfig, make_certificate

from casa_install.health.k3s import Cluster, read_cluster
from casa_install.health.k3s_findings import find_in_cluster
from casa_install.report.k3s import cluster_json, cluster_text

ANSWERS = Path(__file__).with_name("answers")
KINDS = {"s1": "server", "a1": "agent"}
Said = dict[str, dict[str, Any]]
Program = Callable[[str], ModuleType]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def said() -> Said:
    return {host: json.loads((ANSWERS / f"status-k3s-{host}.json").read_text()) for host in KINDS}


def _cluster(said: Said, lost: dict[str, str] | None = None) -> Cluster:
    cluster = read_cluster(said, KINDS, lost or {}, said.get("s1", {"k3s": {"time": 0}})["k3s"]["time"])
    assert cluster is not None
    return cluster


def _found(said: Said, lost: dict[str, str] | None = None) -> list[tuple[str, str]]:
    return [(each.where, each.what) for each in find_in_cluster(_cluster(said, lost))]


def test_a_site_without_k3s_has_none() -> None:
    assert read_cluster({}, {}, {}, 0) is None
    assert cluster_text(None) == ""
    assert cluster_json(None) == {}
    assert find_in_cluster(None) == []


def test_a_good_cluster_is_one_line(said: Said) -> None:
    assert _found(said) == []
    lines = cluster_text(_cluster(said)).splitlines()
    assert lines[0] == "k3s cluster"
    assert [cell.strip() for cell in lines[2].split("  ") if cell.strip()] == [
        "2 of 2",
        "v1.21.3+k3s1",
        "1 of 1",
        "1 of 1",
        "365",
        "-",
        "none",
    ]


def test_programs_get_hosts_and_nodes_by_name(said: Said) -> None:
    document = cluster_json(_cluster(said))
    assert document["hosts"]["s1"]["etcd_healthy"] is True
    assert document["nodes"]["a1.lab.test"] == {
        "ready": True,
        "reason": "",
        "since": "2026-11-27T19:28:14Z",
        "version": "v1.21.3+k3s1",
        "roles": (),
        "cordoned": False,
    }
    assert document["others"] == ()
    json.dumps(document)


@pytest.mark.parametrize(
    ("host", "path", "value", "found"),
    [
        (
            "a1",
            "unit.state",
            "activating",
            "k3s-agent.service is activating: the server refuses the token (401)",
        ),
        ("s1", "running", "v1.20.9+k3s1", "k3s v1.21.3+k3s1 is installed, and v1.20.9+k3s1 still runs"),
        ("s1", "api.ready", False, "its API is not ready: it answers 500, failed: etcd"),
        ("s1", "etcd.healthy", False, "its part of etcd is not healthy: Connection refused"),
        (
            "s1",
            "etcd.bytes",
            2_000_000_000,
            "etcd has used 93% of its quota, beyond which it takes no writes",
        ),
        ("s1", "served", 1795808991 + 86400 * 5, "its certificate ends in 5 days (what the API shows)"),
        ("s1", "snapshot.time", 1795808991 - 3600 * 72, "the newest snapshot of etcd is 72 hours old"),
        (
            "s1",
            "unit.since",
            1795808991 - 3600 * 72,
            "k3s has run for 72 hours and made no snapshot of etcd",
        ),
        ("s1", "drift", [{"path": "/x", "what": "is gone"}], "/x is gone"),
    ],
)
def test_what_is_wrong_is_found(said: Said, host: str, path: str, value: Any, found: str) -> None:
    one = said[host]["k3s"]
    # What a host says only beside the fault.
    one["fatal"] = "the server refuses the token (401)" if path == "unit.state" else ""
    if path == "api.ready":
        one["api"]["fault"] = "it answers 500, failed: etcd"
    if path == "etcd.healthy":
        one["etcd"]["fault"] = "Connection refused"
    if path == "snapshot.time":
        one["snapshot"] = {"name": "x", "bytes": 1}
    *above, last = path.split(".")
    for each in above:
        one = one[each]
    one[last] = value
    assert _found(said) == [(host, found)]


def test_an_old_certificate_is_named(said: Said) -> None:
    said["a1"]["k3s"]["certificates"]["agent/client-kubelet.crt"] = said["a1"]["k3s"]["time"] - 10
    assert _found(said) == [("a1", "its certificate has ended (agent/client-kubelet.crt)")]


def test_snapshots_that_are_off_are_not_missed(said: Said) -> None:
    said["s1"]["k3s"] |= {"snapshots": False}
    said["s1"]["k3s"]["unit"]["since"] -= 3600 * 72
    assert _found(said) == []


def test_a_node_that_is_not_ready(said: Said) -> None:
    node = said["s1"]["k3s"]["nodes"]["items"][0]
    node["status"]["conditions"][0] |= {
        "status": "Unknown",
        "message": "Kubelet is silent.",
    }
    expected = "its node is not ready since 2026-11-27T19:28:14Z: Kubelet is silent."
    assert _found(said) == [("a1", expected)]
    assert "1 of 2" in cluster_text(_cluster(said))


def test_a_host_that_did_not_join(said: Said) -> None:
    del said["s1"]["k3s"]["nodes"]["items"][0]
    assert _found(said) == [("a1", "the cluster has no node a1.lab.test")]


def test_nodes_that_nobody_knows_and_cordoned_ones_are_notes(said: Said) -> None:
    items = said["s1"]["k3s"]["nodes"]["items"]
    items[0]["spec"]["unschedulable"] = True
    items.append({"metadata": {"name": "old.lab.test"}, "status": {}})
    text = cluster_text(_cluster(said))
    assert "cordoned, so that no new pods come: a1.lab.test" in text
    assert "in the cluster and not in the inventory: old.lab.test" in text
    assert _found(said) == []


def test_a_host_that_cannot_be_reached_is_known_by_its_name(said: Said) -> None:
    del said["a1"]
    cluster = _cluster(said, {"a1": "it cannot be reached over SSH"})
    assert cluster.others == ()
    assert _found(said, {"a1": "it cannot be reached over SSH"}) == [
        ("a1", "could not be asked about its k3s: it cannot be reached over SSH")
    ]


def test_no_server_answers(said: Said) -> None:
    said["s1"]["k3s"]["nodes"] = {"fault": "Connection refused", "items": []}
    assert _found(said) == [("cluster", "no API answers: s1: Connection refused")]
    assert "?" in cluster_text(_cluster(said))


def test_a_host_without_k3s(said: Said) -> None:
    said["a1"]["k3s"] = {"kind": "agent", "installed": False, "node": "a1.lab.test", "time": 0} | {
        "unit": {"state": "inactive"},
        "wanted": said["a1"]["k3s"]["wanted"],
    }
    assert ("a1", "could not be asked about its k3s: no k3s is installed there") in _found(said)


def _put_kubeconfig(home: Path, days: float) -> Path:
    path = home / "casa-install/k3s/K3s_proof/kubeconfig"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o600)
    own = make_certificate("admin", days=days)
    path.write_text(kubeconfig("https://s1:6443", own, own))
    return path


def test_days_of_the_kubeconfig_here(said: Said, home: Path) -> None:
    _put_kubeconfig(home, 9.2)
    cluster = read_cluster(said, KINDS, {}, time.time())
    assert cluster is not None
    assert cluster.kubeconfig_days == pytest.approx(9.2, abs=0.1)
    found = [each.what for each in find_in_cluster(cluster) if each.where == "cluster"]
    assert found == ["the certificate of the kubeconfig here ends in 9 days"]


def test_a_kubeconfig_that_others_can_use_is_found(said: Said, home: Path) -> None:
    path = _put_kubeconfig(home, 100)
    path.chmod(0o644)
    (where, what), *rest = _found(said)
    assert (where, rest) == ("cluster", [])
    assert "has the mode 0644, so others can use it" in what
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_when_a_certificate_ends_is_read_without_help(program: Program) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    ends = program("ask-k3s").ends
    for days in (1, 365, 365 * 40):  # from 2050 on times are written in another form
        certificate = x509.load_pem_x509_certificate(make_certificate("x", days=days).pem)
        expected = int(certificate.not_valid_after_utc.timestamp())
        assert ends(certificate.public_bytes(Encoding.DER)) == expected


def test_the_last_configuration_wins(program: Program, tmp_path: Path) -> None:
    ask = program("ask-k3s")
    ask.CONFIG = tmp_path
    (tmp_path / "config.yaml.d").mkdir()
    (tmp_path / "config.yaml").write_text(
        "token: 'x'\nnode-name: \"n1\"\ndisable-network-policy: true\ntls-san:\n- a\n# no: thing\n"
    )
    (tmp_path / "config.yaml.d/10.yaml").write_text("https-listen-port: 7443\nnode-name: n2\n")
    found = ask.settings()
    assert found["node-name"] == "n2"
    assert found["disable-network-policy"] == "true"
    assert ask.port() == 7443


def test_a_reason_to_end_shows_no_token(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = program("ask-k3s")
    lines = (
        'time="x" level=info msg="fine"\n'
        'time="x" level=fatal msg="token K10abc0123::server:hunter2 is \\"wrong\\""\n'
        "k3s.service: Failed"
    )
    monkeypatch.setattr(ask, "run", lambda *_: (0, lines, ""))
    assert ask.fatal("k3s.service") == 'token K10... is "wrong"'


def test_authorities_are_not_among_the_certificates(program: Program, tmp_path: Path) -> None:
    ask = program("ask-k3s")
    ask.DATA, ask.TLS = tmp_path, tmp_path / "server/tls"
    (tmp_path / "server/tls/etcd").mkdir(parents=True)
    (tmp_path / "agent").mkdir()
    pem = make_certificate("x").pem
    for name in ("server/tls/server-ca.crt", "server/tls/client-admin.crt", "agent/client-kubelet.crt"):
        (tmp_path / name).write_bytes(pem)
    (tmp_path / "agent/broken.crt").write_text("no certificate")
    assert set(ask.certificates()) == {"server/tls/client-admin.crt", "agent/client-kubelet.crt"}

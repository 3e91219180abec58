"""What a site sets for its cluster and what cannot work in it; no secret is ever in a finding."""

from __future__ import annotations

from typing import Any

import pytest

from casa_install.cluster.settings import setting_findings, setting_warnings
from casa_install.cluster.tokens import token_findings

TOKEN, AGENT_TOKEN = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
GOOD: dict[str, Any] = {
    "version": "v1.34.2+k3s1",
    "token": TOKEN,
    "agent_token": AGENT_TOKEN,
    "server_hosts": ["s1"],
    "agent_hosts": ["a1"],
    "api": "s1.example.edu:6443",
}


def findings(**changed: Any) -> list[str]:
    return setting_findings({**GOOD, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"server_hosts": ["s1", "s2", "s3"]},
        {"server_hosts": ["s1", "s2"], "datastore_endpoint": "postgres://db"},
        {"datastore": "sqlite"},
        {"api": "192.0.2.1"},
        {"api": "[2001:db8::1]:6443"},
        {"tls_sans": ["192.0.2.1", "*.example.edu"]},
        {"node_labels": {"example.edu/rack": "7", "node.kubernetes.io/pool": "gpu", "plain": ""}},
        {"node_taints": ["example.edu/gpu=a100:NoSchedule", "gpu:NoExecute"]},
        {"disable": ["traefik", "our-own-manifest"]},
        {"config": {"etcd-snapshot-retention": 9, "kube-apiserver-arg": ["v=2"], "embedded-registry": True}},
        {"kubelet_args": ["max-pods=50", "--v=2"]},
        {"shared": False, "kubelet_args": ["system-reserved=cpu=1"]},
        {"http_proxy": "http://proxy.example.edu:3128", "https_proxy": "http://u:p@proxy:3128/"},
        {"version": "v1.35.0+k3s1", "cgroup": "cgroup2fs"},
        {"version": "v1.34.2+k3s1", "cgroup": "tmpfs"},
        {"version": "v1.35.0+k3s1", "cgroup": "tmpfs", "kubelet_args": ["fail-cgroupv1=false"]},
    ],
)
def test_settings_that_work(changed: dict[str, Any]) -> None:
    assert findings(**changed) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"version": "stable"}, "k3s_version: `stable` is not a release such as `v1.34.2+k3s1`"),
        (
            {"server_hosts": ["s1", "s2"]},
            "2 servers lose etcd's quorum with one of them, and 1 would do as well: put 1, 3 or 5 hosts into "
            "k3s_server",
        ),
        (
            {"server_hosts": ["s1", "s2", "s3", "s4"]},
            "4 servers lose etcd's quorum with 2 of them, and 3 would",
        ),
        ({"server_hosts": ["s1", "s2", "s3"], "datastore": "sqlite"}, "they would be 3 clusters; use `etcd`"),
        ({"agent_hosts": ["s1"]}, "s1 is in k3s_server and in k3s_agent: a server runs pods too"),
        ({"api": "https://s1:6443"}, "k3s_api_address: `https://s1:6443` must be a name or an address"),
        ({"api": "s_1"}, "k3s_api_address: `s_1` is neither a name nor an address"),
        ({"tls_sans": ["a b"]}, "k3s_tls_sans: `a b` is neither a name nor an address"),
        ({"cluster_domain": "t3_local"}, "k3s_cluster_domain: `t3_local` is no DNS domain"),
        ({"node_labels": {"a b": "c"}}, "k3s_node_labels: `a b` is no name such as `example.edu/disk`"),
        ({"node_labels": {"a": "b c"}}, "k3s_node_labels: `a` has the value `b c`"),
        (
            {"node_labels": {"node-role.kubernetes.io/gpu": "true"}},
            "a node may not give itself `node-role.kube",
        ),
        ({"node_taints": ["gpu"]}, "k3s_node_taints: `gpu` must be `name=value:effect`"),
        ({"node_taints": ["gpu=a:Never"]}, "with the effect NoSchedule, PreferNoSchedule or NoExecute"),
        ({"flannel_backend": "wireguard"}, "k3s v1.34.2+k3s1 has no `wireguard`: use wireguard-native"),
        ({"disable": ["treafik"]}, "k3s_disable: k3s has no `treafik`, did you mean `traefik`?"),
        ({"config": {"token": "x"}}, "k3s_config: `token` is written by the role: set k3s_token"),
        ({"config": {"tls-san+": ["x"]}}, "k3s_config: `tls-san+` is written by the role: set k3s_tls_sans"),
        ({"config": {"cluster-init": True}}, "`cluster-init` is written by the role: set k3s_datastore, and"),
        ({"config": {"data-dir": "/x"}}, "`data-dir` is written by the role: it belongs to the role"),
        ({"config": {"kubelet-arg": ["v=2"]}}, "`kubelet-arg` is written by the role: set k3s_kubelet_args"),
        ({"config": {"debug+": True}}, "k3s_config: write `debug` for `debug+`"),
        ({"config": {"node-labels": ["a=b"]}}, "k3s has no `node-labels`, did you mean `node-label`?"),
        (
            {"config": {"etcd-arg": {"a": "b"}}},
            "`etcd-arg` must be a text, a number, true or false, or a list",
        ),
        (
            {"version": "v1.21.3+k3s1", "config": {"embedded-registry": True}},
            "k3s v1.21.3+k3s1 has no `embedded-registry`",
        ),
        ({"kubelet_args": ["max pods"]}, "k3s_kubelet_args: `max pods` is not `name=value`"),
        (
            {"kubelet_args": ["system-reserved=cpu=1"], "shared": True},
            "`system-reserved` is worked out on a host that jobs use too",
        ),
        ({"kubelet_args": ["node-labels=a=b"]}, "set k3s_node_labels in place of `node-labels`"),
        ({"http_proxy": "proxy:3128"}, "k3s_http_proxy is no address of a proxy"),
        ({"version": "v1.35.0+k3s1", "cgroup": "tmpfs"}, "this host has cgroup v1, under which the kubelet"),
    ],
)
def test_settings_that_cannot_work(changed: dict[str, Any], expected: str) -> None:
    found = findings(**changed)
    assert len(found) == 1, found
    assert expected in found[0]


def test_all_findings_come_at_once() -> None:
    found = findings(
        version="x", server_hosts=["s1", "s2"], agent_token="", http_proxy="p", disable=["coredn"]
    )
    assert len(found) == 5


@pytest.mark.parametrize(
    ("token", "agent_token", "servers", "expected"),
    [
        (TOKEN, AGENT_TOKEN, ["s1"], []),
        ("", AGENT_TOKEN, [], []),
        ("", AGENT_TOKEN, ["s1"], ["k3s_token is not set"]),
        (TOKEN, "", ["s1"], ["k3s_agent_token is not set"]),
        (TOKEN, TOKEN, ["s1"], ["k3s_agent_token equals k3s_token"]),
        ("hunter2", AGENT_TOKEN, ["s1"], ["k3s_token has 7 characters and needs 20"]),
        ("a" * 40, AGENT_TOKEN, ["s1"], ["k3s_token has 1 different characters only"]),
        (TOKEN + "\n", AGENT_TOKEN, ["s1"], ["k3s_token has blanks or line ends in it"]),
        (
            f"K10{'0' * 64}::server:{TOKEN}",
            AGENT_TOKEN,
            ["s1"],
            ["k3s_token holds the digest of a cluster's"],
        ),
        # Agents of somebody else's cluster may name its authority.
        ("", f"K10{'0' * 64}::node:{AGENT_TOKEN}", [], []),
    ],
)
def test_tokens(token: str, agent_token: str, servers: list[str], expected: list[str]) -> None:
    found = token_findings(token, agent_token, servers, ["a1"])
    assert len(found) == len(expected)
    assert all(text in one for text, one in zip(expected, found, strict=True))
    assert not any(secret in text for text in found for secret in (token, agent_token) if secret)


def test_no_host_needs_no_token() -> None:
    assert token_findings("", "", [], []) == []


def test_a_proxy_s_password_is_in_no_finding() -> None:
    assert "secret" not in str(findings(http_proxy="ftp://user:secret@proxy"))


def test_what_works_and_should_be_known() -> None:
    assert setting_warnings(GOOD) == []
    old = setting_warnings({**GOOD, "version": "v1.21.3+k3s1", "hardening": True})
    assert "has no Pod Security Admission" in old[0]
    assert "no node is Ready until" in setting_warnings({**GOOD, "flannel_backend": "none"})[0]

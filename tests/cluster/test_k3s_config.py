"""Every node's config.yaml for a table of inventories. `CASA_GOLDEN=write` writes the golden files anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from casa_install.cluster.arguments import argument_name, merged
from casa_install.cluster.config import (
    AGENT_TOKEN_FILE,
    TOKEN_FILE,
    api_host,
    api_url,
    environment,
    hardening_table,
    node_config,
)
from casa_install.cluster.keys import keys, owner
from casa_install.cluster.versions import critical_keys, is_for_servers

GOLDEN = Path(__file__).with_name("golden")
NEW, OLD = "v1.34.2+k3s1", "v1.21.3+k3s1"
THREE = ["s1.example.edu", "s2.example.edu", "s3.example.edu"]

# Servers, agents, what the site sets for all, and for one host.
CASES: dict[str, tuple[list[str], list[str], dict[str, Any], dict[str, dict[str, Any]]]] = {
    "one_server": (THREE[:1], [], {}, {}),
    "server_and_agent": (THREE[:1], ["a1.example.edu"], {"disable": ["servicelb"]}, {}),
    "three_servers": (
        THREE,
        ["a1.example.edu"],
        {
            "api": "k3s.example.edu",
            "tls_sans": ["192.0.2.10", "s1.example.edu"],
            "cluster_domain": "t3.local",
        },
        {},
    ),
    "external_datastore": (
        THREE[:2],
        [],
        {"datastore_endpoint": "postgres://k3s@db.example.edu:5432/k3s?sslmode=verify-full"},
        {},
    ),
    "dual_stack": (
        THREE[:1],
        ["a1.example.edu"],
        {
            "cluster_cidr": "10.42.0.0/16, 2001:db8:42::/56",
            "service_cidr": ["10.43.0.0/16", "2001:db8:43::/112"],
            "cluster_dns": "10.43.0.53",
            "flannel_backend": "wireguard-native",
            "config": {"flannel-ipv6-masq": True},
        },
        {
            "s1.example.edu": {"node_ip": "192.0.2.1,2001:db8::1"},
            "a1.example.edu": {"node_ip": ["192.0.2.2", "2001:db8::2"]},
        },
    ),
    "hardening": (
        THREE[:1],
        ["a1.example.edu"],
        {
            "hardening": True,
            "selinux": True,
            "kubelet_args": ["streaming-connection-idle-timeout=1h", "max-pods=50"],
            "config": {
                "kube-apiserver-arg": ["enable-admission-plugins=AlwaysPullImages", "v=2"],
                "debug": True,
            },
        },
        {},
    ),
    "hardening_before_1_25": (THREE[:1], ["a1.example.edu"], {"hardening": True, "version": OLD}, {}),
    "proxies": (
        THREE[:1],
        ["a1.example.edu"],
        {
            "http_proxy": "http://proxy.example.edu:3128",
            "https_proxy": "http://proxy.example.edu:3128",
            "no_proxy": ["192.0.2.0/24"],
        },
        {},
    ),
    "shared_host": (
        THREE[:1],
        ["ep1.example.edu"],
        {},
        {
            "ep1.example.edu": {
                "reservations": [
                    "kube-reserved=cpu=200m,memory=512Mi",
                    "system-reserved=cpu=23800m,memory=96Gi",
                ]
            }
        },
    ),
    "labels_and_taints": (
        THREE[:1],
        ["gpu1.example.edu"],
        {"node_labels": {"example.edu/site": "t3"}},
        {
            "gpu1.example.edu": {
                "node_labels": {"example.edu/site": "t3", "example.edu/gpu": "a100"},
                "node_taints": ["example.edu/gpu=a100:NoSchedule"],
            }
        },
    ),
}


def options_of(case: str, host: str) -> dict[str, Any]:
    servers, _, for_all, for_host = CASES[case]
    node: dict[str, Any] = {
        "kind": "server" if host in servers else "agent",
        "node_name": host.partition(".")[0],
        "servers": servers,
        "api": f"{servers[0]}:6443",
        "version": NEW,
    }
    return {**node, **for_all, **for_host.get(host, {})}


def rendered(case: str) -> dict[str, dict[str, Any]]:
    """Of each host its configuration and its unit's variables."""
    servers, agents, _, _ = CASES[case]
    result: dict[str, dict[str, Any]] = {}
    for host in [*servers, *agents]:
        options = options_of(case, host)
        result[host] = {
            "config": node_config(options),
            "environment": environment(options, [*servers, *agents]),
        }
    return result


@pytest.mark.parametrize("case", CASES)
def test_the_configuration_changes_on_purpose_only(case: str) -> None:
    text = yaml.safe_dump(rendered(case), sort_keys=False, width=10**6)
    path = GOLDEN / f"{case}.yml"
    if os.environ.get("CASA_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_golden_file_has_its_case() -> None:
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted(CASES)


@pytest.mark.parametrize("case", CASES)
def test_agents_never_see_the_server_s_token(case: str) -> None:
    servers = CASES[case][0]
    nodes = rendered(case)
    for host, node in nodes.items():
        assert "cluster-init" not in node["config"]
        assert "token" not in node["config"]
        assert "agent-token" not in node["config"]
        if host in servers:
            assert node["config"]["token-file"] == TOKEN_FILE
            assert node["config"]["agent-token-file"] == AGENT_TOKEN_FILE
            assert "server" not in node["config"]
        else:
            assert node["config"]["token-file"] == AGENT_TOKEN_FILE
            assert TOKEN_FILE not in node["config"].values()


@pytest.mark.parametrize("case", CASES)
def test_what_must_be_equal_on_all_servers_is(case: str) -> None:
    nodes = rendered(case)
    equal = [
        {key: value for key, value in nodes[host]["config"].items() if key in critical_keys()}
        for host in CASES[case][0]
    ]
    assert all(one == equal[0] for one in equal)


def test_the_order_of_keys_does_not_follow_from_the_order_of_settings() -> None:
    options = options_of("hardening", THREE[0])
    first, second = node_config(options), node_config(dict(reversed(options.items())))
    assert list(first) == list(second)
    assert first == second


def test_an_agent_gets_no_key_that_it_would_not_start_with() -> None:
    assert is_for_servers("etcd-snapshot-retention")
    assert not is_for_servers("node-label")
    for case in CASES:
        for host, node in rendered(case).items():
            if host in CASES[case][1]:
                assert not any(is_for_servers(key) for key in node["config"])


def test_without_a_proxy_the_unit_has_no_variables() -> None:
    assert environment({"no_proxy": ["192.0.2.0/24"]}) == {}


@pytest.mark.parametrize(
    ("api", "host", "url"),
    [
        ("k3s.example.edu", "k3s.example.edu", "https://k3s.example.edu:6443"),
        ("k3s.example.edu:443", "k3s.example.edu", "https://k3s.example.edu:443"),
        ("192.0.2.1", "192.0.2.1", "https://192.0.2.1:6443"),
        ("2001:db8::1", "2001:db8::1", "https://[2001:db8::1]:6443"),
        ("[2001:db8::1]", "2001:db8::1", "https://[2001:db8::1]:6443"),
        ("[2001:db8::1]:443", "2001:db8::1", "https://[2001:db8::1]:443"),
    ],
)
def test_the_address_of_the_api(api: str, host: str, url: str) -> None:
    assert (api_host(api), api_url(api)) == (host, url)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([["a=1"], ["a=2"]], ["a=2"]),
        ([["a=1", "b=1"], ["--b=2"], ["c"]], ["a=1", "b=2", "c"]),
        ([["x=1", "x=2"], ["y=1"]], ["x=1", "x=2", "y=1"]),
        (
            [["feature-gates=A=true,B=true"], ["feature-gates=C=true,A=true"]],
            ["feature-gates=A=true,B=true,C=true"],
        ),
        (
            [["enable-admission-plugins=NodeRestriction"], ["enable-admission-plugins="]],
            ["enable-admission-plugins=NodeRestriction"],
        ),
        ([[], []], []),
    ],
)
def test_arguments_are_merged_by_name(parts: list[list[str]], expected: list[str]) -> None:
    assert merged(*parts) == expected
    assert argument_name("--feature-gates+=A=true") == "feature-gates"


def test_the_tables_are_whole() -> None:
    for parts in hardening_table().values():
        assert all("from" in part and len(part) > 1 for part in parts)
    for key, rule in keys().items():
        assert set(rule) <= {"owner", "change", "agent", "added", "default", "why"}, key
        assert rule.get("change", "restart") == "restart" or rule["why"], key
    # That one is settled on the host, by join.py.
    written = {"cluster-init"}
    written |= {key for case in CASES for node in rendered(case).values() for key in node["config"]}
    free = {"debug", "node-ip", "flannel-ipv6-masq", "kube-apiserver-arg", "kube-controller-manager-arg"}
    assert [key for key in sorted(written - free) if not owner(key)] == []

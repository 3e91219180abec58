"""What a node's firewall lets in, and from whom."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from casa_install.cluster.firewall import firewalld_parts, ufw_rules
from casa_install.cluster.ports import openings, pod_interfaces, pod_sources

if TYPE_CHECKING:
    from pathlib import Path

PEERS = {"s1": ["192.0.2.1"], "s2": ["192.0.2.2"], "a1": ["192.0.2.9", "2001:db8::9", "fe80::9", "127.0.1.1"]}
SERVER = {
    "kind": "server",
    "flannel_backend": "vxlan",
    "cluster_cidr": "10.42.0.0/16",
    "embedded": True,
    "config": {},
    "servers": ["s1", "s2"],
}


def opened(**changes: Any) -> dict[str, tuple[str, ...]]:
    """Protocol, port and who -> sources."""
    found = openings({**SERVER, **changes}, PEERS)
    return {f"{item.protocol} {item.port} {item.who}": item.sources for item in found}


def test_only_nodes_reach_a_node_and_only_servers_its_datastore() -> None:
    nodes = ("192.0.2.1/32", "192.0.2.2/32", "192.0.2.9/32", "2001:db8::9/128")
    assert opened() == {
        "tcp 6443 nodes": nodes,
        "tcp 10250 nodes": nodes,
        "tcp 2379-2380 servers": ("192.0.2.1/32", "192.0.2.2/32"),
        "udp 8472 nodes": nodes,
    }


@pytest.mark.parametrize(
    ("changes", "more", "less"),
    [
        ({"kind": "agent"}, set(), {"tcp 6443 nodes", "tcp 2379-2380 servers"}),
        ({"embedded": False}, set(), {"tcp 2379-2380 servers"}),
        (
            {"flannel_backend": "wireguard-native"},
            {"udp 51820 nodes", "udp 51821 nodes"},
            {"udp 8472 nodes"},
        ),
        ({"flannel_backend": "host-gw"}, set(), {"udp 8472 nodes"}),
        ({"config": {"embedded-registry": True}}, {"tcp 5001 nodes"}, set()),
        ({"api_networks": ["198.51.100.0/24"]}, {"tcp 6443 admins"}, set()),
        ({"api_port": 7443}, {"tcp 7443 nodes"}, {"tcp 6443 nodes"}),
    ],
)
def test_a_port_is_open_where_something_needs_it(
    changes: dict[str, Any], more: set[str], less: set[str]
) -> None:
    assert set(opened(**changes)) == (set(opened()) | more) - less


def test_the_sites_networks_win_over_names() -> None:
    assert set(opened(node_networks=["192.0.2.0/25", "192.0.2.128/25"]).values()) == {("192.0.2.0/24",)}


def test_nobody_is_let_in_where_nobody_is_known() -> None:
    assert openings(SERVER, {"s1": ["127.0.1.1", "fe80::1%eth0", "nonsense"]}) == []


def test_packets_of_pods_are_known_by_their_interface_or_else_by_their_address() -> None:
    assert pod_interfaces("vxlan") == ["cni0", "flannel.1", "flannel-v6.1"]
    assert pod_sources(SERVER) == []
    assert pod_sources({**SERVER, "flannel_backend": "host-gw"}) == ["10.42.0.0/16"]


def test_firewalld_has_no_set_that_holds_everybody() -> None:
    parts = firewalld_parts(openings({**SERVER, "api_networks": ["0.0.0.0/0", "2001:db8::/32"]}, {}))
    assert [item["name"] for item in parts["ipsets"]] == ["casa-k3s-admins6"]
    assert [(rule["family"], rule["ipset"]) for rule in parts["rules"]] == [
        ("ipv4", ""),
        ("ipv6", "casa-k3s-admins6"),
    ]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("backend", ["vxlan", "host-gw", "wireguard-native", "none"])
def test_iptables_takes_the_rules_after_those_of_ufw(backend: str, family: int, tmp_path: Path) -> None:
    program = shutil.which("iptables-restore" if family == 4 else "ip6tables-restore")
    if program is None or os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and iptables")
    options = {
        **SERVER,
        "flannel_backend": backend,
        "cluster_cidr": "10.42.0.0/16,fd42::/56",
        "api_networks": ["0.0.0.0/0", "::/0"],
    }
    chain = "ufw" if family == 4 else "ufw6"
    first = f"*filter\n:{chain}-before-input - [0:0]\n:{chain}-before-forward - [0:0]\nCOMMIT\n"
    ours = ufw_rules(openings(options, PEERS), options, family)
    (tmp_path / "rules").write_text(f"{first}# BEGIN\n{ours}\n# END\n", encoding="ascii")
    listed = program.replace("-restore", "-save")
    # A network of its own, which ends with the command.
    script = f'{program} --noflush < "$1" && {listed} -t filter'
    done = subprocess.run(
        [shutil.which("unshare") or "", "--net", "sh", "-c", script, "sh", str(tmp_path / "rules")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wanted = [line for line in ours.splitlines() if line.startswith("-A")]
    assert len([line for line in done.stdout.splitlines() if line.startswith("-A")]) == len(wanted)
    assert f"-A {chain}-before-forward" in done.stdout


def test_without_a_pod_or_a_node_of_a_family_there_is_nothing_for_it() -> None:
    assert ufw_rules(openings({**SERVER, "node_networks": ["192.0.2.0/24"]}, {}), SERVER, 6) == ""

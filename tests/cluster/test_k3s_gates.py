"""What a host says before k3s comes to it, and what is refused: what was found, and how to mend it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from casa_install.cluster.gates import failed_gates, gate_report
from casa_install.cluster.host_notes import host_notes
from casa_install.cluster.look import read_look
from tests.k3s.rendering import lines

LOOK = Path(__file__).resolve().parents[2] / "roles" / "k3s" / "files" / "look.sh"
NEW = {"version": "v1.36.2+k3s1"}
DUAL = {"cluster_cidr": "10.42.0.0/16,fd42:10::/56"}
V1 = lines("cgroup\ttmpfs\tcpuset cpu cpuacct memory pids", without=("cgroup",))
TIMER = lines("unit\tnm-cloud-setup.timer\tinactive\tenabled")
SERVER = lines("ours\tyes", "unit\tk3s.service\tactive\tenabled")
NFTABLES = lines("unit\tnftables.service\tactive\tenabled")
UFW = lines("ufw\tactive", "peer\ta2.t3.example.edu\t")
SERVED = lines("port\ttcp\t443\tnginx")


@pytest.mark.parametrize(
    ("gate", "found", "options", "message"),
    [
        ("cpus", lines("cpus\t1"), {}, "the host has 1 CPU"),
        ("memory", lines("memory\t1500000"), {}, "1536 MB of memory"),
        ("cgroup", V1, NEW, "cgroup v2: the kubelet of v1.36.2+k3s1 refuses v1"),
        ("controllers", lines("cgroup\tcgroup2fs\tcpuset cpu io pids"), {}, "controller for memory"),
        ("controllers", lines("cgroup\tcgroup2fs\t"), {}, "for cpu, cpuset, memory, pids"),
        ("route", lines(without=("route",)), {}, "no default route"),
        ("router_advertisements", lines("route\teth1\t1"), DUAL, "net.ipv6.conf.eth1.accept_ra = 2"),
        ("nm_cloud_setup", TIMER, {}, "nm-cloud-setup.timer"),
        ("iptables", lines("iptables\tiptables v1.8.2 (nf_tables)"), {}, "prefer-bundled-bin: true"),
        ("modules", lines("module\tvxlan\tmissing"), {}, "dnf install kernel-modules-extra"),
        ("filesystem", lines("disk\tnfs\t\t90000000\t80000000"), {}, "is on nfs"),
        ("filesystem", lines("disk\tzfs\t\t90000000\t80000000"), {}, "set `snapshotter` in k3s_config"),
        ("filesystem", lines("disk\txfs\tftype=0\t90000000\t80000000"), {}, "xfs made with ftype=0"),
        ("disk", lines("disk\txfs\tftype=1\t20000000\t1000000"), {}, "1024 MB are free"),
        ("disk", lines("disk\txfs\tftype=1\t1000000000\t40000000"), {}, "5 % of the file system"),
        ("foreign", lines("unit\tkubelet.service\tactive\tenabled"), {}, "a Kubernetes of kubeadm"),
        ("foreign", lines("unit\trke2-agent.service\tinactive\tenabled"), {}, "RKE2"),
        ("foreign", lines("unit\tk3s.service\tactive\tenabled"), {}, "set k3s_adopt_kubeconfig"),
        ("kind", SERVER, {"kind": "agent"}, "casa-install node remove"),
        ("ports", lines("port\ttcp\t10250\tkubelet", "port\ttcp\t2379\tetcd"), {}, "2379 (etcd), 10250 (k"),
        ("ports", lines("port\tudp\t8472\tvxland"), {}, "8472 (vxland)"),
        ("ports", lines("port\ttcp\t7443\thaproxy"), {"api_port": 7443}, "7443 (haproxy)"),
        ("load_balancer", SERVED, {}, "nginx has port 443"),
        ("load_balancer", lines(), {"neighbours": {443: "JupyterHub"}}, "JupyterHub has port 443"),
        ("load_balancer", lines("port\ttcp\t8786\tdask"), {"dask_port": 8786}, "`k3s_disable: [servicelb]`"),
        ("node_addresses", UFW, {}, "cannot resolve a2.t3.example.edu"),
    ],
)  # fmt: skip
def test_what_cannot_carry_k3s_is_refused(
    gate: str, found: list[str], options: dict[str, Any], message: str
) -> None:
    failed = failed_gates(found, options)
    assert [item["gate"] for item in failed] == [gate]
    (report,) = gate_report(failed)
    assert message in report
    assert report.splitlines()[0].startswith(f"{gate}: ")
    assert f"skip:   k3s_skip_gates: [{gate}]" in report
    assert all(failed[0].values())
    assert failed_gates(found, {**options, "skip": [gate]}) == []


@pytest.mark.parametrize(
    ("found", "options"),
    [
        (lines(), {}),
        ([], {}),
        (V1, {"version": "v1.34.2+k3s1"}),
        (V1, {**NEW, "kubelet_args": ["fail-cgroupv1=false"]}),
        (lines("memory\t1990000", "cpus\t2"), {}),
        (lines("memory\t500000", "cpus\t1"), {"kind": "agent"}),
        (lines(without=("route",)), {"config": {"node-ip": "192.0.2.11"}}),
        (lines("route\teth1\t1"), {}),
        (lines("route\teth1\t2"), DUAL),
        (lines("iptables\tiptables v1.8.4 (legacy)"), {}),
        (lines("iptables\tiptables v1.8.4 (nf_tables)"), {"config": {"prefer-bundled-bin": True}}),
        (lines("iptables\tiptables v1.8.5 (nf_tables)"), {}),
        (lines("module\twireguard\tmissing"), {}),
        (lines("module\tvxlan\tunknown"), {}),
        (lines("disk\tzfs\t\t90000000\t80000000"), {"config": {"snapshotter": "zfs"}}),
        # What runs already has its images, and its own guard of the disk.
        (lines("disk\txfs\tftype=1\t20000000\t1000000", "version\tv1.34.2+k3s1", "ours\tyes"), {}),
        (lines("unit\tkubelet.service\tinactive\tdisabled"), {}),
        (lines("ours\tyes", "unit\tk3s.service\tactive\tenabled"), {}),
        # k3s's own, and what the kernel listens on.
        (lines("port\ttcp\t6443\tk3s-server", "port\ttcp\t10010\tcontainerd", "port\tudp\t8472\t"), {}),
        (lines("port\ttcp\t2379\tetcd"), {"embedded": False}),
        (lines("port\ttcp\t6443\thaproxy"), {"kind": "agent"}),
        (SERVED, {"disable": ["servicelb"]}),
        (SERVED, {"disable": ["traefik"]}),
        (lines(), {"neighbours": {8443: "JupyterHub"}}),
        (UFW, {"firewall": "none"}),
        (UFW, {"node_networks": ["192.0.2.0/24"]}),
    ],
)
def test_what_can_is_not(found: list[str], options: dict[str, Any]) -> None:
    assert failed_gates(found, options) == []


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = lines("cpus\t1", "memory\t100000", "unit\tk0sworker.service\tactive\tenabled")
    assert [item["gate"] for item in failed_gates(found, {})] == ["foreign", "cpus", "memory"]


@pytest.mark.parametrize(
    ("found", "options", "message"),
    [
        (lines("swap\t2000000"), {}, "the host has swap"),
        (lines("unit\tnftables.service\tactive\tenabled"), {}, "tcp 6443 (API and registration)"),
        (NFTABLES, {"flannel_backend": "host-gw"}, "comes from 10.42.0.0/16"),
        (lines("ufw\tactive"), {}, "k3s_api_networks says from where else"),
        (lines("selinux\tenforcing"), {"confined": False}, "SELinux is enforcing"),
        (lines("ours\tyes", "managed\tcni0\tconnected"), {}, "NetworkManager manages cni0"),
    ],
)  # fmt: skip
def test_what_an_admin_should_know(found: list[str], options: dict[str, Any], message: str) -> None:
    (note,) = host_notes(found, options)
    assert message in note


@pytest.mark.parametrize(
    ("found", "options"),
    [
        (lines(), {}),
        (lines("ufw\tactive"), {"api_networks": ["192.0.2.0/24"]}),
        (lines("ufw\tactive"), {"kind": "agent"}),
        (lines("ufw\tactive"), {"firewall": "none"}),
        (lines("unit\tnftables.service\tactive\tenabled"), {"firewall": "none"}),
        (lines("unit\tnftables.service\tactive\tenabled", "ufw\tactive"), {"kind": "agent"}),
        (lines("ours\tyes", "managed\tcni0\tunmanaged"), {}),
    ],
)
def test_there_is_nothing_to_know(found: list[str], options: dict[str, Any]) -> None:
    assert host_notes(found, options) == []


def test_nothing_that_a_host_leaves_out_or_makes_up_is_a_fault() -> None:
    odd = [
        "",
        "\t",
        "unit",
        "disk\t",
        "cpus\tmany",
        "port\ttcp\t*",
        "port\ttcp",
        "cgroup\t",
        "who\tknows",
        "iptables\t",
    ]
    look = read_look(odd)
    assert (look.cpus, look.ports, look.iptables, look.cgroup) == (0, [], "", 0)
    assert failed_gates(odd, {"config": {"node-ip": "192.0.2.1"}}) == []


def seen(tmp_path: Path, config: str = "") -> list[str]:
    """What look.sh prints on this computer, with another path of config.yaml."""
    path = tmp_path / "config.yaml"
    path.write_text(config, encoding="utf-8")
    script = LOOK.read_text(encoding="utf-8").replace("/etc/rancher/k3s/config.yaml", str(path))
    (tmp_path / "data/server/manifests").mkdir(parents=True)
    (tmp_path / "data/server/manifests/casa-traefik.yaml").touch()
    argv = [
        "/bin/sh",
        "-uc",
        script,
        "look",
        "/nowhere/k3s",
        "k3s.service",
        str(tmp_path / "data"),
        "localhost",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_it_looks_at_a_real_host(tmp_path: Path) -> None:
    look = read_look(seen(tmp_path))
    assert look.cpus > 0
    assert look.memory > 0
    assert look.disk_size >= look.disk_free > 0
    assert look.cgroup in (1, 2)
    assert look.modules
    assert look.manifests == ["casa-traefik.yaml"]


def test_what_may_be_a_secret_is_not_looked_at(tmp_path: Path) -> None:
    config = (
        'token: canary1\n"agent-token": canary2\ntls-san:\n- api.example.edu\n'
        "datastore-endpoint: >-\n  canary3\n"
        "etcd-s3-secret-key: canary4\nsecrets-encryption: true\nvpn-auth: canary5\n"
        "token-file: /etc/rancher/k3s/token\n"
    )
    look = read_look(seen(tmp_path, config))
    assert "canary" not in look.config
    assert look.config == (
        "tls-san:\n- api.example.edu\nsecrets-encryption: true\ntoken-file: /etc/rancher/k3s/token\n"
    )


def test_the_script_keeps_to_the_shell_of_every_host() -> None:
    for shell in ("dash", "bash"):
        if program := shutil.which(shell):
            subprocess.run([program, "-n", str(LOOK)], check=True)

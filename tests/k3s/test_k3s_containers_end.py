"""Containers of k3s end, with their mounts, network namespaces and interfaces; others' do not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from programs import FILES, load

containers, interfaces = load("end_containers.py"), load("clean_interfaces.py")
DATA, RUN = "/var/lib/rancher/k3s", "/run/k3s"
ORDER = {"data": DATA, "run": RUN, "kubelet": "/var/lib/kubelet", "seconds": 5, "check": False}

UNSHARE = shutil.which("unshare") or ""
isolated = pytest.mark.skipif(os.geteuid() != 0 or not UNSHARE, reason="needs root and unshare")


def process(argv: str, program: str, *, root: bool = True) -> SimpleNamespace:
    return SimpleNamespace(argv=argv.split(), program=program, root=root)


SHIM = f"{DATA}/data/abc/bin/containerd-shim-runc-v2"
WORDS = f"-namespace k8s.io -id 1f -address {RUN}/containerd/containerd.sock"


@pytest.mark.parametrize(
    ("argv", "program", "root", "ours"),
    [
        (f"{SHIM} {WORDS}", SHIM, True, True),
        (
            f"containerd -c x -a {RUN}/containerd/containerd.sock",
            f"{DATA}/data/abc/bin/containerd",
            True,
            True,
        ),
        (
            "containerd-shim-runc-v2 -address /run/containerd/containerd.sock",
            "/usr/bin/containerd-shim",
            True,
            False,
        ),
        (f"{SHIM} -address /run/containerd/containerd.sock", SHIM, True, False),
        # Somebody who gives his own program such arguments.
        (f"{SHIM} {WORDS}", "/srv/eve/containerd-shim-runc-v2", True, False),
        (f"{SHIM} {WORDS}", SHIM, False, False),
        (f"kubectl logs {RUN}/containerd/containerd.sock", f"{DATA}/data/abc/bin/k3s", True, False),
        ("", "", True, False),
    ],
)
def test_runtime_is_told_by_program_and_socket(argv, program, root, ours):
    assert containers.is_runtime(process(argv, program, root=root), DATA, RUN) is ours


def test_name_of_a_program_may_hold_brackets_and_blanks():
    text = "17 (a) b (c) S 4 17 17 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 1"
    assert containers.parse_stat(text) == (4, 98765, False)
    assert containers.parse_stat(text.replace(") S ", ") Z "))[2]


def test_family_is_whoever_descends():
    found = {pid: SimpleNamespace(pid=pid, parent=parent) for pid, parent in [(2, 1), (3, 2), (4, 3), (5, 1)]}
    assert [one.pid for one in containers.family(found, [found[2]])] == [2, 3, 4]


def test_mounts_that_are_ours_go_last_first_and_the_sites_stay():
    mountinfo = "\n".join(
        f"3{number} 1 0:{number} / {path} rw - tmpfs none rw"
        for number, path in enumerate(
            [
                "/var/lib/rancher",
                "/var/lib/kubelet",
                "/run/k3s/containerd/1/rootfs",
                "/var/lib/kubelet/pods/u/volumes/data\\040of\\040mine",
                "/var/lib/rancher/k3s/storage/pvc-1",
                "/var/lib/rancher/k3s/agent/containerd/disk",
                "/run/k3s-other",
                "/srv/run/k3s/x",
            ]
        )
    )
    mounts = containers.parse_mounts(mountinfo)
    assert containers.owned_mounts(mounts, ORDER, {"/var/lib/rancher/k3s/agent/containerd/disk"}) == [
        "/var/lib/kubelet/pods/u/volumes/data of mine",
        "/run/k3s/containerd/1/rootfs",
    ]


def test_interfaces_on_the_bridge_go_before_it_and_others_bridges_stay():
    found = {
        "eth0": "",
        "vethb": "cni0",
        "vetha": "cni0",
        "veth9": "docker0",
        "docker0": "",
        "cni0": "",
        "flannel.1": "",
    }
    assert interfaces.owned_interfaces(found) == ["vetha", "vethb", "cni0", "flannel.1"]


# Two shims with a container each: ours, whose first process takes SIGTERM, and one of another containerd.
SCENE = r"""
set -e
mount -t sysfs none /sys; mount -t tmpfs none /run; mount -t tmpfs none /var/lib
mkdir -p /run/k3s/rootfs '/var/lib/kubelet/pods/u/volumes/a b' /run/netns /var/lib/rancher/k3s/data/x/bin
mkdir /run/other
mount -t tmpfs none /run/k3s/rootfs; mount -t tmpfs none '/var/lib/kubelet/pods/u/volumes/a b'
mount -t tmpfs none /run/other
cp "$(readlink -f "$(command -v python3)")" /var/lib/rancher/k3s/data/x/bin/containerd-shim-runc-v2
cp "$(readlink -f "$(command -v python3)")" /run/other/containerd-shim-runc-v2
export PYTHONHOME="$(python3 -c 'import sys; print(sys.base_prefix)')"
ip netns add cni-ours; ip netns add cni-orphan; ip netns add cni-theirs; ip netns add work
ip link add cni0 type bridge; ip link add docker0 type bridge
ip link add v0 type veth peer name v1; ip link set v0 master cni0
ip link add v2 type veth peer name v3; ip link set v2 master docker0
ip link add flannel.1 type vxlan id 1 dstport 8472 local 127.0.0.1
cat > /run/shim.py <<'END'
import subprocess, sys, time
space, body = sys.argv[1], sys.argv[2]
subprocess.Popen(["ip", "netns", "exec", space, "sh", "-c", body])
time.sleep(600)
END
cd /run
/var/lib/rancher/k3s/data/x/bin/containerd-shim-runc-v2 /run/shim.py cni-ours \
    'trap "echo graceful > /run/ended; exit 0" TERM; echo > /run/up-ours; while :; do sleep 0.1; done' \
    -address /run/k3s/containerd/containerd.sock &
/run/other/containerd-shim-runc-v2 /run/shim.py cni-theirs 'echo > /run/up-theirs; exec sleep 600' \
    -address /run/containerd/containerd.sock &
theirs=$!
until [ -e /run/up-ours ] && [ -e /run/up-theirs ]; do sleep 0.05; done
unset PYTHONHOME
"""


def state() -> str:
    return "awk '{print $5}' /proc/self/mountinfo | grep -E '^/(run|var)/.'; ls /run/netns; ls /sys/class/net"


def run_order(program: str = "end_containers.py", **changes: object) -> str:
    return f"echo '{json.dumps(ORDER | changes)}' | python3 {FILES / program}"


@isolated
def test_our_containers_end_by_themselves_and_all_they_had_goes_but_nothing_of_others():
    cut = "echo ====="
    steps = [SCENE, state(), cut, run_order(check=True), cut, state(), cut]
    steps += [run_order(), run_order("clean_interfaces.py"), cut]
    steps += [
        state(),
        "cat /run/ended; kill -0 $theirs && echo alive",
        cut,
        run_order(),
        "kill $theirs; wait",
    ]
    done = subprocess.run(
        [UNSHARE, "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", "\n".join(steps)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    before, told, untouched, ended, after, again = done.stdout.split("=====\n")
    assert before == untouched
    containers_end, interfaces_end = (json.loads(line) for line in ended.splitlines())
    assert containers_end["faults"] == interfaces_end["faults"] == [], done.stderr
    # How many processes a container has just then differs.
    unmounted, spaces = "unmount 2 file systems of containers and volumes", "remove 2 network namespaces"
    assert containers_end["done"][1:] == [unmounted, spaces]
    assert json.loads(told)["done"][1:] == [unmounted, spaces.replace("2", "1")]
    assert interfaces_end["done"] == ["remove interfaces v0, cni0, flannel.1"]
    assert set(before.split()) - set(after.split()) == {
        "/run/k3s/rootfs",
        "/var/lib/kubelet/pods/u/volumes/a\\040b",
        "/run/netns/cni-ours",
        "/run/netns/cni-orphan",
        "cni-ours",
        "cni-orphan",
        "v0",
        "v1",
        "cni0",
        "flannel.1",
    }
    assert set(after.split()) - set(before.split()) == {"graceful", "alive"}
    assert json.loads(again.strip()) == {"changed": False, "done": [], "faults": []}


@isolated
def test_mount_that_stays_is_named():
    """Somebody's shell in a volume: nothing is forced, and the rest is not begun."""
    steps = [SCENE, "cd '/var/lib/kubelet/pods/u/volumes/a b'", run_order(), "kill $theirs; wait"]
    done = subprocess.run(
        [UNSHARE, "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", "\n".join(steps)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    faults = json.loads(done.stdout)["faults"]
    assert len(faults) == 1
    assert "/var/lib/kubelet/pods/u/volumes/a b" in faults[0]
    assert "busy" in faults[0]


def test_signal_reaches_only_the_process_that_was_meant():
    """A number that is another process's by now gets none."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        seen = containers.read_process(child.pid)
        containers.send(SimpleNamespace(pid=child.pid, started=seen.started + 1), 9)
        assert containers.alive(seen)
        containers.send(seen, 9)
        child.wait(timeout=10)
        assert not containers.alive(seen)


def test_programs_of_the_role_are_small_enough_for_one_argument():
    """They travel as an argument of the shell's, of which the kernel takes 128 KiB (execve(2))."""
    for path in Path(FILES).glob("*.py"):
        assert path.stat().st_size < 100_000

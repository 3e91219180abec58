"""A machine with a kubelet may be root as much as it likes: the computer stays as it was."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import Lab

from casa_install.lab.machines import container_name
from casa_install.lab.podman import Podman

pytestmark = pytest.mark.machines

INVENTORY = """\
all:
  children:
    k3s_server: {hosts: {s1: {lab_os: debian-13}}}
    condor_execute: {hosts: {ep1: }}
"""
COUNTERS = {
    *("aio-nr", "dentry-state", "file-nr", "inode-nr", "inode-state"),
    *("ns_last_pid", "nr", "perf_event_max_sample_rate", "quota", "random"),
}
"""What the kernel counts is no setting."""


def settings() -> dict[str, str]:
    """Setting of the kernel -> digest of its value, those of the network excepted."""
    found = {}
    for area in ("fs", "kernel", "vm"):
        for path in sorted(Path("/proc/sys", area).rglob("*")):
            if path.is_file() and not COUNTERS & {path.name, path.parent.name}:
                try:
                    found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
                except OSError:
                    continue
    return found


def test_a_machine_with_a_kubelet_leaves_the_computer_as_it_was() -> None:
    before, mounts = settings(), mount_points()
    with tempfile.TemporaryDirectory(prefix="casa-") as state:
        inventory = Path(state) / "hosts.yml"
        inventory.write_text(INVENTORY, encoding="utf-8")
        lab = Lab("test-nodes", Path(state), inventory)
        try:
            done = lab.casa("lab", "up", "--name", lab.name, "-i", str(inventory))
            assert done.returncode == 0, done.stderr
            prove_fit_for_a_kubelet(lab, "s1")
            addresses = {name: lab.ssh(name, "hostname -I") for name in ("s1", "ep1")}
            podman = Podman(lab.directory.parent)
            containers = [container_name(lab.name, name) for name in addresses]
            ids = podman.run("inspect", "--format", "{{.Id}}", *containers).stdout.split()
            for name in addresses:
                podman.run("stop", "--time", "10", container_name(lab.name, name))
            podman.run("start", container_name(lab.name, "s1"))
            done = lab.casa("lab", "up", "--name", lab.name, "-i", str(inventory))
            assert done.returncode == 0, done.stderr
            prove_fit_for_a_kubelet(lab, "s1")
            assert {name: lab.ssh(name, "hostname -I") for name in addresses} == addresses
            # systemd applies these at every start of a computer.
            with pytest.raises(subprocess.CalledProcessError):
                lab.ssh("s1", "sysctl --system >&2 || exit 1; sysctl -w fs.file-max=100000")
            assert settings() == before
        finally:
            done = lab.casa("lab", "down", lab.name)
        assert done.returncode == 0, done.stderr
        assert not lab.directory.exists()
    assert settings() == before
    assert [
        path for path in mount_points() - mounts if path.startswith(("/dev", "/proc", "/sys", state))
    ] == []
    groups = [path.name for path in Path("/sys/fs/cgroup").glob("**/libpod-*")]
    assert [name for name in groups if name.removeprefix("libpod-").split(".")[0] in ids] == []


def mount_points() -> set[str]:
    """Where this computer has file systems (proc_pid_mountinfo(5))."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {line.split(" ")[4] for line in lines}


def prove_fit_for_a_kubelet(lab: Lab, name: str) -> None:
    assert lab.ssh(name, "systemctl --failed --no-legend") == ""
    assert lab.ssh(name, "sysctl -n vm.overcommit_memory kernel.panic kernel.panic_on_oops").split() == [
        "1",
        "10",
        "1",
    ]
    assert lab.ssh(name, "findmnt -no PROPAGATION /").strip() == "shared"
    # A volume of the computer, on which containerd's overlay can lie.
    assert "overlay" not in lab.ssh(name, "findmnt -no FSTYPE /var/lib/rancher")
    lab.ssh(
        name,
        "set -e; root=/sys/fs/cgroup; [ -e $root/cgroup.controllers ] || root=$root/memory; "
        "mkdir $root/kubepods-try; rmdir $root/kubepods-try; test ! -e /dev/sda; test ! -e /dev/vda; "
        "sysctl -qw net.ipv4.ip_forward=1; ip link add try0 type bridge; ip link del try0",
    )

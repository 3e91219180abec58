"""Machines that run a kubelet, as far as they need no container."""

from __future__ import annotations

import json
import subprocess
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from casa_install.errors import CasaError
from casa_install.lab import nodes
from casa_install.lab.addresses import free_addresses
from casa_install.lab.layout import read_layout
from casa_install.lab.node_needs import (
    inotify_instances,
    legacy_controllers,
    require_controllers,
    require_inotify,
)
from casa_install.lab.nodes import PROGRAMS, node_options, prepare_node, runtime_options

INVENTORY = """\
all:
  children:
    k3s_server: {hosts: {s1: }}
    k3s_agent: {hosts: {a1: , a2: {lab_os: debian-12}}}
    condor_execute: {hosts: {a1: , ep1: }}
"""


def test_hosts_of_both_groups_run_a_kubelet(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    found = {machine.name: machine for machine in read_layout([tmp_path / "hosts.yml"]).machines}
    assert {name for name, machine in found.items() if machine.is_node} == {"s1", "a1", "a2"}
    assert {"conntrack", "ipset", "iptables"} <= set(found["a1"].packages)
    assert found["ep1"].packages == ()


def test_a_machine_has_no_device_clock_or_module_of_the_computer(tmp_path: Path) -> None:
    options = node_options(tmp_path)
    assert "--privileged" not in options
    assert {"--cap-drop=SYS_BOOT", "--cap-drop=SYS_MODULE", "--cap-drop=SYS_TIME"} <= set(options)
    assert [options[i + 1] for i, word in enumerate(options) if word == "--device"] == ["/dev/kmsg"]


def test_layers_of_containers_lie_in_the_labs_directory(tmp_path: Path) -> None:
    prepare_node(tmp_path)
    options = node_options(tmp_path)
    volumes = [options[i + 1] for i, word in enumerate(options) if word == "--volume"]
    assert f"{tmp_path}/data:/var/lib/rancher" in volumes
    assert f"{tmp_path}/programs:/usr/local/lib/casa-lab:ro" in volumes
    assert all(Path(volume.partition(":")[0]).is_dir() for volume in volumes)
    assert {path.name for path in (tmp_path / "programs").iterdir()} == {"init", "place-runc", "runc"}


@pytest.mark.parametrize(("unified", "expected"), [(True, []), (False, ["--runtime", "casa-lab-node"])])
def test_a_runtime_of_ours_only_where_the_controllers_are_elsewhere(
    monkeypatch: pytest.MonkeyPatch, unified: bool, expected: list[str]
) -> None:
    monkeypatch.setattr(nodes, "has_unified_cgroups", lambda: unified)
    assert runtime_options() == expected


def wrapped(tmp_path: Path, bounding: str, content: dict[str, Any], *words: str) -> tuple[Any, list[str]]:
    """What k3s's runc would read, and the words that it is started with."""
    program = (PROGRAMS / "runc").read_text(encoding="ascii")
    status = tmp_path / "status"
    status.write_text(f"CapPrm:\t0000\nCapBnd:\t{bounding}\n", encoding="ascii")
    own = tmp_path / "oom_score_adj"
    own.write_text("7\n", encoding="ascii")
    (tmp_path / "runc").write_text(
        program.replace("/proc/self/status", str(status)).replace("/proc/self/oom_score_adj", str(own)),
        encoding="ascii",
    )
    (tmp_path / "runc-k3s").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n", encoding="ascii")
    for name in ("runc", "runc-k3s"):
        (tmp_path / name).chmod(0o755)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    done = subprocess.run([tmp_path / "runc", *words], check=True, capture_output=True, text=True)
    return json.loads(file.read_text(encoding="utf-8")), done.stdout.splitlines()


ALL = "000001ffffffffff"
LAB = "000001fffcbeffff"
"""Without SYS_MODULE, SYS_BOOT, SYS_RESOURCE and SYS_TIME."""
POD = {
    "oomScoreAdj": -998,
    "capabilities": {
        "bounding": ["CAP_SYS_MODULE", "CAP_CHOWN", "CAP_SYS_RESOURCE", "CAP_SYS_TIME"],
        "effective": ["CAP_SYS_TIME"],
    },
}


def test_a_pod_asks_for_what_its_machine_has(tmp_path: Path) -> None:
    words = ("--root", "/run/runc", "create", "--bundle", str(tmp_path), "id")
    seen, passed = wrapped(tmp_path, LAB, POD, *words)
    assert seen == {"oomScoreAdj": 7, "capabilities": {"bounding": ["CAP_CHOWN"], "effective": []}}
    assert passed == list(words)


def test_a_command_in_a_pod_too(tmp_path: Path) -> None:
    seen, _ = wrapped(tmp_path, LAB, POD, "exec", "--process", str(tmp_path / "config.json"), "id")
    assert seen["capabilities"]["bounding"] == ["CAP_CHOWN"]


def test_nothing_is_changed_for_a_machine_that_has_all(tmp_path: Path) -> None:
    assert wrapped(tmp_path, ALL, POD, "create", "--bundle", str(tmp_path), "id")[0] == POD


def test_a_score_that_may_be_raised_is_kept(tmp_path: Path) -> None:
    raised = {**POD, "oomScoreAdj": 1000}
    seen, _ = wrapped(tmp_path, LAB, raised, "create", "--bundle", str(tmp_path), "id")
    assert seen["oomScoreAdj"] == 1000


@pytest.mark.parametrize("name", ["init", "place-runc", "runc", "runtime"])
def test_programs_are_for_any_shell(name: str) -> None:
    subprocess.run(["/bin/sh", "-n", PROGRAMS / name], check=True)


def test_controllers_of_both_kinds_of_hierarchy() -> None:
    memberships = "9:name=systemd:/\n4:cpu,cpuacct:/a\n3:memory:/b:c\n0::/user.slice\n"
    assert legacy_controllers(memberships) == {"cpu", "cpuacct", "memory"}


def test_error_controllers_are_missing() -> None:
    require_controllers({"cpu", "cpuset", "memory", "pids", "io"})
    with pytest.raises(CasaError, match="does not have: memory, pids"):
        require_controllers({"cpu", "cpuset"})


def test_error_no_inotify_left() -> None:
    require_inotify(3, limit=128, used=60)
    require_inotify(0, limit=128, used=128)
    with pytest.raises(CasaError, match="80 of root's 128 are in use") as refused:
        require_inotify(3, limit=128, used=80)
    assert "sysctl -w fs.inotify.max_user_instances=512" in str(refused.value.hint)


def test_instances_of_inotify_are_counted(tmp_path: Path) -> None:
    for process, targets in (("10", ["anon_inode:inotify", "/dev/null"]), ("11", ["anon_inode:inotify"])):
        (tmp_path / process / "fd").mkdir(parents=True)
        for number, target in enumerate(targets):
            (tmp_path / process / "fd" / str(number)).symlink_to(target)
    (tmp_path / "12").mkdir()
    assert inotify_instances(tmp_path) == 2


def test_addresses_that_nobody_has() -> None:
    free = free_addresses("192.0.2.0/29", {"192.0.2.1", "192.0.2.3", ""})
    assert list(islice(free, 9)) == ["192.0.2.2", "192.0.2.4", "192.0.2.5", "192.0.2.6"]

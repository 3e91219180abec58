"""Starting k3s: nothing blocks, and the reason is said as soon as the journal has it.

`systemctl` and `journalctl` are scripts here; tests of the scenario `k3s` start real nodes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

FILES = Path(__file__).resolve().parents[2] / "roles" / "k3s" / "files"
SYMPTOMS: list[dict[str, Any]] = yaml.safe_load((FILES / "symptoms.yml").read_text(encoding="utf-8"))

KNOWN = yaml.safe_load(Path(__file__).with_name("journal.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def program() -> Any:
    spec = importlib.util.spec_from_file_location("start", FILES / "start.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", KNOWN)
def test_what_k3s_says_becomes_a_cause_and_a_fix(name: str, program: Any) -> None:
    line, cause = KNOWN[name]["line"], KNOWN[name]["cause"]
    found = program.recognise(['level=info msg="Starting k3s"', line], SYMPTOMS, "s1")
    assert cause in found["cause"]
    assert found["fix"]
    assert "{" not in found["cause"] + found["fix"]


@pytest.mark.parametrize(
    "line",
    [
        'level=info msg="Waiting for API server to become available"',
        'level=warning msg="Cluster CA certificate is not trusted by the host CA bundle"',
        'level=warning msg="etcd: dial tcp 127.0.0.1:2379: connect: connection refused"',
        'level=info msg="Running kube-apiserver --anonymous-auth=false --authorization-mode=Node,RBAC"',
        "E1127 19:27:40.1 Unable to authenticate the request due to an error: invalid bearer token",
    ],
)
def test_what_k3s_says_while_all_is_well_is_no_reason(line: str, program: Any) -> None:
    assert program.recognise([line], SYMPTOMS, "s1") is None


HEARD = 1795809963


def node(*, ready: str = "True", version: str = "v1.21.3+k3s1") -> dict[str, Any]:
    condition = {
        "type": "Ready",
        "status": ready,
        "message": "container runtime is down",
        "lastHeartbeatTime": "2026-11-27T20:06:03Z",
    }
    return {"status": {"nodeInfo": {"kubeletVersion": version}, "conditions": [condition]}}


def test_a_node_counts_when_it_is_ready_with_the_release_that_was_asked_for(program: Any) -> None:
    assert program.readiness(node(), "") == ""
    assert program.readiness(node(), "v1.21.3+k3s1") == ""
    assert "v1.20.9+k3s1" in program.readiness(node(version="v1.20.9+k3s1"), "v1.21.3+k3s1")
    assert "container runtime is down" in program.readiness(node(ready="False"), "")
    assert program.readiness({"status": {}}, "") == "the kubelet has not reported yet"
    assert program.readiness(node(), "", HEARD) == ""
    assert "not reported since" in program.readiness(node(), "", HEARD + 1)


class Host:
    """A host whose systemd is two scripts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.calls.touch()
        (directory / "state").write_text("inactive")
        (directory / "journal").touch()
        self.script(
            "systemctl",
            f"""
            case "$*" in
            *show*) echo "ActiveState=$(cat {directory}/state)"; echo LoadState=loaded
                    echo "InvocationID=$(cat {directory}/run 2>/dev/null)";;
            *) echo "$*" >> {self.calls}; echo new > {directory}/run
               case "$*" in *start*) echo activating > {directory}/state;; esac;;
            esac
            """,
        )
        self.script("journalctl", f"cat {directory}/journal; : > {directory}/journal; echo '-- cursor: 1'")

    def script(self, name: str, text: str) -> None:
        path = self.directory / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def start(self, **more: Any) -> dict[str, Any]:
        order = {
            "unit": "k3s.service",
            "action": "start",
            "host": "s1",
            "node": "s1",
            "version": "",
            "data": str(self.directory / "data"),
            "seconds": 2,
            "symptoms": SYMPTOMS,
        }
        done = subprocess.run(
            [sys.executable, "-c", (FILES / "start.py").read_text(encoding="utf-8")],
            input=json.dumps(order | more),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "PATH": f"{self.directory}{os.pathsep}{os.environ['PATH']}"},
        )
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_known_reason_ends_the_waiting_and_the_unit_does_not_go_on_trying(host: Host) -> None:
    (host.directory / "journal").write_text(KNOWN["the token of an agent"]["line"] + "\n")
    answer = host.start(seconds=60)
    assert answer["ready"] is False
    assert "refuses this node's token" in answer["cause"]
    assert answer["seconds"] < 5
    assert host.calls.read_text().splitlines() == [
        "--no-block start k3s.service",
        "--no-block stop k3s.service",
    ]


def test_a_node_that_ran_before_goes_on_trying(host: Host) -> None:
    (host.directory / "state").write_text("active")
    (host.directory / "run").write_text("old")
    (host.directory / "journal").write_text(KNOWN["a server that is down"]["line"] + "\n")
    answer = host.start(action="restart", seconds=1)
    assert answer["ready"] is False
    assert "stopped" not in answer
    assert host.calls.read_text().splitlines() == ["--no-block restart k3s.service"]


def test_a_unit_that_tries_again_and_again_reads_what_was_mended(host: Host) -> None:
    (host.directory / "state").write_text("activating")
    host.start()
    assert host.calls.read_text().splitlines()[0] == "--no-block restart k3s.service"


def test_what_passes_by_itself_is_given_time(host: Host) -> None:
    (host.directory / "journal").write_text(KNOWN["a server that is down"]["line"] + "\n")
    answer = host.start(seconds=1)
    assert "is not Ready after 1 s" in answer["cause"]


def test_time_is_up_with_what_is_missing(host: Host) -> None:
    answer = host.start()
    assert answer["cause"] == "the node s1 is not Ready after 2 s (the unit is activating)"
    assert 2 <= answer["seconds"] < 5

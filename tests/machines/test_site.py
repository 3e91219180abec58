"""The main job on real machines: `casa-install site.yml` on systemd hosts that are reached over SSH."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from casa_install.errors import CasaError

if TYPE_CHECKING:
    import subprocess

    from conftest import Lab

pytestmark = pytest.mark.machines

HOSTS = ("cm1", "ep1", "ep2")
UNIT = "systemctl show -p MainPID -p ActiveEnterTimestampMonotonic -p NRestarts condor.service"


def units(lab: Lab) -> dict[str, str]:
    return {host: lab.ssh(host, UNIT) for host in HOSTS}


def pool(lab: Lab) -> list[str]:
    return sorted(lab.ssh("cm1", "condor_status -af Machine -constraint 'SlotType =!= \"Dynamic\"'").split())


def executed(run: Path) -> Counter[tuple[str, str]]:
    """Tasks that a run executed, per host and role.

    The role `site` comes along in each play, where its arguments are looked at again; that reaches no host.
    """
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    found = Counter(
        (row["host"], row["role"])
        for row in events
        if row["event"] == "ok"
        and row.get("role")
        and not (row["role"] == "casa.install.site" and row["task"].startswith("Validating arguments"))
    )
    assert {role for _, role in found} >= {"casa.install.base", "casa.install.htcondor"}
    return found


def await_on(lab: Lab, machine: str, question: str, run: subprocess.Popen[str]) -> None:
    """Wait until a command succeeds on a machine, while the run goes on."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert run.poll() is None, "the run ended before the state that was waited for"
        try:
            lab.podman_exec(machine, "sh", "-c", question)
        except CasaError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"`{question}` was never true on {machine}")


def test_second_run_changes_and_restarts_nothing(lab: Lab) -> None:
    code, result, seen = lab.apply()
    assert code == 0, seen
    assert result["changed"] > 0
    assert pool(lab) == ["ep1.casa.test", "ep2.casa.test"]
    titles = [table["title"] for table in result["report"]]
    assert any(title.startswith("HTCondor pool") for title in titles)
    machines = next(table for table in result["report"] if table["title"].startswith("HTCondor pool"))
    assert [row[0] for row in machines["rows"]] == ["ep1.casa.test", "ep2.casa.test"]
    assert {len(row) for row in machines["rows"]} == {len(machines["columns"])}
    jobs = next(table for table in result["report"] if table["title"].startswith("One job"))
    assert [row[:3] for row in jobs["rows"]] == [
        ["ep1.casa.test", "ep1.casa.test", "casa-proof"],
        ["ep2.casa.test", "ep2.casa.test", "casa-proof"],
    ]

    before = units(lab)
    code, result, seen = lab.apply()
    assert code == 0, seen
    assert result["changed"] == 0, result["hosts"]
    assert units(lab) == before
    for (host, role), tasks in executed(Path(result["run_directory"])).items():
        assert tasks <= 5, f"{role} runs {tasks} tasks on {host} though nothing is to be done"


def test_host_without_sshd_is_named_and_the_others_are_installed(lab: Lab) -> None:
    lab.podman_exec("ep2", "systemctl", "stop", "ssh.service")
    done = lab.casa(*lab.apply_arguments)
    assert done.returncode == 4, done.stdout + done.stderr
    card = done.stdout + done.stderr
    assert "ep2" in card
    assert "unreachable" in card.lower()
    assert "Connection refused" in card
    assert pool(lab) == ["ep1.casa.test"]

    lab.podman_exec("ep2", "systemctl", "start", "ssh.service")
    code, _, seen = lab.apply()
    assert code == 0, seen
    assert pool(lab) == ["ep1.casa.test", "ep2.casa.test"]


@pytest.mark.parametrize("whole_group", [False, True], ids=["cli", "group"])
def test_killed_first_run_is_finished_by_the_same_command(lab: Lab, whole_group: bool) -> None:
    run = lab.start_apply()
    # In the middle of the first installation: the package manager is unpacking.
    await_on(lab, "cm1", "ls -d /proc/[0-9]*/exe | xargs -n1 readlink | grep -q /dpkg$", run)
    if whole_group:
        os.killpg(run.pid, signal.SIGKILL)
    else:
        os.kill(run.pid, signal.SIGKILL)
    run.wait(timeout=30)

    code, result, seen = lab.apply()
    assert code == 0, seen
    assert pool(lab) == ["ep1.casa.test", "ep2.casa.test"]
    code, result, seen = lab.apply()
    assert code == 0, seen
    assert result["changed"] == 0, result["hosts"]

"""How much a run costs on one host: a role as a list (casa_state) against the same 60 things as 60 tasks.

Both play the same state on the same machine, in turn, three times; medians are shown. The controller's cost
is the processor time of the process tree (getrusage(2), children), the target's is its container's (cgroup
v2, `usage_usec` in cpu.stat). Nothing is downloaded.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from casa_install.lab.access import Access
from casa_install.lab.machines import container_name, open_podman

HERE = Path(__file__).resolve().parent
LAB = "bench"
ROUNDS = 3
CLEAN = """
for n in 0 1 2 3; do
    systemctl disable --quiet --now casa-bench-$n.service 2>/dev/null
    rm -f /etc/systemd/system/casa-bench-$n.service
done
systemctl daemon-reload
for n in 0 1; do userdel casabench$n 2>/dev/null; groupdel casabench$n 2>/dev/null; done
rm -rf /etc/casa-bench /etc/casa-install
true
"""
SETTINGS = {
    "ANSIBLE_PIPELINING": "true",
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=60s",
    "ANSIBLE_FORKS": "1",
    "ANSIBLE_GATHERING": "explicit",
    "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
}


@dataclass(frozen=True)
class Cost:
    """Seconds: on the clock, of the controller's processor, of the target's."""

    wall: float
    controller: float
    target: float


def main() -> None:
    """Make the machine, measure, remove the machine."""
    casa = [sys.executable, "-m", "casa_install"]
    subprocess.run(
        [*casa, "lab", "up", "--name", LAB, "-i", str(HERE / "inventory")], check=True, capture_output=True
    )
    try:
        measured: dict[tuple[str, str], list[Cost]] = {}
        for _ in range(ROUNDS):
            for role in ("plain", "listed"):
                on_target(CLEAN)
                for case, changes in (("first configuration", True), ("no change", False)):
                    measured.setdefault((case, role), []).append(play(role, changes=changes))
        report(measured)
    finally:
        subprocess.run([*casa, "lab", "down", LAB], check=True, capture_output=True)


def on_target(script: str) -> str:
    """What a shell script printed on the machine."""
    return open_podman().run("exec", "-i", container_name(LAB, "target"), "sh", "-c", script).stdout


def target_seconds() -> float:
    """Processor time that the machine has used since it was started."""
    line = next(
        line for line in on_target("cat /sys/fs/cgroup/cpu.stat").splitlines() if "usage_usec" in line
    )
    return int(line.split()[1]) / 1e6


def play(role: str, *, changes: bool) -> Cost:
    """Run a role's playbook over a connection of its own."""
    with tempfile.TemporaryDirectory(prefix="cb-") as sockets:
        environment = {
            **os.environ,
            **SETTINGS,
            "ANSIBLE_ROLES_PATH": str(HERE / "roles"),
            "ANSIBLE_COLLECTIONS_PATH": str(HERE.parent / ".dev"),
            "ANSIBLE_NOCOLOR": "1",
        }
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(HERE / f"{role}.yml")]
        argv += ["-i", str(HERE / "inventory"), "-i", str(Access(LAB).inventory)]
        argv += ["-e", f"ansible_control_path_dir={sockets}"]
        target, used, started = target_seconds(), children_seconds(), time.monotonic()
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        cost = Cost(time.monotonic() - started, children_seconds() - used, target_seconds() - target)
    if done.returncode != 0 or ("changed=0 " in done.stdout) is changes:
        sys.exit(f"{role} did not do what it is measured for:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}")
    return cost


def children_seconds() -> float:
    """Processor time of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def report(measured: dict[tuple[str, str], list[Cost]]) -> None:
    """Print medians and how many times less the list costs."""
    version = subprocess.run(
        [str(Path(sys.executable).parent / "ansible"), "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[0]
    print(f"{version}, Python {sys.version.split()[0]}; 60 things on one host, medians of {ROUNDS}, in turn")
    print("  " + ", ".join(f"{name}={value}" for name, value in SETTINGS.items()))
    print(f"{'':<22}{'wall s':>9}{'controller s':>14}{'target s':>10}")
    for case in ("first configuration", "no change"):
        medians = {}
        for role in ("plain", "listed"):
            costs = measured[case, role]
            median = Cost(
                statistics.median(cost.wall for cost in costs),
                statistics.median(cost.controller for cost in costs),
                statistics.median(cost.target for cost in costs),
            )
            medians[role] = median
            label = {"plain": "60 tasks", "listed": "one list"}[role]
            if role == "plain":
                print(case)
            print(f"  {label:<20}{median.wall:>9.1f}{median.controller:>14.2f}{median.target:>10.2f}")
        plain, listed = medians["plain"], medians["listed"]
        print(
            f"  {'times less':<20}{plain.wall / listed.wall:>9.1f}"
            f"{plain.controller / listed.controller:>14.1f}{plain.target / listed.target:>10.1f}"
        )


if __name__ == "__main__":
    main()

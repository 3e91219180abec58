"""Machines for tests, and the minutes that each scenario took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventories" / "lab" / "hosts.yml"
"""Without the notebook host, which would take as long as all others."""
MINUTES = pytest.StashKey[dict[str, float]]()


class Lab:
    """The machines of an inventory under a name of their own, beside any lab that a person has up.

    Args:
        name: The lab's name.
        state: `$XDG_STATE_HOME` of the programs that are run; short, since SSH's sockets lie below it.
        inventory: Which machines.
        playbook: What an installation is.
    """

    def __init__(
        self, name: str, state: Path, inventory: Path = INVENTORY, playbook: str = "site.yml"
    ) -> None:
        self.name = name
        self.inventory = inventory
        self.playbook = playbook
        self.directory = state / "casa-install" / "lab" / name
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(state),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "NO_COLOR": "1",
        }

    def casa(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run casa-install to its end."""
        return subprocess.run(
            [sys.executable, "-m", "casa_install", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    @property
    def apply_arguments(self) -> list[str]:
        """The words after `casa-install` that install the lab's site."""
        return [self.playbook, "-i", str(self.inventory), "-i", str(self.directory / "inventory"), "--yes"]

    def apply(self, *more: str) -> tuple[int, dict[str, Any], str]:
        """Install the site; exit code, the JSON result and what a person would have seen."""
        done = self.casa(*self.apply_arguments, "--json", *more)
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def start_apply(self, *more: str) -> subprocess.Popen[str]:
        """Start an installation in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "casa_install", *self.apply_arguments, *more],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )

    def ssh(self, machine: str, command: str) -> str:
        """What a command printed on a machine.

        Raises:
            subprocess.CalledProcessError: It failed.
        """
        argv = ["ssh", "-F", str(self.directory / "ssh_config"), machine, command]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout

    def podman_exec(self, machine: str, *command: str) -> str:
        """What a command printed, reached without sshd."""
        from casa_install.lab.machines import container_name
        from casa_install.lab.podman import Podman

        return Podman(self.directory.parent).run("exec", container_name(self.name, machine), *command).stdout


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Fresh machines, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="casa-") as state:
        # Two people who test on one computer need two names.
        made = Lab(os.environ.get("CASA_TEST_LAB", "test"), Path(state))
        made.casa("lab", "down", made.name)
        done = made.casa("lab", "up", "--name", made.name, "-i", str(INVENTORY))
        assert done.returncode == 0, done.stderr
        yield made
        done = made.casa("lab", "down", made.name)
        assert done.returncode == 0, done.stderr


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Add up the minutes of each test of this folder, with its set-up."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    minutes = item.config.stash.setdefault(MINUTES, {})
    minutes[item.name] = minutes.get(item.name, 0.0) + report.duration / 60


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print them."""
    minutes = config.stash.get(MINUTES, {})
    if minutes:
        terminalreporter.section("minutes on machines")
        for name, value in sorted(minutes.items(), key=lambda pair: -pair[1]):
            terminalreporter.line(f"{value:5.1f}  {name}")

"""The command line as a person starts it: a process of its own, with all state in a temporary directory."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = """\
all:
  vars:
    site_name: Test
    site_domain: example.org
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  children:
    condor_manager: {hosts: {cm: {}}}
    condor_execute: {hosts: {ep: {}}}
"""
SLOW = """\
- name: Be slow
  hosts: ep
  tasks:
    - name: Sleep unless told otherwise
      ansible.builtin.command:
        argv: [sh, -c, "test -e fast || { echo $$ > started; exec sleep 97; }"]
      args: {chdir: "{{ playbook_dir }}"}
      changed_when: false
"""


class Casa:
    """A site in a temporary directory and the command line to run on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ANSIBLE_", "XDG_", "CASA_")) and name not in ("NO_COLOR", "COLUMNS")
        }
        self.environment |= {
            "HOME": str(path / "home"),
            "XDG_STATE_HOME": str(path / "state"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "100",
        }
        for name in ("home", "site"):
            (path / name).mkdir()
        self.site = path / "site"
        self.write("hosts.yml", INVENTORY)

    def write(self, name: str, text: str) -> Path:
        target = self.site / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "casa_install", *words]

    def run(self, *words: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*words),
            cwd=self.site,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **options,
        )

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.site,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def start_slow(self) -> subprocess.Popen:
        """Start a run and return when its only task is in progress."""
        self.write("slow.yml", SLOW)
        process = self.start("slow.yml", "-i", "hosts.yml", "--yes")
        wait(lambda: (self.site / "started").exists() and self.sleeper(), "the task starts")
        return process

    def sleeper(self) -> bool:
        """Tell whether the slow task runs."""
        try:
            pid = int((self.site / "started").read_text() or 0)
            return b"sleep\00097" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return False

    def lock_is_free(self) -> bool:
        from casa_install.engine.lock import wait_until_free

        return all(wait_until_free(path, 0) for path in (self.path / "state/casa-install/locks").iterdir())

    def runs(self) -> list[Path]:
        return sorted((self.path / "state/casa-install/runs").glob("*"))


def wait(condition, what: str, seconds: float = 30) -> float:
    """Wait for a state and return how long it took, in seconds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
def casa(tmp_path: Path) -> Casa:
    return Casa(tmp_path)


@pytest.fixture(name="wait")
def _wait():
    return wait


@pytest.fixture
def demo(casa: Casa):
    """A site with a role of its own; needs root."""
    from demo import Demo

    return Demo(casa)

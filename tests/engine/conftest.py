"""Real runs of ansible-playbook against this computer, with all state in a temporary directory."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from casa_install.engine.lock import site_lock
from casa_install.engine.rundir import RunDirectory, begin_run
from casa_install.engine.runner import Request, run_playbook

if TYPE_CHECKING:
    from pathlib import Path

    from casa_install.engine.events import Event
    from casa_install.engine.outcome import RunResult

INVENTORY = """\
all:
  hosts:
    one: {ansible_connection: local}
    two: {ansible_connection: local}
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("XDG_RUNTIME_DIR", "ANSIBLE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@dataclass
class Recorder:
    """A watcher that keeps what it is told."""

    events: list[Event] = field(default_factory=list)
    stops: int = 0

    def event(self, event: Event) -> None:
        self.events.append(event)

    def tick(self) -> None:
        pass

    def stopping(self) -> None:
        self.stops += 1


@dataclass
class Site:
    """A temporary site on which playbooks can be run."""

    path: Path
    watcher: Recorder = field(default_factory=Recorder)

    @property
    def inventory(self) -> Path:
        return self.path / "hosts.yml"

    def play(
        self, playbook: str, *arguments: str, passwords: dict[str, str] | None = None
    ) -> tuple[RunResult, RunDirectory]:
        book = self.path / "play.yml"
        book.write_text(textwrap.dedent(playbook))
        return self.run(str(book), *arguments, passwords=passwords)

    def run(self, *arguments: str, passwords: dict[str, str] | None = None) -> tuple[RunResult, RunDirectory]:
        with site_lock([str(self.inventory)], "apply") as lock:
            directory, _ = begin_run("apply", [])
            words = (*arguments, "-i", str(self.inventory))
            return run_playbook(
                Request(words, lock, passwords=passwords or {}), directory, self.watcher
            ), directory


@pytest.fixture
def site(tmp_path: Path) -> Site:
    path = tmp_path / "site"
    path.mkdir()
    (path / "hosts.yml").write_text(INVENTORY)
    return Site(path)

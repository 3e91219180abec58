"""What a run leaves behind: a private directory with its log, its events and its journal."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import stat
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT_RUNS = 20
"""Older run directories are removed when a run begins."""

RUNNING, DIED = "running", "died"


@dataclass(slots=True)
class Journal:
    """A run in one file, `journal.json`: what was asked, by whom, and how it ended.

    Args:
        id: The name of the run directory.
        verb: Such as `apply`.
        command: The command line, without the values of extra variables.
        started: ISO 8601, UTC.
        pid: The process id of casa-install. With `boot_ticks` (its start, in clock ticks since boot) and
            `host` it is unique, so that a later reader can tell a running run from one that was killed.
        status: `running`, then `ok`, `failed`, `unreachable`, `interrupted` or `error`; a reader sees `died`
            where the process is gone without having written one of these.
        hosts: The result of each host, as `HostResult.as_json` gives it.
    """

    id: str
    verb: str
    command: list[str]
    started: str
    pid: int
    boot_ticks: int
    host: str
    inventories: list[str] = field(default_factory=list)
    playbook: str = ""
    check: bool = False
    status: str = RUNNING
    finished: str = ""
    exit_code: int | None = None
    error: str = ""
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def close(self, status: str, exit_code: int, *, error: str = "") -> None:
        """Note the end of the run."""
        self.status, self.exit_code, self.error, self.finished = status, int(exit_code), error, utc_now()

    def as_json(self) -> dict[str, Any]:
        """Return the journal as it is stored and as `runs show --json` prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A run's files."""

    path: Path

    @property
    def log(self) -> Path:
        """What Ansible printed, for people."""
        return self.path / "log"

    @property
    def events(self) -> Path:
        """One JSON object per event, without results: what happened on which host, when."""
        return self.path / "events.jsonl"

    @property
    def foresight(self) -> Path:
        """What the events of a dry run do not tell, one JSON object per line."""
        return self.path / "foresight.jsonl"

    @property
    def scratch(self) -> Path:
        """Ansible-runner's own directory; removed when the run has ended."""
        return self.path / "runner"

    def write_playbook(self, content: str) -> str:
        """Keep a playbook that was made for this run and return its path."""
        path = self.path / "playbook.yml"
        with private_file(path) as stream:
            stream.write(content)
        return str(path)

    def write_hosts(self, names: Sequence[str]) -> str:
        """Keep the hosts that a run chose by itself, for Ansible's `--limit @file`; return its path."""
        path = self.path / "hosts"
        with private_file(path) as stream:
            stream.writelines(f"{name}\n" for name in names)
        return str(path)

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Keep a plan, as `--json` prints it, in `plan.json`."""
        with private_file(self.path / "plan.json") as stream:
            json.dump(plan, stream, indent=1)
            stream.write("\n")

    def write_journal(self, journal: Journal) -> None:
        """Replace the journal; a reader sees the old one or the new one, never half of it."""
        target = self.path / "journal.json"
        temporary = target.with_suffix(".tmp")
        with private_file(temporary) as stream:
            json.dump(journal.as_json(), stream, indent=1)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)

    def read_journal(self) -> Journal | None:
        """Return the journal, with `died` for a run whose process is gone, or None where it is unreadable."""
        try:
            data = json.loads((self.path / "journal.json").read_text())
            known = {entry.name for entry in fields(Journal)}
            journal = Journal(**{key: value for key, value in data.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        if journal.status == RUNNING and not _is_alive(journal):
            journal.status = DIED
        return journal


def state_home() -> Path:
    """Return the directory for what outlives a run, `$XDG_STATE_HOME/casa-install`.

    Source: the XDG base directory specification; a relative value is invalid and ignored.
    """
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".local" / "state"
    return base / "casa-install"


def make_private(path: Path) -> Path:
    """Create a directory that only its owner can enter.

    Raises:
        CasaError: It cannot be created, or it belongs to somebody else.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        entry = path.stat()
        if entry.st_uid != os.getuid():
            raise CasaError(f"{path} belongs to uid {entry.st_uid}, not to you.", exit_code=ExitCode.USAGE)
        if stat.S_IMODE(entry.st_mode) & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise CasaError(
            f"{path} cannot be used: {error.strerror}.",
            hint="Name another place for the run's files with the environment variable XDG_STATE_HOME.",
            exit_code=ExitCode.USAGE,
        ) from error
    return path


def private_file(path: Path, *, append: bool = False) -> Any:
    """Open a text file for writing that only its owner can read."""
    flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
    return os.fdopen(os.open(path, flags, 0o600), "a" if append else "w", encoding="utf-8", errors="replace")


def utc_now() -> str:
    """Return the time as journals hold it: ISO 8601, UTC, seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def begin_run(verb: str, command: Sequence[str]) -> tuple[RunDirectory, Journal]:
    """Create a run directory and write a journal that says `running`; remove the oldest directories.

    Args:
        verb: Such as `apply`.
        command: The command line, already without secrets.
    """
    parent = make_private(state_home() / "runs")
    directory = _new_directory(parent, verb)
    journal = Journal(
        id=directory.path.name,
        verb=verb,
        command=list(command),
        started=utc_now(),
        pid=os.getpid(),
        boot_ticks=_start_ticks(os.getpid()),
        host=socket.gethostname(),
    )
    directory.write_journal(journal)
    _prune(parent, keep=directory.path)
    return directory, journal


def list_runs() -> list[RunDirectory]:
    """Return the run directories, the newest first."""
    parent = state_home() / "runs"
    if not parent.is_dir():
        return []
    return [RunDirectory(path) for path in sorted(parent.iterdir(), reverse=True) if path.is_dir()]


def find_run(name: str) -> RunDirectory:
    """Return a run by its name, an unambiguous beginning of it, or `last`.

    Raises:
        CasaError: There is none, or more than one.
    """
    runs = list_runs()
    found = runs[:1] if name == "last" else [run for run in runs if run.path.name.startswith(name)]
    exact = [run for run in found if run.path.name == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    what = (
        "There is no run yet"
        if not runs
        else f"{'No' if not found else 'More than one'} run is called {name!r}"
    )
    raise CasaError(f"{what}.", hint="`casa-install runs list` shows them.", exit_code=ExitCode.USAGE)


def _new_directory(parent: Path, verb: str) -> RunDirectory:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        path = parent / (f"{stamp}-{verb}" if number == 1 else f"{stamp}-{verb}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return RunDirectory(path)
    raise CasaError(f"{parent} holds too many runs of this second.")


def _prune(parent: Path, *, keep: Path) -> None:
    for run in list_runs()[KEPT_RUNS:]:
        journal = run.read_journal()
        if run.path != keep and run.path.parent == parent and (journal is None or journal.status != RUNNING):
            shutil.rmtree(run.path, ignore_errors=True)


def _start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot (field 22 of proc_pid_stat(5)), or 0."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _is_alive(journal: Journal) -> bool:
    """Tell whether a run's process exists; on another computer (a shared home) it is believed."""
    if journal.host != socket.gethostname():
        return True
    return journal.boot_ticks != 0 and _start_ticks(journal.pid) == journal.boot_ticks

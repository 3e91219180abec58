"""What a run did: events folded into one result per host."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from casa_install.engine.events import Event, Fault, JournalLines, Kind
from casa_install.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.engine.tables import Table

_COMPLAINT = re.compile(r"^\[ERROR\]:|^ERROR!|: error: ")
_COMPLAINT_LINES = 12


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed on a host, or a host that could not be reached.

    Args:
        task: The task's name.
        role: Its role, or empty.
        play: Its play.
        path: `file:line` of the task.
        action: Its module.
        fault: What the module said.
        unreachable: There was no connection.
        journal: The last lines of a unit's journal, if the role read one.
    """

    task: str
    role: str
    play: str
    path: str
    action: str
    fault: Fault
    unreachable: bool = False
    journal: JournalLines | None = None


@dataclass(slots=True)
class HostResult:
    """What happened on one host; the counters are tasks, as in Ansible's own recap."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    rescued: int = 0
    changed_tasks: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    running: str = ""
    """The task that is in progress, or empty."""

    @property
    def status(self) -> str:
        """`failed`, `unreachable`, `unfinished` (the run was cut off), `changed` or `ok`."""
        if self.failed:
            return "failed"
        if self.unreachable:
            return "unreachable"
        if self.running:
            return "unfinished"
        return "changed" if self.changed else "ok"

    def as_json(self) -> dict[str, Any]:
        """Return the result as the journal and `--json` hold it."""
        row: dict[str, Any] = {"status": self.status}
        row |= {
            name: getattr(self, name)
            for name in ("ok", "changed", "failed", "unreachable", "skipped", "rescued")
        }
        row["changed_tasks"] = self.changed_tasks
        if self.running:
            row["in_progress"] = self.running
        if self.failed or self.unreachable:
            last = self.failures[-1] if self.failures else None
            row["failure"] = (
                {"task": last.task, "role": last.role, "message": last.fault.message} if last else {}
            )
        return row


class Tally:
    """Counts while a run goes on. Feed it every event, in order."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostResult] = {}
        self.plays: list[str] = []
        self.messages: list[str] = []
        self.tables: tuple[Table, ...] = ()
        self.started = time.monotonic()
        self._journals: dict[str, JournalLines] = {}

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if event.kind is Kind.PLAY:
            self.plays.append(event.play)
        elif event.kind is Kind.MESSAGE and event.text.strip():
            self.messages.append(event.text)
        elif event.kind is Kind.STATS:
            self._settle(event)
        elif event.host:
            self._count(self.hosts.setdefault(event.host, HostResult()), event)

    def _count(self, host: HostResult, event: Event) -> None:
        host.running = event.task if event.kind is Kind.START else ""
        if event.kind is Kind.OK:
            host.ok += 1
            if event.changed:
                host.changed += 1
                host.changed_tasks.append(task_title(event.role, event.task))
            if event.journal is not None:
                self._journals[event.host] = event.journal
        elif event.kind is Kind.SKIPPED:
            host.skipped += 1
        elif event.kind is Kind.FAILED and event.ignored:
            host.ok += 1
        elif event.kind in (Kind.FAILED, Kind.UNREACHABLE):
            unreachable = event.kind is Kind.UNREACHABLE
            host.unreachable += unreachable
            host.failed += not unreachable
            host.failures.append(
                Failure(
                    task=event.task,
                    role=event.role,
                    play=event.play,
                    path=event.path,
                    action=event.action,
                    fault=event.fault or Fault(),
                    unreachable=unreachable,
                    journal=self._journals.get(event.host),
                )
            )

    def _settle(self, event: Event) -> None:
        """Replace our counters by Ansible's own: only it knows which failures a rescue took back.

        With several playbooks in one run they come once per playbook and are running totals.
        """
        stats = event.stats
        # Custom statistics are running totals too: the last ones hold all.
        self.tables = event.tables or self.tables
        for name in {name for counter in stats.values() for name in counter}:
            host = self.hosts.setdefault(name, HostResult())
            host.ok = stats["ok"].get(name, 0)
            host.changed = stats["changed"].get(name, 0)
            host.failed = stats["failures"].get(name, 0)
            host.unreachable = stats["dark"].get(name, 0)
            host.skipped = stats["skipped"].get(name, 0)
            host.rescued = stats["rescued"].get(name, 0)
            host.running = ""


@dataclass(slots=True)
class RunResult:
    """How a run ended.

    Args:
        status: `ok`, `failed`, `unreachable`, `interrupted` or `error` (Ansible itself gave up).
        hosts: The result of every host that a play addressed.
        seconds: From start to end.
        ansible_status: The exit status of ansible-playbook.
        error: For `error`, what Ansible said.
        done_nothing: No play was started.
        tables: What roles have to show at the end.
    """

    status: str
    hosts: dict[str, HostResult]
    seconds: float
    ansible_status: int
    error: str = ""
    done_nothing: bool = False
    tables: tuple[Table, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """The process status: a failed host (1) weighs more than an unreachable one (4)."""
        codes = {
            "ok": ExitCode.OK,
            "failed": ExitCode.FAILED,
            "unreachable": ExitCode.UNREACHABLE,
            "interrupted": ExitCode.INTERRUPTED,
        }
        return codes.get(self.status, ExitCode.USAGE if self.done_nothing else ExitCode.FAILED)

    @property
    def changed(self) -> int:
        """Changed tasks on all hosts together."""
        return sum(host.changed for host in self.hosts.values())

    def with_status(self, *statuses: str) -> list[str]:
        """Return the names of the hosts in one of these states."""
        return sorted(name for name, host in self.hosts.items() if host.status in statuses)


def conclude(tally: Tally, ansible_status: int, *, interrupted: bool) -> RunResult:
    """Return the result of a run that has ended.

    Args:
        tally: With every event.
        ansible_status: The exit status of ansible-playbook.
        interrupted: A person stopped it.
    """
    status = _worst(tally.hosts) or ("error" if ansible_status else "ok")
    if interrupted:
        status = "interrupted"
    return RunResult(
        status=status,
        hosts=tally.hosts,
        seconds=time.monotonic() - tally.started,
        ansible_status=ansible_status,
        error=_complaint(tally.messages) if status == "error" else "",
        done_nothing=not tally.plays,
        tables=tally.tables,
    )


def with_lost(result: RunResult, earlier: RunResult) -> RunResult:
    """Return a result that also has the hosts which an earlier part of the same run lost."""
    lost = earlier.with_status("failed", "unreachable")
    hosts = {**{name: earlier.hosts[name] for name in lost}, **result.hosts}
    status = (_worst(hosts) or "ok") if result.status in ("ok", "failed", "unreachable") else result.status
    seconds = earlier.seconds + result.seconds
    return replace(result, hosts=hosts, status=status, seconds=seconds)


def _worst(hosts: Mapping[str, HostResult]) -> str:
    """Return `failed` or `unreachable` if a host is, else nothing."""
    states = {host.status for host in hosts.values()}
    return next((status for status in ("failed", "unreachable") if status in states), "")


def _complaint(messages: list[str]) -> str:
    """Return what Ansible gave as its reason: from the line that says error, else its last lines."""
    lines = [line.rstrip() for text in messages for line in text.splitlines() if line.strip()]
    marks = [number for number, line in enumerate(lines) if _COMPLAINT.search(line)]
    return "\n".join(lines[marks[-1] :][:_COMPLAINT_LINES] if marks else lines[-_COMPLAINT_LINES:])


def task_title(role: str, task: str) -> str:
    """Return a task's name with its role's short name in front, as Ansible prints it."""
    short = role.rpartition(".")[2]
    return f"{short}: {task}" if short and not task.startswith(f"{short} :") else task

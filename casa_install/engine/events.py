"""What Ansible reports while it runs, as a typed model; whatever is missing or odd becomes empty."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from casa_install.engine.answers import parse_answer
from casa_install.engine.foreseen import FileDiff, StateResult, parse_diffs, parse_state
from casa_install.engine.receipts import HostReceipts, parse_receipts
from casa_install.engine.tables import Table, parse_tables

_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
_TAIL_LINES = 20


class Kind(StrEnum):
    """What an event tells."""

    PLAY = "play"
    TASK = "task"
    START = "start"
    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    STATS = "stats"
    NO_HOSTS = "no_hosts"
    MESSAGE = "message"
    OTHER = "other"


_KINDS = {
    "playbook_on_play_start": Kind.PLAY,
    "playbook_on_task_start": Kind.TASK,
    "runner_on_start": Kind.START,
    "runner_on_ok": Kind.OK,
    "runner_on_skipped": Kind.SKIPPED,
    "runner_on_failed": Kind.FAILED,
    "runner_on_async_failed": Kind.FAILED,
    "runner_on_unreachable": Kind.UNREACHABLE,
    "playbook_on_stats": Kind.STATS,
    "playbook_on_no_hosts_matched": Kind.NO_HOSTS,
    "verbose": Kind.MESSAGE,
    "debug": Kind.MESSAGE,
    "warning": Kind.MESSAGE,
    "system_warning": Kind.MESSAGE,
    "deprecated": Kind.MESSAGE,
    "error": Kind.MESSAGE,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What a module said when it failed.

    Args:
        message: Its `msg`, and those of failed loop items.
        stderr: The last lines of standard error of a command that failed.
        stdout: Likewise of standard output.
        status: The command's exit status.
        censored: The task hides its result (`no_log`); nothing of it is shown.
    """

    message: str = ""
    stderr: str = ""
    stdout: str = ""
    status: int | None = None
    censored: bool = False


@dataclass(frozen=True, slots=True)
class JournalLines:
    """What a role read from a unit's journal before it gave up."""

    unit: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One event.

    Args:
        kind: What it tells.
        text: What Ansible printed with it, without terminal codes.
        host: The host, or empty.
        play: The name of the play.
        role: The role, with its collection where known.
        task: The task's name as the playbook gives it.
        action: The module.
        path: `file:line` of the task.
        changed: The task changed the host (or, with `--check`, would).
        ignored: A failure that the task ignores.
        duration: Seconds that the task took on this host.
        created: ISO 8601.
        fault: What went wrong.
        journal: A journal that this task read.
        stats: Per counter (`ok`, `changed`, `failures`, `dark`, ...), per host.
        tables: What roles have to show at the end.
        state: What `casa_state` said.
        diffs: How files change, with `--diff`.
        receipts: What the host has of ours, where the task asked for it.
        notice: What somebody has to know while the run goes on.
        answer: What the host said of its health, where the task asked for it.
    """

    kind: Kind
    text: str = ""
    host: str = ""
    play: str = ""
    role: str = ""
    task: str = ""
    action: str = ""
    path: str = ""
    changed: bool = False
    ignored: bool = False
    duration: float = 0.0
    created: str = ""
    fault: Fault | None = None
    journal: JournalLines | None = None
    stats: dict[str, dict[str, int]] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    state: StateResult | None = None
    diffs: tuple[FileDiff, ...] = ()
    receipts: HostReceipts | None = None
    notice: str = ""
    answer: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the event for `events.jsonl`: no results, which may hold what a host keeps to itself."""
        row: dict[str, Any] = {"time": self.created, "event": str(self.kind)}
        for name in ("play", "role", "task", "host", "changed", "ignored"):
            if value := getattr(self, name):
                row[name] = value
        if self.duration:
            row["seconds"] = round(self.duration, 3)
        if self.fault is not None:
            row["message"] = self.fault.message
        if self.stats:
            row["stats"] = self.stats
        return row


def plain_text(text: str) -> str:
    """Return text from a host without terminal control codes, so that it can only be read."""
    return _TERMINAL_CODES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def parse_event(raw: Mapping[str, Any]) -> Event:
    """Return the typed form of one of ansible-runner's events; never raises on odd input."""
    data = _mapping(raw.get("event_data"))
    kind = _KINDS.get(_text(raw.get("event")), Kind.OTHER)
    result = _mapping(data.get("res"))
    failed = kind in (Kind.FAILED, Kind.UNREACHABLE)
    return Event(
        kind=kind,
        text=plain_text(_text(raw.get("stdout"))),
        host=_text(data.get("host")),
        play=_text(data.get("name") or data.get("play")) if kind is Kind.PLAY else _text(data.get("play")),
        role=_text(data.get("resolved_role") or data.get("role")),
        task=_text(data.get("task")),
        action=_text(data.get("task_action")),
        path=_text(data.get("task_path")),
        changed=kind is Kind.OK and result.get("changed") is True,
        ignored=data.get("ignore_errors") is True,
        duration=_number(data.get("duration")),
        created=_text(raw.get("created")),
        fault=_fault(result) if failed else None,
        journal=_journal(result) if kind is Kind.OK else None,
        stats=_stats(data) if kind is Kind.STATS else {},
        tables=parse_tables(data.get("artifact_data")) if kind is Kind.STATS else (),
        state=parse_state(_text(data.get("task_action")), result) if kind in (Kind.OK, Kind.FAILED) else None,
        diffs=parse_diffs(result) if kind is Kind.OK else (),
        receipts=parse_receipts(result) if kind is Kind.OK else None,
        notice=_notice(result) if kind is Kind.OK else "",
        answer=parse_answer(result.get("stdout")) if kind is Kind.OK else None,
    )


def _fault(result: Mapping[str, Any]) -> Fault:
    if "censored" in result or result.get("_ansible_no_log") is True:
        return Fault(message="The task hides its result (no_log).", censored=True)
    status = result.get("rc")
    return Fault(
        message=_message(result),
        stderr=_tail(_text(result.get("stderr") or result.get("module_stderr"))),
        stdout=_tail(_text(result.get("stdout") or result.get("module_stdout"))),
        status=status if isinstance(status, int) else None,
    )


def _message(result: Mapping[str, Any]) -> str:
    """Return the module's message, or for a loop those of the items that failed."""
    items = []
    results = result.get("results")
    for item in results if isinstance(results, list) else ():
        if isinstance(item, Mapping) and (item.get("failed") or item.get("unreachable")):
            label = plain_text(_text(item.get("_ansible_item_label"))) if "censored" not in item else ""
            text = "hidden (no_log)" if "censored" in item else _own_message(item)
            items.append(f"{label}: {text}" if label else text)
    return "\n".join(items) or _own_message(result)


def _own_message(result: Mapping[str, Any]) -> str:
    message = result.get("msg")
    text = "\n".join(map(str, message)) if isinstance(message, list) else _text(message)
    return plain_text(text or _text(result.get("reason"))).strip()


def _journal(result: Mapping[str, Any]) -> JournalLines | None:
    """Return a journal where the task was `journalctl ... -u UNIT`; a role's rescue block reads it so."""
    command = result.get("cmd")
    words = command.split() if isinstance(command, str) else []
    if isinstance(command, list):
        words = [str(word) for word in command]
    if not words or words[0].rpartition("/")[2] != "journalctl" or "censored" in result:
        return None
    unit = ""
    for index, word in enumerate(words):
        if word in ("-u", "--unit") and index + 1 < len(words):
            unit = words[index + 1]
        elif word.startswith("--unit="):
            unit = word.partition("=")[2]
    return JournalLines(unit, tuple(_tail(_text(result.get("stdout"))).splitlines()))


def _notice(result: Mapping[str, Any]) -> str:
    """A role says it with the module debug and the message `{casa_notice: text}`."""
    return plain_text(_text(_mapping(result.get("msg")).get("casa_notice"))).strip()


def _stats(data: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    names = ("ok", "changed", "failures", "dark", "skipped", "rescued", "ignored", "processed")
    return {
        name: {str(host): count for host, count in _mapping(data.get(name)).items() if isinstance(count, int)}
        for name in names
    }


def _tail(text: str) -> str:
    return "\n".join(plain_text(text).strip().splitlines()[-_TAIL_LINES:])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0

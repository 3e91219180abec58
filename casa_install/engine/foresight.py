"""The events of a dry run folded into what an apply would do on each host."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from casa_install.engine.events import Event, Kind
from casa_install.engine.outcome import task_title

if TYPE_CHECKING:
    from pathlib import Path

    from casa_install.engine.foreseen import Difference, FileDiff, StateResult

_Item = TypeVar("_Item")

# They change nothing on a host, whatever they report: a `debug` passes notifications on.
_HARMLESS = frozenset({"debug", "set_fact", "set_stats", "add_host", "group_by", "include_vars", "meta"})


@dataclass(slots=True)
class HostForesight:
    """What an apply would do on one host, as far as can be known.

    Args:
        changes: By the desired state of roles.
        removals: What left a role's list, in phrases.
        steps: Imperative steps that are owed.
        tasks: Other tasks that would change something, by name.
        handlers: What follows a change: reloads and restarts.
        unknown: Tasks that can only be run for real, so what they change is not known.
        drain: What the desired state calls for and an apply leaves, because it would kill users' work.
        left: What is not as it should be and an apply leaves.
        diffs: How files change.
    """

    changes: list[Difference] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    steps: list[Difference] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    drain: list[str] = field(default_factory=list)
    left: list[Difference] = field(default_factory=list)
    diffs: list[FileDiff] = field(default_factory=list)

    @property
    def acts(self) -> bool:
        """Whether an apply would, or for all that is known could, do something."""
        return bool(
            self.changes or self.removals or self.steps or self.tasks or self.handlers or self.unknown
        )


class Foresight:
    """Listens to a dry run."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostForesight] = {}

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if not event.host or event.kind not in (Kind.OK, Kind.SKIPPED, Kind.FAILED):
            return
        host = self.hosts.setdefault(event.host, HostForesight())
        if event.state is not None:
            _take_state(host, event.state)
        elif event.changed and event.action.rpartition(".")[2] not in _HARMLESS:
            _note(host.tasks, task_title(event.role, event.task))
        host.diffs += [diff for diff in event.diffs if diff not in host.diffs]

    def add_notes(self, path: Path) -> None:
        """Take into account what events do not tell: tasks that were left out, and hidden changes.

        Args:
            path: What the callback plugin `foresight` wrote; missing where there was nothing to write.
        """
        if not path.is_file():
            return
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            host = self.hosts.setdefault(row["host"], HostForesight())
            if row["kind"] == "unknown":
                _note(host.unknown, task_title(row["role"], row["task"]))
            elif row["action"].rpartition(".")[2] not in _HARMLESS:
                _note(host.tasks, task_title(row["role"], row["task"]))

    def of(self, name: str) -> HostForesight:
        """Return what is foreseen for a host; handlers are told once, not also as tasks."""
        host = self.hosts.get(name, HostForesight())
        known = {*host.handlers, *host.drain}
        host.tasks = [title for title in host.tasks if title.partition(": ")[2] not in known]
        host.unknown = [title for title in host.unknown if title.partition(": ")[2] not in known]
        return host


def _take_state(host: HostForesight, state: StateResult) -> None:
    lists = {"change": host.changes, "step": host.steps, "report": host.left}
    for item in state.differences:
        if item.verdict in lists:
            _note(lists[item.verdict], item)
    texts = {item.text for item in state.differences}
    for text in state.done:
        if text not in texts:
            _note(host.removals, text)
    for name in state.notify:
        _note(host.handlers, name)
    for name in state.needs_drain:
        _note(host.drain, name)


def _note(items: list[_Item], item: _Item) -> None:
    if item not in items:
        items.append(item)

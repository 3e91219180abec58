"""A receipt read backwards: what removal would do, in order, without touching anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .receipts import Entry, Receipt

# The order in which an apply makes things; removal goes the other way.
PHASES = ("repositories", "packages", "accounts", "files", "units")

HOST_KINDS = frozenset({"file", "directory", "link", "absent", "line", "block", "sysctl", "unit"})
"""Kinds that the engine removes on the host; Ansible's own modules remove packages and accounts."""


@dataclass(frozen=True)
class Step:
    """One thing that removal does.

    `action` is `remove`, `restore` or `keep`; `text` says it in the host's language.
    """

    entry: Entry
    action: str
    text: str


def plan_removal(receipt: Receipt) -> list[Step]:
    """Return the steps that take a role off its host: last made, first gone.

    Only packages, users and groups that we added are removed, and no home directory is. What we replaced is
    restored from the copy that was kept.
    """
    backwards = list(reversed(receipt.entries))
    order = {phase: number for number, phase in enumerate(reversed(PHASES))}
    backwards.sort(key=lambda entry: order.get(entry.phase, 0))
    return [_step(entry) for entry in backwards]


def _came_along(entry: Entry) -> str:
    came = entry.ours.get("came")
    if not came:
        return ""
    return f", and what is needed no longer of the {len(came)} that came along"


def _step_back(entry: Entry) -> Step:
    """What becomes of something that we had removed."""
    path = entry.before.get("path", entry.name)
    if entry.before.get("type") == "absent":
        return Step(entry, "keep", f"nothing to put back for {entry.kind} {entry.name}")
    if entry.kind == "package":
        version = entry.before.get("version", "")
        return Step(
            entry, "keep", f"package {entry.name} {version} was there before; it is not installed again"
        )
    if entry.kind in ("line", "block"):
        return Step(entry, "restore", f"put back the {entry.kind} that we removed from {path}")
    return Step(entry, "restore", f"put back {entry.name}")


def _step(entry: Entry) -> Step:
    if entry.removed:
        return _step_back(entry)
    if entry.kind in ("package", "user", "group"):
        if entry.added:
            suffix = ", keep its home directory" if entry.kind == "user" else _came_along(entry)
            return Step(entry, "remove", f"remove {entry.kind} {entry.name}{suffix}")
        return Step(entry, "keep", f"keep {entry.kind} {entry.name}, which was there before")
    if entry.kind == "unit":
        if entry.added:
            return Step(entry, "remove", f"stop and disable {entry.name}")
        return Step(entry, "restore", f"bring {entry.name} back to how it was")
    if entry.kind == "sysctl":
        value = entry.before.get("value")
        if value is None:
            return Step(entry, "keep", f"leave kernel setting {entry.name} until the next boot")
        return Step(entry, "restore", f"set {entry.name} back to {value}")
    if entry.kind in ("line", "block"):
        what = f"our {entry.kind} in {entry.before.get('path', entry.name)}"
        if entry.added:
            return Step(entry, "remove", f"remove {what}")
        return Step(entry, "restore", f"put back what {what} replaced")
    if entry.added:
        suffix = " if it is empty" if entry.kind == "directory" else ""
        return Step(entry, "remove", f"remove {entry.name}{suffix}")
    if entry.kind == "directory":
        return Step(entry, "keep", f"keep {entry.name}, which was there before")
    return Step(entry, "restore", f"put back {entry.name}")

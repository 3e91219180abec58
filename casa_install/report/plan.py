"""A plan: what an apply would do, per host in the host's language, or as JSON."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from casa_install.engine.events import plain_text
from casa_install.report.cards import failure_cards
from casa_install.report.host_language import host_names, phrases
from casa_install.report.messages import labelled
from casa_install.report.phases import clock

if TYPE_CHECKING:
    from pathlib import Path

    from casa_install.engine.foreseen import Difference, FileDiff
    from casa_install.engine.foresight import Foresight, HostForesight
    from casa_install.engine.outcome import RunResult

_NAMED = 3
"""So many hosts without a change are named; more are counted."""


def plan_text(result: RunResult, foresight: Foresight) -> str:
    """Return the plan for people: a paragraph per host, or per hosts with the same plan.

    Args:
        result: How the dry run ended.
        foresight: What was foreseen.
    """
    same: dict[str, list[str]] = {}
    idle = []
    for name, host in sorted(result.hosts.items()):
        foreseen = foresight.of(name)
        if host.status == "unreachable" and not foreseen.acts:
            same.setdefault("not reached, so nothing is known", []).append(name)
        elif host.status in ("failed", "unreachable", "unfinished"):
            same.setdefault(_cut_off(host.status, foreseen), []).append(name)
        elif not foreseen.acts and not foreseen.drain and not foreseen.left:
            idle.append(name)
        else:
            same.setdefault(_paragraph(foreseen), []).append(name)
    parts = [f"{host_names(names)}: {text}" for text, names in same.items()]
    if idle:
        parts.append(f"{_few(idle)}: nothing to do")
    return "\n".join(parts)


def ending_text(
    result: RunResult, foresight: Foresight, *, run: Path, go_on: str, apply: str, colour: bool
) -> str:
    """Return what follows a plan: failure cards, a verdict, what to do next.

    Args:
        result: How the dry run ended.
        foresight: What was foreseen.
        run: The run directory.
        go_on: The command that makes the plan again for hosts that were lost.
        apply: The command that makes the changes.
        colour: The text goes to a terminal.
    """
    parts = failure_cards(result.hosts, colour=colour)
    parts.append(_verdict(result, foresight))
    if result.status == "error":
        text = "Ansible gave up:\n" + (result.error or "It printed nothing.")
        parts.append(labelled("Error", text, colour=colour))
    last = [labelled("Log", str(run / "log"))]
    if result.status != "ok":
        last.append(labelled("Go on", go_on, width=1000))
    elif has_changes(result, foresight):
        last.append(labelled("Next", apply, width=1000))
    return "\n\n".join([*parts, "\n".join(last)])


def plan_json(
    result: RunResult, foresight: Foresight, *, exit_code: int, run: Path, go_on: str
) -> dict[str, Any]:
    """Return the plan as the one object that `--json` prints."""
    return {
        "verb": "plan",
        "status": result.status,
        "exit_code": exit_code,
        "changes": has_changes(result, foresight),
        "seconds": round(result.seconds, 1),
        "run": run.name,
        "run_directory": str(run),
        "hosts": {
            name: _host_json(host.status, foresight.of(name)) for name, host in sorted(result.hosts.items())
        },
        "error": result.error,
        "go_on": "" if result.status == "ok" else go_on,
    }


def has_changes(result: RunResult, foresight: Foresight) -> bool:
    """Tell whether an apply would, or for all that is known could, do something on any host."""
    return any(foresight.of(name).acts for name in result.hosts)


def _paragraph(host: HostForesight) -> str:
    done = [*phrases(host.changes), *host.removals, *(item.text for item in host.steps), *host.tasks]
    text = ", ".join(map(_line, done)) or "nothing that can be known before"
    if not host.acts:
        text = "nothing to do"
    rows = [
        ("Then", ", ".join(map(_line, host.handlers))),
        ("Unknown", _unknown(host)),
        ("Drain", _drain(host)),
        ("Left", "\n".join(_told(item) for item in host.left)),
    ]
    lines = [text, *(labelled(label, row) for label, row in rows if row)]
    return "\n".join([*lines, *(_diff_text(diff) for diff in host.diffs)])


def _unknown(host: HostForesight) -> str:
    if not host.unknown:
        return ""
    return f"{', '.join(map(_line, host.unknown))}: can only be run for real, so what it changes is not known"


def _drain(host: HostForesight) -> str:
    if not host.drain:
        return ""
    return (
        f"{', '.join(map(_line, host.drain))}: would end users' work, so it waits until the host is drained"
    )


def _told(item: Difference) -> str:
    details = f" ({'; '.join(map(_line, item.details))})" if item.details else ""
    return f"{_line(item.text)}{details}"


def _cut_off(status: str, host: HostForesight) -> str:
    ends = {
        "failed": "the plan ends at a failure, told below",
        "unreachable": "the plan ends where the connection was lost",
    }
    end = ends.get(status, "the plan is not complete")
    return f"{_paragraph(host)}\n{labelled('Note', end)}" if host.acts else end


def _few(names: list[str]) -> str:
    return host_names(names) if len(names) <= _NAMED else f"{len(names)} hosts"


def _diff_text(diff: FileDiff) -> str:
    if diff.prepared:
        body = diff.prepared.splitlines()
    else:
        lines = difflib.unified_diff(
            diff.before.splitlines(), diff.after.splitlines(), diff.name, diff.name, lineterm=""
        )
        body = list(lines)
    return "\n".join(f"    {_line(line, keep_space=True)}" for line in body)


def _verdict(result: RunResult, foresight: Foresight) -> str:
    changing = sum(foresight.of(name).acts for name in result.hosts)
    total = f"{len(result.hosts)} host{'' if len(result.hosts) == 1 else 's'}"
    known = len(result.with_status("ok", "changed"))
    what = f"{changing} of {total} would change" if changing else f"nothing to do on {known} of {total}"
    words = {
        "ok": f"Plan: {what}; nothing was changed",
        "failed": f"The plan is not complete, {len(result.with_status('failed'))} of {total} failed: {what}",
        "unreachable": f"Plan without {len(result.with_status('unreachable'))} of {total}, "
        f"which could not be reached: {what}",
        "interrupted": "Interrupted; the plan is not complete",
        "error": "There is no plan",
    }
    return f"{words[result.status]}, {clock(result.seconds)}."


def _host_json(status: str, host: HostForesight) -> dict[str, Any]:
    known = status in ("ok", "changed")
    return {
        "status": ("changes" if host.acts else "nothing") if known else status,
        "summary": [*phrases(host.changes), *host.removals],
        "changes": [item.as_json() for item in host.changes],
        "removals": host.removals,
        "steps": [item.as_json() for item in host.steps],
        "tasks": host.tasks,
        "handlers": host.handlers,
        "unknown": host.unknown,
        "needs_drain": host.drain,
        "left": [item.as_json() for item in host.left],
        "diff": [
            {"name": diff.name, "before": diff.before, "after": diff.after, "prepared": diff.prepared}
            for diff in host.diffs
        ],
    }


def _line(text: str, *, keep_space: bool = False) -> str:
    """What a host says is only ever one line of plain text here."""
    plain = plain_text(text)
    return plain.replace("\n", " ") if keep_space else " ".join(plain.split())

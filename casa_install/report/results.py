"""How a run is announced and how its end is told, to people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.report.cards import failure_cards
from casa_install.report.messages import labelled
from casa_install.report.phases import clock
from casa_install.report.tables import table_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from casa_install.engine.outcome import RunResult

_SHOWN_HOSTS = 6


def site_lines(groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what will be on which hosts: one line per group of ours that has hosts.

    Args:
        groups: The hosts of each group of the inventory; only ours are shown.
    """
    lines = []
    width = max((len(group) for group in groups), default=0)
    for group, members in groups.items():
        hosts = sorted(members)
        if hosts:
            more = f" and {len(hosts) - _SHOWN_HOSTS} more" if len(hosts) > _SHOWN_HOSTS else ""
            lines.append(f"  {group:<{width}}  {len(hosts):>4}  {', '.join(hosts[:_SHOWN_HOSTS])}{more}")
    return lines


def result_text(
    result: RunResult, *, run: Path, go_on: str, next_step: str, check: bool, colour: bool
) -> str:
    """Return the end of a run for people: cards first, then one line per host, then what to do next.

    Args:
        result: What happened.
        run: The run directory.
        go_on: The command that continues, for a run that did not end well.
        next_step: What to do after one that did.
        check: Nothing was really changed (`--check`).
        colour: The text goes to a terminal.
    """
    parts = failure_cards(result.hosts, colour=colour)
    if result.hosts:
        parts.append("\n".join(_table(result)))
    parts += [table_text(table) for table in result.tables]
    parts.append(_verdict(result, check=check))
    if result.status == "error":
        parts.append(
            labelled("Error", "Ansible gave up:\n" + (result.error or "It printed nothing."), colour=colour)
        )
    last = [labelled("Log", str(run / "log"))]
    if result.status == "ok":
        last += [labelled("Next", next_step)] if next_step else []
    else:
        last.append(labelled("Go on", go_on, width=1000))
    return "\n\n".join([*parts, "\n".join(last)])


def result_json(result: RunResult, *, verb: str, run: Path, check: bool, go_on: str) -> dict[str, Any]:
    """Return the end of a run as the one object that `--json` prints."""
    return {
        "verb": verb,
        "status": result.status,
        "exit_code": int(result.exit_code),
        "check": check,
        "changed": result.changed,
        "seconds": round(result.seconds, 1),
        "run": run.name,
        "run_directory": str(run),
        "report": [table.as_json() for table in result.tables],
        "hosts": {name: host.as_json() for name, host in sorted(result.hosts.items())},
        "error": result.error,
        "go_on": "" if result.status == "ok" else go_on,
    }


def in_progress(result: RunResult) -> list[str]:
    """Return `host: task` for what was in progress when a run was interrupted."""
    return [f"{name}: {host.running}" for name, host in sorted(result.hosts.items()) if host.running]


def _table(result: RunResult) -> list[str]:
    width = max(len("host"), *(len(name) for name in result.hosts))
    lines = [f"{'host':<{width}}  {'result':<11}  {'ok':>5}  {'changed':>7}  {'failed':>6}"]
    for name, host in sorted(result.hosts.items()):
        lines.append(f"{name:<{width}}  {host.status:<11}  {host.ok:>5}  {host.changed:>7}  {host.failed:>6}")
    return lines


def _verdict(result: RunResult, *, check: bool) -> str:
    hosts = f"{len(result.hosts)} host{'' if len(result.hosts) == 1 else 's'}"
    changes = (
        "no change" if not result.changed else f"{result.changed} change{'' if result.changed == 1 else 's'}"
    )
    if check and result.changed:
        changes += " to be made (--check: nothing was changed)"
    words = {
        "ok": "Done",
        "failed": f"Failed on {len(result.with_status('failed'))} of {hosts}",
        "unreachable": f"Done, but {len(result.with_status('unreachable'))} of {hosts} could not be reached",
        "interrupted": "Interrupted",
        "error": "Not done",
    }
    text = f"{words[result.status]}: {hosts}, {changes}, {clock(result.seconds)}."
    return "\n".join([text, *(f"  In progress on {line}" for line in in_progress(result))])

"""Past runs as a table and as a page."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import TYPE_CHECKING

from casa_install.report.messages import labelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.engine.rundir import Journal


def runs_table(journals: Sequence[Journal]) -> str:
    """Return one line per run."""
    rows = [("run", "result", "hosts", "started")]
    rows += [
        (run.id, run.status, str(len(run.hosts)) if run.hosts else "", _local(run.started))
        for run in journals
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def run_page(run: Journal, directory: str) -> str:
    """Return all that a journal says about a run."""
    lines = [
        labelled("Run", run.id),
        labelled("Command", shlex.join(["casa-install", *run.command]), width=1000),
        labelled("Started", f"{_local(run.started)} on {run.host}, pid {run.pid}"),
        labelled("Ended", _local(run.finished) if run.finished else "-"),
        labelled("Result", _result(run)),
        labelled("Files", directory, width=1000),
    ]
    if run.error:
        lines.append(labelled("Error", run.error))
    if run.hosts:
        width = max(len(name) for name in run.hosts)
        lines.append("")
        for name, host in sorted(run.hosts.items()):
            lines.append(f"{name:<{width}}  {host.get('status', '?'):<11}  {host.get('changed', 0)} changed")
            lines += [f"{'':<{width}}    {task}" for task in host.get("changed_tasks", ())]
            if failure := host.get("failure"):
                lines.append(
                    f"{'':<{width}}    failed: {failure.get('task', '')}: {failure.get('message', '')}"
                )
    return "\n".join(lines)


def _result(run: Journal) -> str:
    if run.status == "died":
        return "died: casa-install was killed or this computer restarted; the same command goes on from there"
    return run.status if run.exit_code is None else f"{run.status} (exit status {run.exit_code})"


def _local(time: str) -> str:
    try:
        return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    except ValueError:
        return time

"""`casa-install runs`: what earlier runs did."""

from __future__ import annotations

import json
from typing import Annotated

import typer

runs_app = typer.Typer(help="Show earlier runs: results, logs and changes.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


@runs_app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the runs that are kept, the newest first."""
    from casa_install.engine.rundir import list_runs
    from casa_install.report.runs import runs_table

    journals = [journal for run in list_runs() if (journal := run.read_journal()) is not None]
    if as_json:
        typer.echo(json.dumps({"runs": [journal.as_json() for journal in journals]}))
    else:
        typer.echo(runs_table(journals) if journals else "There is no run yet.")


@runs_app.command("show")
def show(
    run: Annotated[str, typer.Argument(help="A run's name or the beginning of it, or `last`.")] = "last",
    as_json: JsonOption = False,
    log: Annotated[bool, typer.Option("--log", help="Print what Ansible printed.")] = False,
) -> None:
    """Show one run: command, result, and what changed on which host."""
    from casa_install.engine.rundir import find_run
    from casa_install.errors import CasaError
    from casa_install.report.runs import run_page

    directory = find_run(run)
    if log:
        if not directory.log.is_file():
            raise CasaError(f"{directory.path.name} has no log; it ended before Ansible was started.")
        typer.echo(directory.log.read_text(encoding="utf-8", errors="replace"), nl=False)
        return
    journal = directory.read_journal()
    if journal is None:
        raise CasaError(f"{directory.path} has no readable journal.", hint=f"Look at {directory.log}.")
    typer.echo(json.dumps(journal.as_json()) if as_json else run_page(journal, str(directory.path)))

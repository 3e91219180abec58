"""`casa-install validate`: the static check of a site, without SSH and in less than a second."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.site.check import SiteReport


def validate(
    playbook: Annotated[
        str | None, typer.Argument(help="Variables beside this playbook are checked too.", show_default=False)
    ] = None,
    inventory: Annotated[
        list[str] | None,
        typer.Option("--inventory", "-i", help="May be repeated. Default: $ANSIBLE_INVENTORY."),
    ] = None,
    vault_password_file: Annotated[
        list[str] | None, typer.Option("--vault-password-file", help="File or script.")
    ] = None,
    ask_vault_pass: Annotated[
        bool, typer.Option("--ask-vault-pass", "-J", help="Ask for the vault's password.")
    ] = False,
    vault_id: Annotated[
        list[str] | None, typer.Option("--vault-id", help="label@file or label@prompt.")
    ] = None,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="List the site's own variables too.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output.")
    ] = False,
) -> int:
    """Check an inventory and its variables without contacting any host."""
    from casa_install.engine.playbook import resolve_inventory, resolve_playbook
    from casa_install.site.check import check_site
    from casa_install.site.vault import load_passwords

    directory = resolve_playbook(playbook).directory if playbook else None
    sources = [Path(resolve_inventory(word)[0]) for word in named(inventory or [], "validate")]
    passwords = load_passwords(
        password_files=[Path(name) for name in vault_password_file or ()],
        vault_ids=vault_id or (),
        ask=ask_vault_pass,
    )
    report = check_site(sources, playbook_dir=directory, vault_passwords=passwords)
    if as_json:
        status = ExitCode.OK if report.ok else ExitCode.USAGE
        print(json.dumps({"status": "ok" if report.ok else "error", "exit_code": status, **report.as_json()}))
    else:
        _show(report, verbose=bool(verbose))
    return ExitCode.OK if report.ok else ExitCode.USAGE


def named(words: list[str], verb: str) -> list[str]:
    """Return the inventories as given, or those of Ansible's environment variable, which separates by comma.

    Raises:
        CasaError: There is none.
    """
    words = words or [word for word in os.environ.get("ANSIBLE_INVENTORY", "").split(",") if word]
    if not words:
        raise CasaError(
            "No inventory was named.",
            hint=f"Name yours with -i, for example `casa-install {verb} -i inventories/lab`.",
            exit_code=ExitCode.USAGE,
        )
    return words


def _show(report: SiteReport, *, verbose: bool) -> None:
    from casa_install.report.messages import say
    from casa_install.report.mistakes import mistake_lines
    from casa_install.site.findings import printable

    for line in mistake_lines(report.findings):
        print(line, file=sys.stderr)
    for note in report.notes:
        say("Note", note)
    if verbose and report.site_variables:
        names = ", ".join(printable(name) for name in report.site_variables)
        say("Note", f"variables of the site's own: {names}")
    if report.ok:
        used = sum(1 for name, hosts in report.groups.items() if hosts and name not in ("all", "ungrouped"))
        print(f"site is valid: {_counted(len(report.hosts), 'host')} in {_counted(used, 'group')}")
    else:
        files = len({finding.path for finding in report.findings})
        found = _counted(len(report.findings), "mistake")
        say("Error", f"{found} in {_counted(files, 'file')}; each is named above with its place.")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")

"""`casa-install status`: what hosts and the pool say of themselves, and what somebody should look at."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from casa_install.cli.options import (
    AnsibleArgument,
    AnsibleOptions,
    AsJson,
    AskBecomePass,
    AskPass,
    AskVaultPass,
    ExtraVars,
    Inventory,
    Plain,
    PrivateKey,
    User,
    VaultId,
    VaultPasswordFile,
    Verbose,
    read_target,
)
from casa_install.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.cli.asking import Asked
    from casa_install.health.thresholds import Finding, Thresholds

_VERB = "status"
_LIMITS = "From where on something is a fault"


def status(
    context: typer.Context,
    inventory: Inventory = None,
    token_days: Annotated[
        float, typer.Option(help="Days that a join token must last.", rich_help_panel=_LIMITS)
    ] = 30,
    held: Annotated[int, typer.Option(help="Most jobs that may be held.", rich_help_panel=_LIMITS)] = 100,
    cycle_seconds: Annotated[
        float, typer.Option(help="Longest negotiation cycle.", rich_help_panel=_LIMITS)
    ] = 10,
    cycle_age: Annotated[
        float, typer.Option(help="Seconds since the last negotiation cycle.", rich_help_panel=_LIMITS)
    ] = 600,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print faults only: for cron.")] = False,
    extra_vars: ExtraVars = None,
    verbose: Verbose = 0,
    user: User = None,
    private_key: PrivateKey = None,
    ask_pass: AskPass = False,
    ask_become_pass: AskBecomePass = False,
    ask_vault_pass: AskVaultPass = False,
    vault_password_file: VaultPasswordFile = None,
    vault_id: VaultId = None,
    as_json: AsJson = False,
    plain: Plain = False,
    ansible_argument: AnsibleArgument = None,
) -> int:
    """Show how hosts and the pool are, from the pool itself; ends with 1 where something is wrong."""
    from casa_install.cli.asking import asked
    from casa_install.engine.passwords import Wanted
    from casa_install.health.thresholds import Thresholds

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target("casa.install.status", inventory, wanted, extra_vars)
    options = AnsibleOptions(
        extra_vars=extra_vars, verbose=verbose, user=user, private_key=private_key, rest=ansible_argument
    )
    limits = Thresholds(token_days, held, cycle_seconds, cycle_age)
    with asked(_VERB, context.obj or [_VERB], target, options, plain=plain or as_json, silent=quiet) as found:
        _show(found, limits, quiet=quiet, as_json=as_json)
    return found.exit_code


def _show(found: Asked, limits: Thresholds, *, quiet: bool, as_json: bool) -> None:
    from casa_install.health.status import read_status
    from casa_install.health.thresholds import find
    from casa_install.report.messages import colours_wanted
    from casa_install.report.status import findings_text, status_json, status_text

    picture = read_status(found.answers.hosts, found.groups, found.lost, time.time())
    findings = find(picture, limits)
    found.exit_code = _exit_code(findings, found)
    if as_json:
        row = {"verb": _VERB, "exit_code": found.exit_code, "run": found.run}
        print(json.dumps(row | status_json(picture, findings)), flush=True)
        return
    if not quiet:
        print(status_text(picture) + "\n", flush=True)
    if findings or not quiet:
        print(findings_text(findings, colour=colours_wanted(sys.stdout)), flush=True)


def _exit_code(findings: Sequence[Finding], found: Asked) -> int:
    """Hosts that cannot be reached have a status of their own, if nothing else is wrong."""
    if not findings:
        return int(ExitCode.OK)
    unreachable = set(found.answers.unreachable)
    only_lost = unreachable and all(finding.where in unreachable for finding in findings)
    return int(ExitCode.UNREACHABLE if only_lost else ExitCode.FAILED)

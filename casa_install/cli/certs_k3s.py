"""`casa-install certs k3s` and `certs rotate-k3s`: the certificates that k3s makes for its own nodes."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casa_install.cli.options import (
    AnsibleOptions,
    AsJson,
    AskBecomePass,
    AskPass,
    AskVaultPass,
    ExtraVars,
    Inventory,
    Limit,
    Plain,
    PrivateKey,
    User,
    VaultId,
    VaultPasswordFile,
    Verbose,
    read_target,
    require_hosts,
    require_terminal,
)
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casa_install.cli.options import Target
    from casa_install.engine.job import Job

_GROUPS = ("k3s_server", "k3s_agent")
_DAY = 86400


def show(
    inventory: Inventory = None,
    extra_vars: ExtraVars = None,
    user: User = None,
    private_key: PrivateKey = None,
    ask_pass: AskPass = False,
    ask_become_pass: AskBecomePass = False,
    ask_vault_pass: AskVaultPass = False,
    vault_password_file: VaultPasswordFile = None,
    vault_id: VaultId = None,
    as_json: AsJson = False,
    plain: Plain = False,
) -> int:
    """Show how many days the certificates of k3s's nodes are still valid; changes nothing."""
    from casa_install.engine.job import begun
    from casa_install.engine.passwords import Wanted
    from casa_install.health.answers import AnswerReader
    from casa_install.report.progress import progress_on

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target("casa.install.status", inventory, wanted, extra_vars)
    require_hosts(target, _GROUPS)
    options = AnsibleOptions(
        limit=":".join(_GROUPS), extra_vars=extra_vars, user=user, private_key=private_key
    )
    job = _job("certs", ["certs", "k3s"], target, options, exclusive=False)
    reader = AnswerReader()
    with begun(job) as run:
        with progress_on(sys.stderr, plain=plain or as_json) as progress:
            result = run.play(progress, listen=reader.add)
        said = {
            host: answer["k3s"]["certificates"] for host, answer in reader.hosts.items() if "k3s" in answer
        }
        lost = dict.fromkeys(reader.unreachable, "it cannot be reached over SSH") | reader.faults
        code = ExitCode.FAILED if reader.faults else ExitCode.UNREACHABLE if lost else result.exit_code
        run.close(result, int(code))
    rows = days_left(said, time.time())
    if as_json:
        print(json.dumps({"verb": "certs k3s", "exit_code": int(code), "nodes": rows, "lost": lost}))
    else:
        print(days_text(rows))
        for host, why in sorted(lost.items()):
            print(f"{host}: {why}", file=sys.stderr)
    return int(code)


def days_left(said: Mapping[str, Mapping[str, float]], now: float) -> list[dict[str, Any]]:
    """Return, for each node, its certificates and the days until each ends, those that end first first."""
    found = []
    for host, ends in said.items():
        days = {name: round((end - now) / _DAY, 1) for name, end in sorted(ends.items(), key=lambda e: e[1])}
        if days:
            found.append({"host": host, "days": next(iter(days.values())), "certificates": days})
    return sorted(found, key=lambda row: (row["days"], row["host"]))


def days_text(rows: list[dict[str, Any]]) -> str:
    """Return them as a table."""
    from casa_install.engine.tables import Table
    from casa_install.report.tables import table_text

    lines = [
        (row["host"], f"{row['days']:.0f}", next(iter(row["certificates"])), str(len(row["certificates"])))
        for row in rows
    ]
    title = "Days until the first of a node's certificates ends"
    return table_text(Table(title, ("host", "days", "which", "certificates"), tuple(lines)))


def rotate(
    context: typer.Context,
    inventory: Inventory = None,
    limit: Limit = None,
    extra_vars: ExtraVars = None,
    verbose: Verbose = 0,
    user: User = None,
    private_key: PrivateKey = None,
    ask_pass: AskPass = False,
    ask_become_pass: AskBecomePass = False,
    ask_vault_pass: AskVaultPass = False,
    vault_password_file: VaultPasswordFile = None,
    vault_id: VaultId = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the run.")] = False,
    as_json: AsJson = False,
    plain: Plain = False,
) -> int:
    """Renew the certificates of k3s's nodes, one node after the other; k3s is started anew, pods run on."""
    from casa_install.engine.command import again
    from casa_install.engine.job import begun
    from casa_install.engine.passwords import Wanted
    from casa_install.report.messages import colours_wanted
    from casa_install.report.progress import progress_on
    from casa_install.report.results import result_json, result_text

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target("casa.install.certificates", inventory, wanted, extra_vars)
    require_hosts(target, _GROUPS)
    if not yes:
        require_terminal(
            "whether to go on", "Give the command with --yes; `casa-install certs k3s` only looks."
        )
        print(
            "k3s is started anew on one node after the other. Go on? [y/N] ",
            end="",
            file=sys.stderr,
            flush=True,
        )
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CasaError("Nothing was done.")
    options = AnsibleOptions(
        limit=limit, extra_vars=extra_vars, verbose=verbose, user=user, private_key=private_key
    )
    job = _job("certs", context.obj or ["certs", "rotate-k3s"], target, options, exclusive=True)
    with begun(job) as run:
        with progress_on(sys.stderr, plain=plain or as_json) as progress:
            result = run.play(progress)
        run.close(result)
    go_on = again(job.command)
    text = result_text(
        result,
        run=run.directory.path,
        go_on=go_on,
        next_step="`casa-install certs k3s` shows all of them",
        check=False,
        colour=colours_wanted(sys.stderr),
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    if as_json:
        row = result_json(result, verb="certs rotate-k3s", run=run.directory.path, check=False, go_on=go_on)
        print(json.dumps(row), flush=True)
    return int(result.exit_code)


def _job(verb: str, command: list[str], target: Target, options: AnsibleOptions, *, exclusive: bool) -> Job:
    from casa_install.engine.job import Job

    return Job(
        verb=verb,
        command=command,
        playbook=target.playbook,
        inventories=target.inventories,
        site=target.site,
        passwords=target.passwords,
        options=options.words(len(target.site.hosts)),
        exclusive=exclusive,
    )

"""`casa-install explain`: what we own on a host, since when, and what would become of it."""

from __future__ import annotations

import difflib
import json
import sys
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
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.cli.options import Target
    from casa_install.engine.job import Job

_VERB = "explain"
_PLAYBOOK = "casa.install.receipts"


def explain(
    context: typer.Context,
    host: Annotated[str, typer.Argument(help="A host of the inventory.")],
    inventory: Inventory = None,
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
    """Print what casa-install owns on a host, since which run, and what an uninstall would do with it."""
    from casa_install.engine.job import Job
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target(_PLAYBOOK, inventory, wanted, extra_vars)
    _require_known(host, target)
    options = AnsibleOptions(
        limit=host,
        extra_vars=extra_vars,
        verbose=verbose,
        user=user,
        private_key=private_key,
        rest=ansible_argument,
    )
    job = Job(
        verb=_VERB,
        command=context.obj or [_VERB, host],
        playbook=target.playbook,
        inventories=target.inventories,
        site=target.site,
        passwords=target.passwords,
        options=options.words(1),
        exclusive=False,  # it reads what is replaced as a whole, so a run that goes on does not disturb it
    )
    return _run(job, host, as_json=as_json, plain=plain)


def _require_known(host: str, target: Target) -> None:
    if host in target.site.hosts:
        return
    close = difflib.get_close_matches(host, target.site.hosts, n=1)
    raise CasaError(
        f"{host} is no host of {', '.join(target.inventories)}.",
        hint=f"Did you mean {close[0]}?" if close else f"Its hosts: {', '.join(target.site.hosts[:8])}.",
        exit_code=ExitCode.USAGE,
    )


def _run(job: Job, host: str, *, as_json: bool, plain: bool) -> int:
    from casa_install.engine.command import again
    from casa_install.engine.job import begun
    from casa_install.engine.removal import ReceiptReader
    from casa_install.report.messages import colours_wanted
    from casa_install.report.progress import progress_on
    from casa_install.report.receipts import explain_json, explain_text
    from casa_install.report.results import result_text

    reader = ReceiptReader()
    with begun(job) as run:
        with progress_on(sys.stderr, plain=plain or as_json) as progress:
            result = run.play(progress, listen=reader.add)
        owned = reader.hosts.get(host)
        code = int(result.exit_code)
        if code == ExitCode.OK and (owned is None or owned.faults):
            code = int(ExitCode.FAILED)
        run.close(result, code)
    if result.status != "ok":
        text = result_text(
            result,
            run=run.directory.path,
            go_on=again(job.command),
            next_step="",
            check=False,
            colour=colours_wanted(sys.stderr),
        )
        print(f"\n{text}", file=sys.stderr, flush=True)
    if as_json:
        row = {"verb": _VERB, "host": host, "status": result.status, "exit_code": code, "run": run.journal.id}
        row |= explain_json(owned) if owned is not None else {"error": result.error}
        print(json.dumps(row), flush=True)
    elif owned is not None:
        print(explain_text(host, owned), flush=True)
    return code

"""`casa-install restore`: bring a cluster back from a backup, onto an empty server."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003  # typer reads the annotations
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
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from casa_install.cluster.backup_file import Backup
    from casa_install.engine.job import Job, Run
    from casa_install.engine.outcome import RunResult

_VERB = "restore"


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What `casa-install backup` wrote.")],
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
    ansible_argument: AnsibleArgument = None,
) -> int:
    """Bring the k3s cluster back from a backup, onto the first server or the one that -l names.

    The server must be empty, and no other server of the cluster may run. Agents find their cluster again by
    themselves; further servers join it with the next apply.
    """
    from casa_install.cluster.backup_file import unseal
    from casa_install.engine.job import Job
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target(f"casa.install.{_VERB}", inventory, wanted, extra_vars)
    require_hosts(target, ("k3s_server",))
    backup = unseal(file, target.passwords.vault)
    options = AnsibleOptions(
        limit=limit,
        extra_vars=extra_vars,
        verbose=verbose,
        user=user,
        private_key=private_key,
        rest=ansible_argument,
    )
    job = Job(
        verb=_VERB,
        command=context.obj or [_VERB],
        playbook=target.playbook,
        inventories=target.inventories,
        site=target.site,
        passwords=target.passwords,
        options=options.words(len(target.site.hosts)),
        hooks=_VERB,
    )
    print("\n".join(_lines(backup, limit)), file=sys.stderr, flush=True)
    if not yes:
        _confirm()
    return _run(job, backup, as_json=as_json, plain=plain or as_json)


def _lines(backup: Backup, limit: str | None) -> list[str]:
    made = datetime.fromtimestamp(backup.made, UTC)
    return [
        f"Backup of the site {backup.site}: k3s {backup.version}, {backup.datastore}, saved on {backup.node} "
        f"{made:%Y-%m-%d %H:%M} UTC.",
        f"Will be restored on {limit or 'the first host of k3s_server'}. "
        "What the cluster was told since then is lost.",
    ]


def _confirm() -> None:
    require_terminal("whether to go on", "Give the command with --yes.")
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CasaError("Nothing was done.")


def _run(job: Job, backup: Backup, *, as_json: bool, plain: bool) -> int:
    from casa_install.engine.job import begun
    from casa_install.engine.rundir import make_private
    from casa_install.report.progress import progress_on

    with begun(job) as run:
        place = make_private(run.directory.path / "plain")
        try:
            archive = place / "k3s.tar.gz"
            archive.touch(mode=0o600)
            archive.write_bytes(backup.archive)
            told = {"site": backup.site, "version": backup.version, "datastore": backup.datastore}
            gate = json.dumps({"casa_restore": {**told, "node": backup.node, "archive": str(archive)}})
            with progress_on(sys.stderr, plain=plain) as progress:
                result = run.play(progress, options=[f"--extra-vars={gate}"])
            if result.status in ("interrupted", "error"):
                _clean_servers(run, plain=plain)
        finally:
            shutil.rmtree(place)
        run.close(result)
    _tell(run, result, as_json=as_json)
    return int(result.exit_code)


def _clean_servers(run: Run, *, plain: bool) -> None:
    """Ansible was cut off, so it did not take away itself what it had brought."""
    from casa_install.report.messages import say
    from casa_install.report.progress import progress_on

    with progress_on(sys.stderr, plain=plain) as progress:
        cleaned = run.play(progress, options=["--tags=clean"], part="cleaning")
    if cleaned.status != "ok":
        say("Note", "the opened backup may still lie on a server, in /var/lib/rancher/k3s/casa-restore")


def _tell(run: Run, result: RunResult, *, as_json: bool) -> None:
    from casa_install.engine.command import again
    from casa_install.report.messages import colours_wanted
    from casa_install.report.results import result_json, result_text

    go_on = again(run.job.command)
    site = " ".join(["casa-install site.yml", *(f"-i {path}" for path in run.job.inventories)])
    text = result_text(
        result,
        run=run.directory.path,
        go_on=go_on,
        next_step=f"`{site}` lets the other servers join; then `casa-install verify`",
        check=False,
        colour=colours_wanted(sys.stderr),
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    if as_json:
        print(
            json.dumps(result_json(result, verb=_VERB, run=run.directory.path, check=False, go_on=go_on)),
            flush=True,
        )

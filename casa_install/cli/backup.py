"""`casa-install backup`: save the cluster's data and keys in one encrypted file on this computer."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from pathlib import Path
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
)
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.engine.job import Job, Run
    from casa_install.engine.outcome import RunResult

_VERB = "backup"
_PLAIN = "plain"


def backup(
    context: typer.Context,
    inventory: Inventory = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIRECTORY", help="Where the file is to be written.")
    ] = Path(),
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
    as_json: AsJson = False,
    plain: Plain = False,
    ansible_argument: AnsibleArgument = None,
) -> int:
    """Save the k3s cluster's data and keys, in one file that the site's vault password opens.

    Keep copies elsewhere. `casa-install restore FILE` brings the cluster back.
    """
    from casa_install.engine.job import Job
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target(f"casa.install.{_VERB}", inventory, wanted, extra_vars)
    require_hosts(target, ("k3s_server",))
    if not target.passwords.vault:
        raise CasaError(
            "A backup holds the cluster's keys and is only written encrypted; no vault password was given.",
            hint="Give --vault-password-file FILE, --vault-id or --ask-vault-pass.",
            exit_code=ExitCode.USAGE,
        )
    if output.exists() and not output.is_dir():
        raise CasaError(f"{output} is no directory; nothing was done.", exit_code=ExitCode.USAGE)
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
    return _run(job, output, as_json=as_json, plain=plain or as_json)


def _run(job: Job, output: Path, *, as_json: bool, plain: bool) -> int:
    from casa_install.cluster.backup_file import read_archive, seal
    from casa_install.engine.job import begun
    from casa_install.report.progress import progress_on

    written: Path | None = None
    with begun(job) as run, _private(run) as place:
        gate = json.dumps({"casa_backup_directory": str(place)})
        with progress_on(sys.stderr, plain=plain) as progress:
            result = run.play(progress, options=[f"--extra-vars={gate}"])
        fetched = place / "k3s.tar.gz"
        if result.status in ("interrupted", "error"):
            _clean_servers(run, plain=plain)
        elif fetched.is_file():
            saved = read_archive(fetched.read_bytes(), "what was fetched")
            written = seal(saved, job.passwords.vault[0], output)
        run.close(result)
    _tell(run, result, written, as_json=as_json)
    return int(result.exit_code)


@contextlib.contextmanager
def _private(run: Run) -> Iterator[Path]:
    """A directory for what is not encrypted yet: gone at the end, and so is that of a killed run."""
    from casa_install.engine.rundir import RUNNING, list_runs, make_private

    for other in list_runs():
        left = other.path / _PLAIN
        journal = other.read_journal() if left.exists() else None
        if left.exists() and (journal is None or journal.status != RUNNING):
            shutil.rmtree(left, ignore_errors=True)
    place = make_private(run.directory.path / _PLAIN)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def _clean_servers(run: Run, *, plain: bool) -> None:
    """Ansible was cut off, so it did not take away itself what it had packed."""
    from casa_install.report.messages import say
    from casa_install.report.progress import progress_on

    with progress_on(sys.stderr, plain=plain) as progress:
        cleaned = run.play(progress, options=['--extra-vars={"casa_backup_clean": true}'], part="cleaning")
    if cleaned.status != "ok":
        say("Note", "what was packed may still lie on a server, in /var/lib/rancher/k3s/server/casa-backup")


def _tell(run: Run, result: RunResult, written: Path | None, *, as_json: bool) -> None:
    from casa_install.engine.command import again
    from casa_install.report.messages import colours_wanted
    from casa_install.report.results import result_json, result_text

    go_on = again(run.job.command)
    text = result_text(
        result,
        run=run.directory.path,
        go_on=go_on,
        next_step=f"keep a copy of {written} elsewhere; `casa-install restore` needs it and the password",
        check=False,
        colour=colours_wanted(sys.stderr),
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    if as_json:
        row = result_json(result, verb=_VERB, run=run.directory.path, check=False, go_on=go_on)
        print(json.dumps(row | {"file": str(written) if written else ""}), flush=True)
    elif written:
        print(written, flush=True)

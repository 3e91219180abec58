"""`casa-install uninstall`: show what would go, have the site's name typed, take it off."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casa_install.cli.options import (
    AnsibleArgument,
    AnsibleOptions,
    AsJson,
    AskBecomePass,
    AskPass,
    AskVaultPass,
    ExtraVars,
    Forks,
    Inventory,
    Limit,
    Plain,
    PrivateKey,
    User,
    VaultId,
    VaultPasswordFile,
    Verbose,
    read_target,
    require_terminal,
)
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.engine.job import Job, Run
    from casa_install.engine.outcome import RunResult
    from casa_install.engine.removal import RemovalPreview

_VERB = "uninstall"
_READ = "casa.install.receipts"
_PREVIEW = "preview"


def uninstall(
    context: typer.Context,
    playbook: Annotated[
        str, typer.Argument(help="A playbook of your own that imports ours and removes your roles.")
    ] = "casa.install.uninstall",
    inventory: Inventory = None,
    limit: Limit = None,
    extra_vars: ExtraVars = None,
    check: Annotated[bool, typer.Option("--check", "-C", help="Only tell what would go.")] = False,
    verbose: Verbose = 0,
    forks: Forks = None,
    user: User = None,
    private_key: PrivateKey = None,
    ask_pass: AskPass = False,
    ask_become_pass: AskBecomePass = False,
    ask_vault_pass: AskVaultPass = False,
    vault_password_file: VaultPasswordFile = None,
    vault_id: VaultId = None,
    yes: Annotated[
        str | None, typer.Option("--yes", "-y", metavar="NAME", help="The site's name; nothing is asked.")
    ] = None,
    as_json: AsJson = False,
    plain: Plain = False,
    ansible_argument: AnsibleArgument = None,
) -> int:
    """Take off hosts what casa-install put there, from the receipts on each; nothing else is touched.

    Hosts that cannot be reached are named and left.
    """
    from casa_install.engine.job import Job
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target(playbook, inventory, wanted, extra_vars)
    options = AnsibleOptions(
        limit=limit,
        extra_vars=extra_vars,
        verbose=verbose,
        forks=forks,
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
        check=check,
        hooks="" if check else _VERB,
    )
    return _run(job, yes, as_json=as_json, plain=plain or as_json)


def _run(job: Job, yes: str | None, *, as_json: bool, plain: bool) -> int:
    from casa_install.engine.job import begun
    from casa_install.engine.outcome import with_lost
    from casa_install.engine.removal import Removed
    from casa_install.report.progress import progress_on

    removed = Removed()
    with begun(job) as run:
        looked, preview = _look(run, plain=plain)
        result = looked
        if looked.status not in ("interrupted", "error") and preview.hosts and not job.check:
            _confirm(preview, yes)
            with progress_on(sys.stderr, plain=plain) as progress:
                done = run.play(progress, options=_chosen(run, preview), listen=removed.add)
            result = with_lost(done, looked)
        missed = removed.missed(preview, result.with_status("ok", "changed")) if result is not looked else {}
        left = preview.left | {
            host: f"nothing here removes role {', '.join(roles)}" for host, roles in missed.items()
        }
        code = int(result.exit_code)
        if left and code in (ExitCode.OK, ExitCode.UNREACHABLE):
            code = int(ExitCode.FAILED)
        run.close(result, code)
    _tell(run, result, preview, left, removed.notes, code=code, as_json=as_json)
    return code


def _look(run: Run, *, plain: bool) -> tuple[RunResult, RemovalPreview]:
    """Read the receipts and show what would go."""
    from casa_install.engine.removal import (
        ReceiptReader,
        foresee_removal,
        known_roles,
        nodes_of_a_cluster_that_stays,
    )
    from casa_install.report.messages import say
    from casa_install.report.progress import progress_on
    from casa_install.report.receipts import preview_text
    from casa_install.site.collection import collection_root
    from casa_install.site.groups import known_groups

    reader = ReceiptReader()
    with progress_on(sys.stderr, plain=plain) as progress:
        result = run.play(progress, playbook=_READ, part=_PREVIEW, listen=reader.add)
    places = [collection_root() / "roles"]
    if run.job.playbook.directory is not None:
        places.append(run.job.playbook.directory / "roles")
    preview = foresee_removal(reader.hosts, known_roles(*places), known_groups().every_host)
    if text := preview_text(preview):
        print(f"\nWould go:\n{text}", file=sys.stderr, flush=True)
    for name in nodes_of_a_cluster_that_stays(preview, run.job.site.groups):
        say(
            "Note",
            f"{name} is a node of a cluster that stays: `casa-install node remove {name}` moves its pods to "
            "other nodes first, and lets the cluster forget it",
        )
    return result, preview


def _confirm(preview: RemovalPreview, yes: str | None) -> None:
    """Have the site's name given.

    Raises:
        CasaError: It is not, or the hosts are not of one site. Nothing was done.
    """
    if len(preview.sites) != 1 or not preview.sites[0]:
        names = ", ".join(map(repr, preview.sites))
        raise CasaError(
            f"The hosts are not of one site: their site_name is {names}; nothing was done.",
            hint="Name the hosts of one site with -l, or set site_name for all of them.",
            exit_code=ExitCode.USAGE,
        )
    site = preview.sites[0]
    given = yes
    if given is None:
        require_terminal(
            "for the site's name", f"Give it with --yes {json.dumps(site)}, or look only, with --check."
        )
        hosts = f"{len(preview.hosts)} host{'' if len(preview.hosts) == 1 else 's'}"
        question = f"\nType the site's name, {site}, to take this off {hosts}: "
        print(question, end="", file=sys.stderr, flush=True)
        given = sys.stdin.readline().strip()
    if given != site:
        raise CasaError(
            f"{given!r} is not the site's name; nothing was done.",
            hint=f"The name is {site!r} (site_name of the inventory).",
            exit_code=ExitCode.USAGE,
        )


def _chosen(run: Run, preview: RemovalPreview) -> list[str]:
    """Return the arguments that choose the hosts that answered and open the playbook's gate."""
    hosts = run.directory.write_hosts(sorted(preview.hosts))
    gate = json.dumps({"casa_uninstall": preview.sites[0]})
    return [f"--limit=@{hosts}", f"--extra-vars={gate}"]


def _tell(
    run: Run,
    result: RunResult,
    preview: RemovalPreview,
    left: dict[str, str],
    notes: dict[str, list[str]],
    *,
    code: int,
    as_json: bool,
) -> None:
    from casa_install.engine.command import go_on_command
    from casa_install.report.messages import colours_wanted, say
    from casa_install.report.receipts import left_lines
    from casa_install.report.results import result_json, result_text

    job = run.job
    directory = run.directory.path
    if not run.directory.log.is_file():
        directory /= _PREVIEW
    go_on = go_on_command(job.command, result)
    next_step = "the same command without --check takes this off" if job.check and preview.hosts else ""
    text = result_text(
        result,
        run=directory,
        go_on=go_on,
        next_step=next_step,
        check=job.check,
        colour=colours_wanted(sys.stderr),
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    for host, items in sorted(notes.items()):
        for item in items:
            say("Note", f"{host}: {item}")
    for line in left_lines(left):
        say("Left", line)
    if result.status == "ok" and not preview.hosts and not left:
        say("Note", "no host has anything of casa-install")
    if as_json:
        row: dict[str, Any] = result_json(
            result, verb=_VERB, run=run.directory.path, check=job.check, go_on=go_on
        )
        row |= {"exit_code": code, "preview": preview.as_json(), "left": left, "notes": notes}
        print(json.dumps(row), flush=True)

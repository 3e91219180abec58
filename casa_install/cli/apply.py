"""`casa-install apply`: check the site, ask, run a playbook, tell what it did."""

from __future__ import annotations

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
    Forks,
    Inventory,
    Limit,
    Plain,
    PrivateKey,
    SkipTags,
    Tags,
    User,
    VaultId,
    VaultPasswordFile,
    Verbose,
    read_target,
    require_terminal,
)
from casa_install.errors import CasaError

if TYPE_CHECKING:
    from casa_install.engine.job import Job
    from casa_install.engine.outcome import RunResult
    from casa_install.engine.rundir import RunDirectory

_VERB = "apply"


def apply(
    context: typer.Context,
    playbook: Annotated[
        str, typer.Argument(help="`site.yml`, or a playbook of your own that imports `casa.install.site`.")
    ],
    inventory: Inventory = None,
    limit: Limit = None,
    tags: Tags = None,
    skip_tags: SkipTags = None,
    extra_vars: ExtraVars = None,
    check: Annotated[bool, typer.Option("--check", "-C", help="Change nothing; tell what would.")] = False,
    diff: Annotated[bool, typer.Option("--diff", "-D", help="Log what changes in files.")] = False,
    verbose: Verbose = 0,
    forks: Forks = None,
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
    """Install and configure what a site's groups say; what is already right is left alone.

    Words after `--` go to ansible-playbook.
    """
    from casa_install.engine.job import Job
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    target = read_target(playbook, inventory, wanted, extra_vars)
    options = AnsibleOptions(
        limit=limit,
        tags=tags,
        skip_tags=skip_tags,
        extra_vars=extra_vars,
        check=check,
        diff=diff,
        verbose=verbose,
        forks=forks,
        user=user,
        private_key=private_key,
        rest=ansible_argument,
    )
    job = Job(
        verb=_VERB,
        command=context.obj or [_VERB, playbook],
        playbook=target.playbook,
        inventories=target.inventories,
        site=target.site,
        passwords=target.passwords,
        options=options.words(len(target.site.hosts)),
        check=check,
        hooks=_VERB,
    )
    _show_site(job, limit)
    if not check and not yes:
        _confirm()
    return _run(job, as_json=as_json, plain=plain)


def _show_site(job: Job, limit: str | None) -> None:
    from casa_install.report.messages import say
    from casa_install.report.results import site_lines
    from casa_install.site.groups import known_groups

    what = "Would change" if job.check else "Will change"
    ours = {name: job.site.groups.get(name, ()) for name in known_groups().names}
    lines = site_lines(ours) or [f"  {len(job.site.hosts)} hosts"]
    for line in [f"{what}, with {job.playbook}:", *lines]:
        print(line, file=sys.stderr)
    if limit:
        say("Note", f"only {limit}")


def _confirm() -> None:
    require_terminal(
        "whether to go on", "Give the command with --yes, or with --check to see what it would do."
    )
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CasaError("Nothing was done.")


def _run(job: Job, *, as_json: bool, plain: bool) -> int:
    from casa_install.engine.job import begun
    from casa_install.report.progress import progress_on

    with begun(job) as run:
        with progress_on(sys.stderr, plain=plain or as_json) as progress:
            result = run.play(progress)
        run.close(result)
    _tell(job, result, run.directory, as_json=as_json)
    return int(result.exit_code)


def _tell(job: Job, result: RunResult, directory: RunDirectory, *, as_json: bool) -> None:
    from casa_install.engine.command import go_on_command
    from casa_install.report.messages import colours_wanted
    from casa_install.report.results import result_json, result_text

    go_on = go_on_command(job.command, result)
    colour = colours_wanted(sys.stderr)
    next_step = _next_step(job, result)
    text = result_text(
        result, run=directory.path, go_on=go_on, next_step=next_step, check=job.check, colour=colour
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    if as_json:
        row = result_json(result, verb=_VERB, run=directory.path, check=job.check, go_on=go_on)
        print(json.dumps(row), flush=True)


def _next_step(job: Job, result: RunResult) -> str:
    if job.check:
        return "the same command without --check makes these changes" if result.changed else ""
    access = sorted(job.site.groups.get("condor_access", ()))
    if access and job.playbook.argument.startswith("casa.install."):
        return f"log in to {access[0]}; `condor_status` shows the pool and `condor_submit` takes jobs"
    return "`casa-install runs show last` lists every change" if result.changed else ""

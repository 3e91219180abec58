"""`casa-install plan`: what an apply would change, per host in the host's language."""

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
)
from casa_install.errors import ExitCode

if TYPE_CHECKING:
    from casa_install.engine.foresight import Foresight
    from casa_install.engine.job import Job
    from casa_install.engine.outcome import RunResult
    from casa_install.engine.rundir import RunDirectory

_VERB = "plan"


def plan(
    context: typer.Context,
    playbook: Annotated[str, typer.Argument(help="The playbook whose changes are wanted: `site.yml`.")],
    inventory: Inventory = None,
    limit: Limit = None,
    tags: Tags = None,
    skip_tags: SkipTags = None,
    extra_vars: ExtraVars = None,
    diff: Annotated[bool, typer.Option("--diff", "-D", help="Show what changes in files.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 3 when something would change.")
    ] = False,
    verbose: Verbose = 0,
    forks: Forks = None,
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
    """Tell what an apply would change on each host; change nothing.

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
        check=True,
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
        check=True,
        hooks="apply",  # they would run in an apply, so their changes belong to the plan
    )
    return _run(job, changes_code=exit_code, as_json=as_json, plain=plain)


def _run(job: Job, *, changes_code: bool, as_json: bool, plain: bool) -> int:
    from casa_install.engine.foresight import Foresight
    from casa_install.engine.job import begun
    from casa_install.report.plan import has_changes
    from casa_install.report.progress import progress_on

    foresight = Foresight()
    with begun(job) as run:
        with progress_on(sys.stderr, plain=plain or as_json) as progress:
            result = run.play(progress, listen=foresight.add)
        foresight.add_notes(run.directory.foresight)
        code = int(result.exit_code)
        if changes_code and code == ExitCode.OK and has_changes(result, foresight):
            code = int(ExitCode.CHANGES)
        run.close(result, code)
    _tell(job, result, foresight, run.directory, code=code, as_json=as_json)
    return code


def _tell(
    job: Job, result: RunResult, foresight: Foresight, directory: RunDirectory, *, code: int, as_json: bool
) -> None:
    from casa_install.engine.command import go_on_command, with_other_verb
    from casa_install.report.messages import colours_wanted
    from casa_install.report.plan import ending_text, plan_json, plan_text

    go_on = go_on_command(job.command, result)
    row = plan_json(result, foresight, exit_code=code, run=directory.path, go_on=go_on)
    directory.write_plan(row)
    print(file=sys.stderr)
    if as_json:
        print(json.dumps(row), flush=True)
    elif text := plan_text(result, foresight):
        print(f"{text}\n", flush=True)
    ending = ending_text(
        result,
        foresight,
        run=directory.path,
        go_on=go_on,
        apply=with_other_verb(job.command, _VERB, "apply", without=("--exit-code", "--json", "--diff", "-D")),
        colour=colours_wanted(sys.stderr),
    )
    print(ending, file=sys.stderr, flush=True)

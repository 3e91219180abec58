"""`casa-install upgrade`: show which nodes are due, ask, bring them to the inventory's release."""

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
    require_hosts,
    require_terminal,
)
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.engine.job import Job, Run
    from casa_install.engine.outcome import RunResult

_VERB = "upgrade"
_PREVIEW = "preview"


def upgrade(
    context: typer.Context,
    inventory: Inventory = None,
    limit: Limit = None,
    batch: Annotated[str, typer.Option(help="Agents at once: a number, or a share such as 25%.")] = "25%",
    extra_vars: ExtraVars = None,
    check: Annotated[bool, typer.Option("--check", "-C", help="Only tell what is due.")] = False,
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
    """Bring k3s to the release that the inventory names: servers one by one, then agents in batches.

    The cluster's data is saved first. One that fails stops the rest; the same command goes on.
    """
    from casa_install.engine.job import Job
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    _require_batch(batch)
    target = read_target(f"casa.install.{_VERB}", inventory, wanted, extra_vars)
    require_hosts(target, ("k3s_server", "k3s_agent"))
    options = AnsibleOptions(
        limit=limit,
        extra_vars=[*(extra_vars or ()), f"casa_batch={batch}"],
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
        hooks="" if check else _VERB,
    )
    return _run(job, check=check, yes=yes, as_json=as_json, plain=plain or as_json)


def _require_batch(batch: str) -> None:
    number = batch.removesuffix("%")
    if (
        not number.isascii()
        or not number.isdigit()
        or not 1 <= int(number) <= (100 if "%" in batch else 10_000)
    ):
        raise CasaError(
            f"--batch {batch} is neither a number of hosts nor a share of them.",
            hint="For example --batch 1, or --batch 25%.",
            exit_code=ExitCode.USAGE,
        )


def _run(job: Job, *, check: bool, yes: bool, as_json: bool, plain: bool) -> int:
    from casa_install.cluster.upgrade_step import left_cordoned
    from casa_install.engine.job import begun
    from casa_install.health.answers import AnswerReader
    from casa_install.report.messages import say
    from casa_install.report.progress import progress_on
    from casa_install.report.tables import table_text

    reader = AnswerReader()
    with begun(job) as run:
        with progress_on(sys.stderr, plain=plain) as progress:
            result = looked = run.play(
                progress,
                playbook=f"casa.install.{_VERB}",
                options=["--tags=look"],
                part=_PREVIEW,
                listen=reader.add,
            )
        said: dict[str, Any] = next(
            (answer["upgrade"] for answer in reader.hosts.values() if "upgrade" in answer), {}
        )
        due = bool(said.get("due"))
        if looked.status == "ok" and due and not check:
            print("\n" + "\n\n".join(map(table_text, looked.tables)), file=sys.stderr, flush=True)
            if not yes:
                _confirm()
            with progress_on(sys.stderr, plain=plain) as progress:
                result = run.play(progress)
            if result.status != "ok":
                for line in left_cordoned(said):
                    say("Note", line)
        run.close(result)
    _tell(run, result, looked is result, due=due, as_json=as_json)
    return int(result.exit_code)


def _confirm() -> None:
    require_terminal("whether to go on", "Give the command with --yes, or with --check to see what is due.")
    print("\nGo on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CasaError("Nothing was done.")


def _tell(run: Run, result: RunResult, only_looked: bool, *, due: bool, as_json: bool) -> None:
    from casa_install.engine.command import go_on_command
    from casa_install.report.messages import colours_wanted
    from casa_install.report.results import result_json, result_text

    directory = run.directory.path / _PREVIEW if only_looked else run.directory.path
    # A part of the hosts is no upgrade's rest: the same command finds what is due.
    go_on = go_on_command(run.job.command, result) if result.status == "unreachable" else _same(run)
    next_step = "the same command without --check upgrades them" if only_looked and due else ""
    if only_looked and not due:
        next_step = "nothing is due: every node runs the release that the inventory names"
    text = result_text(
        result,
        run=directory,
        go_on=go_on,
        next_step=next_step,
        check=False,
        colour=colours_wanted(sys.stderr),
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    if as_json:
        row = result_json(result, verb=_VERB, run=run.directory.path, check=only_looked, go_on=go_on)
        print(json.dumps(row), flush=True)


def _same(run: Run) -> str:
    from casa_install.engine.command import again

    return again(run.job.command)

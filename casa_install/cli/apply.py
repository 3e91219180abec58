"""`casa-install apply`: check the site, ask, run a playbook, tell what it did."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.engine.outcome import RunResult
    from casa_install.engine.passwords import Passwords
    from casa_install.engine.playbook import Playbook
    from casa_install.engine.rundir import Journal, RunDirectory
    from casa_install.site.check import SiteReport

_VERB = "apply"
_ASK, _OUT = "Passwords", "Output"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be run, all questions answered."""

    command: Sequence[str]
    playbook: Playbook
    inventories: Sequence[str]
    site: SiteReport
    passwords: Passwords = field(repr=False)
    options: Sequence[str]
    check: bool
    as_json: bool
    plain: bool


def apply(
    context: typer.Context,
    playbook: Annotated[
        str, typer.Argument(help="`site.yml`, or a playbook of your own that imports `casa.install.site`.")
    ],
    inventory: Annotated[
        list[str] | None,
        typer.Option(
            "--inventory", "-i", envvar="ANSIBLE_INVENTORY", help="May be repeated; later ones override."
        ),
    ] = None,
    limit: Annotated[str | None, typer.Option("--limit", "-l", help="Only these hosts.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tags", "-t", help="Only these tags.")] = None,
    skip_tags: Annotated[list[str] | None, typer.Option("--skip-tags", help="Not these tags.")] = None,
    extra_vars: Annotated[
        list[str] | None, typer.Option("--extra-vars", "-e", help="name=value, or @file.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", "-C", help="Change nothing; tell what would.")] = False,
    diff: Annotated[bool, typer.Option("--diff", "-D", help="Log what changes in files.")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="More in the log.")] = 0,
    forks: Annotated[
        int | None, typer.Option("--forks", "-f", min=1, help="Hosts at once; else 8 per core, at most 32.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Log in as this user.")] = None,
    private_key: Annotated[str | None, typer.Option("--private-key", help="SSH key file.")] = None,
    ask_pass: Annotated[
        bool, typer.Option("--ask-pass", "-k", help="Ask for the SSH password.", rich_help_panel=_ASK)
    ] = False,
    ask_become_pass: Annotated[
        bool, typer.Option("--ask-become-pass", "-K", help="Ask for sudo's password.", rich_help_panel=_ASK)
    ] = False,
    ask_vault_pass: Annotated[
        bool, typer.Option("--ask-vault-pass", "-J", help="Ask for the vault's.", rich_help_panel=_ASK)
    ] = False,
    vault_password_file: Annotated[
        list[str] | None, typer.Option("--vault-password-file", help="File or script.", rich_help_panel=_ASK)
    ] = None,
    vault_id: Annotated[
        list[str] | None, typer.Option("--vault-id", help="label@file or @prompt.", rich_help_panel=_ASK)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the run.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output.", rich_help_panel=_OUT)
    ] = False,
    plain: Annotated[bool, typer.Option("--plain", help="No live display.", rich_help_panel=_OUT)] = False,
    ansible_argument: Annotated[list[str] | None, typer.Option("--ansible-argument", hidden=True)] = None,
) -> int:
    """Install and configure what a site's groups say; what is already right is left alone.

    Words after `--` go to ansible-playbook.
    """
    from casa_install.engine.passwords import Wanted, gather_passwords
    from casa_install.engine.playbook import resolve_playbook
    from casa_install.engine.settings import default_forks

    book = resolve_playbook(playbook)
    inventories = _inventories(inventory or [])
    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    passwords = gather_passwords(wanted)
    site = _checked_site(inventories, book, passwords, extra_vars or [])
    single = {"limit": limit, "user": user, "private-key": private_key}
    repeated = {"tags": tags, "skip-tags": skip_tags, "extra-vars": extra_vars}
    options = [f"--forks={forks or default_forks(len(site.hosts))}"]
    options += [f"--{name}={value}" for name, value in single.items() if value]
    options += [f"--{name}={value}" for name, values in repeated.items() for value in values or ()]
    options += [word for word, given in (("--check", check), ("--diff", diff)) if given]
    options += ["-" + "v" * verbose] if verbose else []
    options += ansible_argument or []
    plan = _Plan(
        context.obj or [_VERB, playbook], book, inventories, site, passwords, options, check, as_json, plain
    )
    _show_site(plan, limit)
    if not check and not yes:
        _confirm()
    return _run(plan)


def _inventories(words: Sequence[str]) -> list[str]:
    from casa_install.engine.playbook import resolve_inventory
    from casa_install.report.messages import say

    if not words:
        raise CasaError(
            "No inventory was named.",
            hint="Name yours with -i, or try the lab: `casa-install lab up`, then `-i inventories/lab`.",
            exit_code=ExitCode.USAGE,
        )
    found = []
    for word in words:
        path, note = resolve_inventory(word)
        found.append(path)
        if note:
            say("Note", note)
    return found


def _checked_site(
    inventories: Sequence[str], playbook: Playbook, passwords: Passwords, extra_vars: Sequence[str]
) -> SiteReport:
    """Return the site as its check saw it.

    Raises:
        SiteMistakesError: It has mistakes, which have been printed.
    """
    from casa_install.engine.command import extra_names
    from casa_install.report.mistakes import SiteMistakesError, mistake_lines
    from casa_install.site.check import check_site

    site = check_site(
        [Path(inventory) for inventory in inventories],
        playbook_dir=playbook.directory,
        vault_passwords=passwords.vault,
        extra_names=extra_names(extra_vars),
    )
    if not site.ok:
        print("\n".join(mistake_lines(site.findings)), file=sys.stderr)
        raise SiteMistakesError(site.findings)
    return site


def _show_site(plan: _Plan, limit: str | None) -> None:
    from casa_install.report.messages import say
    from casa_install.report.results import site_lines
    from casa_install.site.groups import known_groups

    what = "Would change" if plan.check else "Will change"
    ours = {name: plan.site.groups.get(name, ()) for name in known_groups().names}
    lines = site_lines(ours) or [f"  {len(plan.site.hosts)} hosts"]
    for line in [f"{what}, with {plan.playbook}:", *lines]:
        print(line, file=sys.stderr)
    if limit:
        say("Note", f"only {limit}")


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise CasaError(
            "There is no terminal to ask on whether to go on; nothing was done.",
            hint="Give the command with --yes, or with --check to see what it would do.",
            exit_code=ExitCode.USAGE,
        )
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CasaError("Nothing was done.")


def _run(plan: _Plan) -> int:
    from casa_install.engine.command import without_secrets
    from casa_install.engine.hooks import find_hooks
    from casa_install.engine.lock import site_lock
    from casa_install.engine.rundir import begin_run

    hooks = find_hooks(plan.inventories, _VERB)
    with site_lock(plan.inventories, _VERB) as lock:
        directory, journal = begin_run(_VERB, without_secrets(plan.command))
        journal.inventories = list(plan.inventories)
        journal.playbook = plan.playbook.argument
        journal.check = plan.check
        argument = plan.playbook.argument
        if hooks:
            argument = directory.write_playbook(hooks.around(argument))
        try:
            result = _watched(plan, argument, lock, directory)
        except BaseException as error:
            journal.close("error", ExitCode.FAILED, error=getattr(error, "message", type(error).__name__))
            directory.write_journal(journal)
            raise
        _close(journal, directory, result)
    _tell(plan, result, directory)
    return int(result.exit_code)


def _watched(plan: _Plan, argument: str, lock: Path, directory: RunDirectory) -> RunResult:
    from casa_install.engine.playbook import collections_path
    from casa_install.engine.runner import Request, run_playbook
    from casa_install.report.progress import progress_on

    words = [argument, *(f"--inventory={path}" for path in plan.inventories)]
    request = Request(
        arguments=(*words, *plan.passwords.arguments, *plan.options),
        lock=lock,
        collections=collections_path(),
        passwords=plan.passwords.answers,
    )
    with progress_on(sys.stderr, plain=plan.plain or plan.as_json) as progress:
        return run_playbook(request, directory, progress)


def _close(journal: Journal, directory: RunDirectory, result: RunResult) -> None:
    journal.hosts = {name: host.as_json() for name, host in sorted(result.hosts.items())}
    journal.close(result.status, result.exit_code, error=result.error)
    directory.write_journal(journal)


def _tell(plan: _Plan, result: RunResult, directory: RunDirectory) -> None:
    from casa_install.engine.command import again
    from casa_install.report.messages import colours_wanted
    from casa_install.report.results import result_json, result_text

    lost = result.with_status("failed", "unreachable")
    some = lost if len(lost) < len(result.hosts) and result.status in ("failed", "unreachable") else []
    go_on = again(plan.command, limit=some)
    colour = colours_wanted(sys.stderr)
    next_step = _next_step(plan, result)
    text = result_text(
        result, run=directory.path, go_on=go_on, next_step=next_step, check=plan.check, colour=colour
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    if plan.as_json:
        row = result_json(result, verb=_VERB, run=directory.path, check=plan.check, go_on=go_on)
        print(json.dumps(row), flush=True)


def _next_step(plan: _Plan, result: RunResult) -> str:
    if plan.check:
        return "the same command without --check makes these changes" if result.changed else ""
    access = sorted(plan.site.groups.get("condor_access", ()))
    if access and plan.playbook.argument.startswith("casa.install."):
        return f"log in to {access[0]}; `condor_status` shows the pool and `condor_submit` takes jobs"
    return "`casa-install runs show last` lists every change" if result.changed else ""

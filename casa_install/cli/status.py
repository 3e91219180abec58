"""`casa-install status`: what hosts and the pool say of themselves, and what somebody should look at."""

from __future__ import annotations

import json
import shutil
import sys
import time
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
    from collections.abc import Sequence

    from casa_install.engine.passwords import Wanted
    from casa_install.health.k3s import Cluster
    from casa_install.health.notebook import Hub
    from casa_install.health.status import Status
    from casa_install.health.thresholds import Finding, Thresholds
    from casa_install.health.xcache import Cache

_VERB = "status"
_LIMITS = "From where on something is a fault"
_DIRECT = "Without SSH"


def status(
    context: typer.Context,
    inventory: Inventory = None,
    pool: Annotated[
        str | None,
        typer.Option(
            help="Ask this pool (HOST or HOST:PORT of its manager) with a token, and no host over SSH.",
            rich_help_panel=_DIRECT,
        ),
    ] = None,
    token_directory: Annotated[
        Path | None,
        typer.Option(help="Where its tokens are. [default: ~/.condor/tokens.d]", rich_help_panel=_DIRECT),
    ] = None,
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
    from casa_install.health.k3s import read_cluster
    from casa_install.health.notebook import read_hubs
    from casa_install.health.read_status import read_status
    from casa_install.health.thresholds import Thresholds
    from casa_install.health.xcache import read_caches

    limits = Thresholds(token_days, held, cycle_seconds, cycle_age)
    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    if pool is not None:
        picture = _ask_directly(pool, token_directory, inventory, wanted, extra_vars)
        return _show(picture, limits, (), quiet=quiet, as_json=as_json)
    if token_directory is not None:
        raise CasaError(
            "--token-directory belongs to --pool; hosts are asked over SSH without a token.",
            exit_code=ExitCode.USAGE,
        )
    target = read_target("casa.install.status", inventory, wanted, extra_vars)
    options = AnsibleOptions(
        extra_vars=extra_vars, verbose=verbose, user=user, private_key=private_key, rest=ansible_argument
    )
    with asked(_VERB, context.obj or [_VERB], target, options, plain=plain or as_json, silent=quiet) as found:
        picture = read_status(found.answers.hosts, found.groups, found.lost, time.time())
        caches = read_caches(found.answers.hosts, found.caches, found.lost)
        hubs = read_hubs(found.answers.hosts, found.hubs, found.lost)
        cluster = read_cluster(found.answers.hosts, found.nodes, found.lost, time.time())
        found.exit_code = _show(
            picture,
            limits,
            found.answers.unreachable,
            caches=caches,
            hubs=hubs,
            cluster=cluster,
            run=found.run,
            quiet=quiet,
            as_json=as_json,
        )
    return found.exit_code


def _ask_directly(
    pool: str,
    token_directory: Path | None,
    inventory: Sequence[str] | None,
    wanted: Wanted,
    extra_vars: Sequence[str] | None,
) -> Status:
    """Ask the pool alone; an inventory says which hosts it should have."""
    from casa_install.cli.asking import parts_of
    from casa_install.health.pool_api import ask_pool
    from casa_install.health.read_status import read_pool

    target = read_target("casa.install.status", inventory, wanted, extra_vars) if inventory else None
    answer = ask_pool(pool, token_directory)
    return read_pool(answer, parts_of(target) if target else {}, pool, time.time())


def _show(
    picture: Status,
    limits: Thresholds,
    unreachable: Sequence[str],
    *,
    caches: Sequence[Cache] = (),
    hubs: Sequence[Hub] = (),
    cluster: Cluster | None = None,
    run: str = "",
    quiet: bool,
    as_json: bool,
) -> int:
    """Print the picture and what is wrong; return the process status."""
    from casa_install.health.k3s_findings import find_in_cluster
    from casa_install.health.notebook import find_in_hubs
    from casa_install.health.thresholds import find
    from casa_install.health.xcache import find_in_caches
    from casa_install.report.k3s import cluster_json, cluster_text
    from casa_install.report.messages import colours_wanted
    from casa_install.report.notebook import hubs_json, hubs_text
    from casa_install.report.status import findings_text, status_json, status_text
    from casa_install.report.xcache import caches_json, caches_text

    # A site may have caches, or hubs of another site's pool, or a cluster, and no pool.
    pool = bool(picture.hosts) or not (caches or hubs or cluster)
    findings = find(picture, limits) if pool else []
    findings += find_in_caches(caches) + find_in_hubs(hubs) + find_in_cluster(cluster)
    code = _exit_code(findings, set(unreachable))
    if as_json:
        row = {"verb": _VERB, "exit_code": code, "run": run or None}
        more = {"caches": caches_json(caches), "hubs": hubs_json(hubs), "cluster": cluster_json(cluster)}
        shown = {name: said for name, said in more.items() if said}
        print(json.dumps(row | status_json(picture, findings) | shown), flush=True)
        return code
    if not quiet:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        own = status_text(picture, width) if pool else ""
        parts = (own, caches_text(caches), hubs_text(hubs), cluster_text(cluster))
        print("\n\n".join(filter(None, parts)) + "\n", flush=True)
    if findings or not quiet:
        print(findings_text(findings, colour=colours_wanted(sys.stdout)), flush=True)
    return code


def _exit_code(findings: Sequence[Finding], unreachable: set[str]) -> int:
    """Hosts that cannot be reached have a status of their own, if nothing else is wrong."""
    if not findings:
        return int(ExitCode.OK)
    only_lost = unreachable and all(finding.where in unreachable for finding in findings)
    return int(ExitCode.UNREACHABLE if only_lost else ExitCode.FAILED)

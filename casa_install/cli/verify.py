"""`casa-install verify`: try what must work and what must be refused, on the site's own hosts."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import typer  # noqa: TC002  # typer reads the annotations

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
from casa_install.errors import ExitCode

if TYPE_CHECKING:
    from casa_install.cli.asking import Asked

_VERB = "verify"


def verify(
    context: typer.Context,
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
    """Try what must work and what must be refused, with jobs and pods; changes nothing."""
    from casa_install.cli.asking import asked
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    options = AnsibleOptions(
        extra_vars=extra_vars, verbose=verbose, user=user, private_key=private_key, rest=ansible_argument
    )
    target = read_target("casa.install.verify", inventory, wanted, extra_vars)
    with asked(_VERB, context.obj or [_VERB], target, options, plain=plain or as_json) as tried:
        _show(tried, as_json=as_json)
    return tried.exit_code


def _show(tried: Asked, *, as_json: bool) -> None:
    from casa_install.health.checks import Verdict, judge
    from casa_install.health.dask_checks import judge_clusters
    from casa_install.health.kube_verify import verify_cluster
    from casa_install.health.notebook_checks import judge_hubs
    from casa_install.health.read_status import read_status
    from casa_install.health.xcache_checks import judge_caches
    from casa_install.report.messages import colours_wanted
    from casa_install.report.verify import verify_json, verify_text

    status = read_status(tried.answers.hosts, tried.groups, tried.lost, time.time())
    pool = {name: said for name, said in tried.answers.hosts.items() if name in tried.groups}
    results = judge(pool, status) if tried.groups else []
    answers = tried.answers.hosts
    results += judge_caches(answers) + judge_clusters(answers) + judge_hubs(answers)
    if tried.nodes:
        print("Trying the k3s cluster through its API ...", file=sys.stderr, flush=True)
        results += verify_cluster(answers, tried.nodes)
    failed = any(result.verdict is Verdict.FAILED for result in results) or tried.answers.faults
    if failed:
        tried.exit_code = int(ExitCode.FAILED)
    elif tried.lost:
        tried.exit_code = int(ExitCode.UNREACHABLE)
    if as_json:
        row = {"verb": _VERB, "exit_code": tried.exit_code, "run": tried.run}
        print(json.dumps(row | verify_json(results, tried.lost)), flush=True)
    else:
        print(verify_text(results, tried.lost, colour=colours_wanted(sys.stdout)), flush=True)

"""`casa-install node`: one node leaves its k3s cluster, or the cluster forgets one installed anew."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casa_install.cli.leaving import Order, confirm, require_possible, require_sensible
from casa_install.cli.options import (
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
    from casa_install.cli.options import Target
    from casa_install.engine.job import Job, Run
    from casa_install.engine.outcome import RunResult

_PLAYBOOK, _LOOK = "casa.install.node_remove", "casa.install.node_look"
_NOBODY = "all:!all"
"""A pattern of Ansible's that means no host, without a warning."""

node_app = typer.Typer(help="Take a node out of its k3s cluster.", no_args_is_help=True)

_Check = Annotated[bool, typer.Option("--check", "-C", help="Only tell what would become of it.")]
_Yes = Annotated[
    str | None, typer.Option("--yes", "-y", metavar="NAME", help="The host's name; nothing is asked.")
]


@node_app.callback()
def node() -> None:
    """Take a node out of its k3s cluster."""


@node_app.command("remove")
def remove(
    context: typer.Context,
    host: Annotated[str, typer.Argument(help="The host's name in the inventory.")],
    inventory: Inventory = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="The machine is gone: only the cluster forgets it.")
    ] = False,
    seconds: Annotated[
        int, typer.Option(min=1, help="How long its pods may take to leave.", show_default=True)
    ] = 300,
    lone: Annotated[bool, typer.Option("--lone", help="Pods that nothing makes anew may be lost.")] = False,
    extra_vars: ExtraVars = None,
    check: _Check = False,
    verbose: Verbose = 0,
    user: User = None,
    private_key: PrivateKey = None,
    ask_pass: AskPass = False,
    ask_become_pass: AskBecomePass = False,
    ask_vault_pass: AskVaultPass = False,
    vault_password_file: VaultPasswordFile = None,
    vault_id: VaultId = None,
    yes: _Yes = None,
    as_json: AsJson = False,
    plain: Plain = False,
) -> int:
    """Move a node's pods to others, let the cluster forget it, and take k3s off the host.

    Pod disruption budgets are honoured. No other node is touched. Refused where the cluster would stop.
    """
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    options = AnsibleOptions(extra_vars=extra_vars, verbose=verbose, user=user, private_key=private_key)
    order = Order(
        verb="node remove",
        host=host,
        dead=dead,
        forget=False,
        seconds=seconds,
        lone=lone,
        yes=yes,
        as_json=as_json,
        plain=plain or as_json,
    )
    target = read_target(_PLAYBOOK, inventory, wanted, extra_vars)
    return _run(_job(context, order, target, options, check=check), order)


@node_app.command("forget")
def forget(
    context: typer.Context,
    host: Annotated[str, typer.Argument(help="The host's name in the inventory.")],
    inventory: Inventory = None,
    extra_vars: ExtraVars = None,
    check: _Check = False,
    verbose: Verbose = 0,
    user: User = None,
    private_key: PrivateKey = None,
    ask_pass: AskPass = False,
    ask_become_pass: AskBecomePass = False,
    ask_vault_pass: AskVaultPass = False,
    vault_password_file: VaultPasswordFile = None,
    vault_id: VaultId = None,
    yes: _Yes = None,
    as_json: AsJson = False,
    plain: Plain = False,
) -> int:
    """Let the cluster forget a machine that was installed anew, so that the next apply lets it join.

    The machine itself is not touched.
    """
    from casa_install.engine.passwords import Wanted

    wanted = Wanted(ask_pass, ask_become_pass, ask_vault_pass, vault_password_file or (), vault_id or ())
    options = AnsibleOptions(extra_vars=extra_vars, verbose=verbose, user=user, private_key=private_key)
    order = Order(
        verb="node forget",
        host=host,
        dead=True,
        forget=True,
        yes=yes,
        as_json=as_json,
        plain=plain or as_json,
    )
    target = read_target(_PLAYBOOK, inventory, wanted, extra_vars)
    return _run(_job(context, order, target, options, check=check), order)


def _job(
    context: typer.Context, order: Order, target: Target, options: AnsibleOptions, *, check: bool
) -> Job:
    from casa_install.engine.job import Job

    require_sensible(order, target)
    return Job(
        verb=order.verb.replace(" ", "-"),
        command=context.obj or [*order.verb.split(), order.host],
        playbook=target.playbook,
        inventories=target.inventories,
        site=target.site,
        passwords=target.passwords,
        options=options.words(2),
        check=check,
    )


def _run(job: Job, order: Order) -> int:
    from casa_install.engine.job import begun
    from casa_install.report.nodes import leaving_text
    from casa_install.report.progress import progress_on

    with begun(job) as run:
        result, look, server = _look(run, order)
        if look is not None:
            print(
                f"\n{leaving_text(look, dead=order.dead, forget=order.forget)}", file=sys.stderr, flush=True
            )
            require_possible(look, order)
            known = look["exists"] or look["password"] or not order.dead
            if known and not job.check:
                confirm(order)
                with progress_on(sys.stderr, plain=order.plain) as progress:
                    result = run.play(progress, options=[_choice(look, order, server)])
        code = int(result.exit_code)
        if look is None and code in (ExitCode.OK, ExitCode.UNREACHABLE):
            code = int(ExitCode.UNREACHABLE)
        run.close(result, code)
    _tell(run, result, look, order, code)
    return code


def _look(run: Run, order: Order) -> tuple[RunResult, dict[str, Any] | None, str]:
    """Ask the cluster through the servers that stay; the result, what it said, and the server."""
    from casa_install.health.answers import AnswerReader
    from casa_install.report.progress import progress_on

    servers = list(run.job.site.groups["k3s_server"])
    others = [name for name in servers if name.lower() != order.host.lower()]
    reader = AnswerReader()
    chosen = json.dumps({"casa_servers": ",".join(others or servers), "casa_node": order.host})
    with progress_on(sys.stderr, plain=order.plain) as progress:
        result = run.play(
            progress, playbook=_LOOK, part="look", options=[f"--extra-vars={chosen}"], listen=reader.add
        )
    for name in others or servers:
        if name in reader.hosts:
            return result, reader.hosts[name], name
    return result, None, ""


def _choice(look: dict[str, Any], order: Order, server: str) -> str:
    chosen = {
        "casa_node": order.host,
        "casa_host": _NOBODY if order.dead else order.host,
        "casa_server": server,
        "casa_drain": look["exists"] and not order.dead,
        "casa_seconds": order.seconds,
        "casa_lone": order.lone,
        # A member that stops takes the quorum of two along, and then nothing can be deleted.
        "casa_stop": not (look["members"] == 2 and look["role"] == "server"),
    }
    return f"--extra-vars={json.dumps(chosen)}"


def _tell(run: Run, result: RunResult, look: dict[str, Any] | None, order: Order, code: int) -> None:
    from casa_install.engine.command import again
    from casa_install.report.messages import colours_wanted, say
    from casa_install.report.results import result_json, result_text

    job = run.job
    directory = run.directory.path
    if not run.directory.log.is_file():
        directory /= "look"
    go_on = again(job.command)
    next_step = ""
    if job.check:
        next_step = "the same command without --check does this"
    elif code == ExitCode.OK:
        name = job.inventories[0]
        next_step = (
            f"casa-install site.yml -i {name}: {order.host} joins anew"
            if order.forget
            else f"take {order.host} out of {name}, or the next apply lets it join again"
        )
    text = result_text(
        result,
        run=directory,
        go_on=go_on,
        next_step=next_step,
        check=job.check,
        colour=colours_wanted(sys.stderr),
    )
    print(f"\n{text}", file=sys.stderr, flush=True)
    if look is not None and order.forget and not look["exists"] and not look["password"]:
        say("Note", f"the cluster knows nothing of {order.host}")
    if order.as_json:
        row: dict[str, Any] = result_json(
            result, verb=order.verb, run=run.directory.path, check=job.check, go_on=go_on
        )
        print(json.dumps(row | {"exit_code": code, "look": look}), flush=True)

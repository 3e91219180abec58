"""`casa-install lab`: machines made of systemd containers on this computer."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.lab.access import Access
    from casa_install.lab.machines import Running

lab_app = typer.Typer(
    help="Make a small site of containers on this computer, to try or rehearse an installation.",
    no_args_is_help=True,
)

DEFAULT_INVENTORY = Path("inventories/lab")

InventoryOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--inventory", "-i", help="Inventory to take the machines from.", show_default="inventories/lab"
    ),
]
LabArgument = Annotated[str, typer.Argument(help="The lab's name, as `lab list` shows it.")]
NameOption = Annotated[str | None, typer.Option("--name", help="The lab's name, instead of the inventory's.")]


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _inventories(given: list[Path] | None) -> list[Path]:
    """Inventories as given; a packaged one where the working directory has none of that name."""
    from casa_install.site.collection import collection_root

    found = []
    for path in given or [DEFAULT_INVENTORY]:
        packaged = collection_root() / path
        if path.exists():
            found.append(path)
        elif not path.is_absolute() and packaged.exists():
            found.append(packaged)
        else:
            raise CasaError(
                f"there is no inventory `{path}`", hint="give one with -i", exit_code=ExitCode.USAGE
            )
    return found


@lab_app.command("up")
def lab_up(
    inventory: InventoryOption = None,
    name: NameOption = None,
    image: Annotated[
        str | None, typer.Option(help="Image with systemd, sshd and Python, for all machines.")
    ] = None,
) -> None:
    """Make the machines of an inventory and show how to reach them."""
    from casa_install.lab import machines
    from casa_install.lab.access import Access
    from casa_install.lab.layout import read_layout

    paths = _inventories(inventory)
    layout = read_layout(paths, name=name)
    running = machines.up(layout, image=image, report=_say)
    _print_table(running)
    access = Access(layout.name)
    if access.variables().get("lab_hubs"):
        _say(_hub(access))
    if inventory is None and name is None:
        _say("Next: casa-install site.yml -i inventories/lab")
    else:
        options = " ".join(f"-i {path}" for path in paths)
        _say(f"Next: casa-install site.yml {options} -i {Access(layout.name).inventory}")


@lab_app.command("down")
def lab_down(lab: LabArgument = "lab") -> None:
    """Remove a lab's machines, network and keys."""
    from casa_install.lab import machines

    count = machines.down(lab, report=_say)
    _say(f"lab `{lab}`: {count} machines removed" if count else f"there is no lab `{lab}`")


@lab_app.command("list")
def lab_list(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Show the machines of all labs."""
    from casa_install.lab import machines

    running = machines.listing(machines.open_podman())
    if as_json:
        typer.echo(json.dumps({"machines": [asdict(machine) for machine in running]}))
    elif running:
        _print_table(running)
    else:
        _say("there is no lab; `casa-install lab up` makes one")


@lab_app.command("show")
def lab_show(lab: LabArgument = "lab") -> None:
    """Show a lab's hub, and who can log in there with which password."""
    from casa_install.lab.access import Access

    typer.echo(_hub(Access(lab)))


@lab_app.command("browser", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab_browser(context: typer.Context, lab: LabArgument = "lab") -> None:
    """Open a lab's hub in a Chromium of its own, which knows the lab's names and authorities."""
    from casa_install.lab import browser, machines
    from casa_install.lab.access import Access

    access = Access(lab)
    hubs = _hubs(access)
    program = browser.require_browser()
    home = browser.browser_home(access.browser, access.authorities)
    addresses = {m.fqdn: m.address for m in machines.listing(machines.open_podman(), lab)}
    argv = [program, *browser.browser_flags(addresses), *context.args, f"https://{hubs[0]}/"]
    os.execve(program, argv, {**os.environ, "HOME": str(home)})  # noqa: S606 - becomes the browser


@lab_app.command("ssh", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab_ssh(
    context: typer.Context,
    machine: Annotated[str, typer.Argument(help="The machine's name in the inventory.")],
    name: Annotated[str, typer.Option("--name", help="The lab's name.")] = "lab",
) -> None:
    """Open a shell on a machine, or run the command that follows its name there."""
    from casa_install.lab.access import Access

    config = Access(name).ssh_config
    if not config.exists():
        raise CasaError(f"there is no lab `{name}`", hint="casa-install lab up", exit_code=ExitCode.USAGE)
    os.execvp("ssh", ["ssh", "-F", str(config), machine, *context.args])  # noqa: S606, S607 - becomes ssh


def _hubs(access: Access) -> list[str]:
    """Where the people of a lab log in.

    Raises:
        CasaError: Nowhere.
    """
    hubs: list[str] = access.variables().get("lab_hubs", [])
    if not hubs:
        raise CasaError(
            f"the lab `{access.directory.name}` has no hub",
            hint="give its inventory hosts in the groups `notebook` and `lab_origin`",
            exit_code=ExitCode.USAGE,
        )
    return hubs


def _hub(access: Access) -> str:
    from casa_install.lab import machines
    from casa_install.report.lab import hub_text

    hubs, known = _hubs(access), access.variables()
    running = machines.listing(machines.open_podman(), access.directory.name)
    return hub_text(
        access.directory.name,
        hubs=hubs,
        addresses={m.fqdn: m.address for m in running if m.fqdn in [*hubs, known["lab_origin_name"]]},
        authorities=access.authorities,
        people=known["lab_people"],
    )


def _print_table(running: list[Running]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("lab", "machine", "name", "address", "state"):
        table.add_column(heading)
    for machine in running:
        table.add_row(machine.lab, machine.name, machine.fqdn, machine.address, machine.state)
    Console().print(table)

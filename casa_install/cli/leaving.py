"""What is wanted of a node that leaves its cluster, and what is refused."""

from __future__ import annotations

import difflib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.cli.options import require_terminal
from casa_install.errors import CasaError, ExitCode

if TYPE_CHECKING:
    from casa_install.cli.options import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted of which node."""

    verb: str
    host: str
    dead: bool
    forget: bool
    seconds: int = 300
    lone: bool = False
    yes: str | None
    as_json: bool
    plain: bool


def require_sensible(order: Order, target: Target) -> None:
    """Refuse a host that cannot be meant.

    Raises:
        CasaError: The inventory has no k3s server to ask, or not this host where it is to be changed.
    """
    site, names = target.site, ", ".join(target.inventories)
    servers = site.groups.get("k3s_server", ())
    if not servers:
        raise CasaError(
            f"{names} has no k3s server that could be asked.",
            hint="Put the cluster's servers into k3s_server.",
            exit_code=ExitCode.USAGE,
        )
    if order.dead:
        return
    nodes = sorted({*servers, *site.groups.get("k3s_agent", ())})
    if order.host in site.hosts and order.host not in nodes:
        raise CasaError(
            f"{order.host} is in neither k3s_server nor k3s_agent of {names}.",
            hint=f"Take it back into its group until it has left, or, if the machine is gone, give --dead. "
            f"The nodes: {', '.join(nodes[:8])}.",
            exit_code=ExitCode.USAGE,
        )
    if order.host not in site.hosts:
        close = difflib.get_close_matches(order.host, nodes, n=1)
        raise CasaError(
            f"{order.host} is no host of {names}.",
            hint=f"Did you mean {close[0]}?" if close else f"Its k3s nodes: {', '.join(nodes[:8])}.",
            exit_code=ExitCode.USAGE,
        )


def require_possible(look: dict[str, Any], order: Order) -> None:
    """Refuse what would harm the cluster or cannot be done.

    Raises:
        CasaError: With all reasons; nothing was done.
    """
    from casa_install.report.nodes import others_text

    name = look["node"]
    if look["findings"]:
        raise CasaError("\n".join([*look["findings"], "Nothing was done."]))
    if order.dead and look["exists"] and not look["why"]:
        how = "it was not installed anew" if order.forget else "it is not dead"
        raise CasaError(
            f"The node {name} is Ready: its kubelet reports, so {how}. Nothing was done.",
            hint=f"`casa-install node remove {order.host}` moves the pods of a node that runs. One whose "
            "machine has just gone counts as Ready for another 40 seconds.",
        )
    if not order.dead and look["exists"] and look["why"]:
        raise CasaError(
            f"The node {name} is not Ready ({look['why']}), so nothing would tell that its pods have ended. "
            "Nothing was done.",
            hint="Mend it first; or give --dead, and the cluster forgets it without asking the machine.",
        )
    if look["lost"] and not (order.lone or order.dead):
        raise CasaError(
            f"On {name} run pods that nothing makes anew elsewhere: {', '.join(look['lost'])}. "
            "Nothing was done.",
            hint="Delete them, or say that they may be lost: --lone.",
        )
    if order.dead and not look["exists"] and not look["password"] and not order.forget:
        raise CasaError(
            f"The cluster has no node {name}. Its nodes: {others_text(look)}.", exit_code=ExitCode.USAGE
        )


def confirm(order: Order) -> None:
    """Have the host's name given.

    Raises:
        CasaError: It is not. Nothing was done.
    """
    given = order.yes
    if given is None:
        require_terminal(
            "for the host's name",
            f"Give it with --yes {json.dumps(order.host)}, or look only, with --check.",
        )
        print(f"\nType the host's name, {order.host}, to go on: ", end="", file=sys.stderr, flush=True)
        given = sys.stdin.readline().strip()
    if given != order.host:
        raise CasaError(
            f"{given!r} is not the host's name; nothing was done.",
            hint=f"The name is {order.host!r}.",
            exit_code=ExitCode.USAGE,
        )

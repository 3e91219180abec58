"""Gates of ports: who listens where k3s is to listen, and whom a firewall is to let in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.cluster.gate import Gate
from casa_install.cluster.ports import applies, gates_table, port_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from casa_install.cluster.look import Look

_HTTP_PORTS = (80, 443)


def _ports(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    busy: dict[int, str] = {}
    for row in gates_table()["listens"]:
        if not applies(row, options):
            continue
        port = int(port_of(row, options))
        for protocol, number, program in look.ports:
            # Without a name the kernel listens: the interface of a pods' network that is there.
            if (protocol, number) == (row["protocol"], port) and program and not _of_k3s(program):
                busy[port] = program
    if busy:
        yield Gate(
            "ports",
            "other programs listen on "
            + ", ".join(f"{port} ({name})" for port, name in sorted(busy.items())),
            "these ports for k3s",
            "stop them (`ss -lntup` shows more), or give them other ports",
        )


def _balancer(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    if {"traefik", "servicelb"} & set(options["disable"]):
        return
    taken = [*_HTTP_PORTS, *([int(options["dask_port"])] if options["dask_port"] else [])]
    busy = {int(port): str(what) for port, what in options["neighbours"].items() if int(port) in taken}
    for protocol, port, program in look.ports:
        if protocol == "tcp" and port in taken and not _of_k3s(program):
            busy.setdefault(port, program or "a program")
    if busy:
        yield Gate(
            "load_balancer",
            "on this host also "
            + " and ".join(f"{what} has port {port}" for port, what in sorted(busy.items())),
            f"the ports {', '.join(map(str, taken))} for Traefik: k3s's load balancer leads them to it on "
            "every node, and whoever listens there gets nothing any more",
            "`k3s_disable: [servicelb]` for the whole cluster, or [traefik]; or give the other another port, "
            "or another host",
        )


def _peers(look: Look, options: Mapping[str, Any]) -> Iterator[Gate]:
    if not look.firewall or options["firewall"] == "none" or options["node_networks"]:
        return
    nameless = [name for name, addresses in look.peers.items() if not addresses]
    if nameless:
        shown = ", ".join(nameless[:5]) + (f" and {len(nameless) - 5} more" if len(nameless) > 5 else "")
        yield Gate(
            "node_addresses",
            f"this host has {look.firewall}, and cannot resolve {shown}",
            "the address of every node, which the firewall is to let in",
            "add them to DNS or /etc/hosts, or set k3s_node_networks to the networks that nodes are in",
        )


def _of_k3s(program: str) -> bool:
    return program.startswith(("k3s", "containerd"))


PORT_GATES: tuple[Callable[[Look, Mapping[str, Any]], Iterator[Gate]], ...] = (_ports, _balancer, _peers)

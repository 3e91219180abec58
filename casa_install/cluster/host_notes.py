"""What an administrator should know about a host that can carry k3s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.cluster.gates import DEFAULTS
from casa_install.cluster.look import Look, read_look
from casa_install.cluster.ports import openings, pod_interfaces, pod_sources

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_RULES_BY_HAND = ("nftables.service", "iptables.service", "netfilter-persistent.service")


def host_notes(lines: Iterable[str], given: Mapping[str, Any]) -> list[str]:
    """Return what is worth knowing, a sentence each.

    Args:
        lines: What `look.sh` printed.
        given: As for `failed_gates`, with `api_networks`, and `confined` (SELinux is to confine containers).
    """
    look, options = read_look(lines), {**DEFAULTS, "api_networks": [], "confined": True, **given}
    return [*_firewall(look, options), *_swap(look), *_selinux(look, options), *_managed(look)]


def _firewall(look: Look, options: Mapping[str, Any]) -> Iterator[str]:
    if options["firewall"] == "none":
        return
    if look.firewall:
        if options["kind"] == "server" and not options["api_networks"]:
            yield (
                f"{look.firewall} lets only the cluster's nodes reach the API: k3s_api_networks says from "
                "where else it is reached, by people and by `casa-install verify`"
            )
        return
    by_hand = [unit for unit in _RULES_BY_HAND if look.active(unit)]
    if by_hand:
        wanted = [f"{item.protocol} {item.port} ({item.what})" for item in openings(options, _NAMED)]
        ways = [*pod_interfaces(str(options["flannel_backend"])), *pod_sources(options)]
        yield (
            f"{by_hand[0]} loads rules of the site's own, which casa-install leaves alone: let in "
            f"{', '.join(wanted)} from the cluster's nodes, and everything to and through the host that "
            f"comes from {', '.join(ways)}"
        )


def _swap(look: Look) -> Iterator[str]:
    if look.swap:
        yield "the host has swap: k3s runs with it, but what a pod swaps counts towards no limit of memory"


def _selinux(look: Look, options: Mapping[str, Any]) -> Iterator[str]:
    if look.selinux == "enforcing" and not options["confined"]:
        yield "SELinux is enforcing and k3s_selinux is none: containers run unconfined by it, or not at all"


def _managed(look: Look) -> Iterator[str]:
    busy = [name for name, state in look.managed.items() if state != "unmanaged"]
    if busy and look.ours:
        yield f"NetworkManager manages {', '.join(busy)}, which it should not: `nmcli device status` shows it"


_NAMED = {"node": ["192.0.2.1"]}
"""Stands for every node where only the ports matter (RFC 5737)."""

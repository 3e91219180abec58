"""Ports and interfaces of a cluster, and what a host's firewall has to let through for them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from casa_install.cluster.ranges import split_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

API_PORT = 6443


@dataclass(frozen=True, slots=True)
class Opening:
    """A port that a firewall lets some machines reach.

    Attributes:
        protocol: `tcp` or `udp`.
        port: A port, or a range such as `2379-2380`.
        sources: Networks, IPv4 before IPv6, each in order, none within another.
        who: Who they are: `nodes`, `servers` or `admins`.
        what: What listens there, in words.
    """

    protocol: str
    port: str
    sources: tuple[str, ...]
    who: str
    what: str


@cache
def gates_table() -> dict[str, Any]:
    """Return `gates.yml`."""
    return dict(yaml.safe_load(Path(__file__).with_name("gates.yml").read_text(encoding="utf-8")))


def switched_on(options: Mapping[str, Any]) -> set[str]:
    """Return which parts a node has, of those that `gates.yml` knows by `when`."""
    backend = str(options.get("flannel_backend", "vxlan"))
    parts = {
        "etcd": bool(options.get("embedded")),
        "vxlan": backend == "vxlan",
        "wireguard": backend.startswith("wireguard"),
        "registry": bool(options.get("config", {}).get("embedded-registry")),
    }
    return {name for name, wanted in parts.items() if wanted}


def applies(row: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """Tell whether a row of `gates.yml` is for a node of this kind with these parts."""
    if row.get("kind") not in (None, options["kind"]):
        return False
    return "when" not in row or row["when"] in switched_on(options)


def port_of(row: Mapping[str, Any], options: Mapping[str, Any]) -> str:
    """Return a row's port, the API's own where it says so."""
    return str(options.get("api_port", API_PORT) if row["port"] == "api" else row["port"])


def openings(options: Mapping[str, Any], peers: Mapping[str, Iterable[str]]) -> list[Opening]:
    """Return what a node's firewall has to let in.

    Args:
        options: `kind`, `api_port`, `embedded`, `flannel_backend`, `config`, and the networks `node_networks`
            and `api_networks`; `servers`, names of the servers as in `peers`.
        peers: Node -> its addresses. Not looked at where `node_networks` says where nodes are.
    """
    given = list(options.get("node_networks", ()))
    servers = [name for name in peers if name in options.get("servers", ())]
    nodes = given or [address for addresses in peers.values() for address in addresses]
    sources = {
        "nodes": _networks(nodes),
        "servers": _networks(given or [address for name in servers for address in peers[name]]),
        "admins": _networks(options.get("api_networks", ())),
    }
    found = [
        Opening(row["protocol"], port_of(row, options), sources[row["from"]], row["from"], row["what"])
        for row in gates_table()["reached"]
        if applies(row, options)
    ]
    return [opening for opening in found if opening.sources]


def pod_interfaces(backend: str) -> list[str]:
    """Return the interfaces by which packets of pods come; none where they come by the host's own."""
    return list(gates_table()["interfaces"].get(backend, ()))


def pod_sources(options: Mapping[str, Any]) -> list[str]:
    """Return the networks by which packets of pods are known where no interface tells them."""
    return [] if pod_interfaces(str(options["flannel_backend"])) else split_ranges(options["cluster_cidr"])


def of_family(networks: Iterable[str], family: int) -> list[str]:
    """Return the networks of one family: 4 or 6."""
    return [text for text in networks if ipaddress.ip_network(text).version == family]


def _networks(texts: Iterable[str]) -> tuple[str, ...]:
    found: dict[int, list[Any]] = {4: [], 6: []}
    for text in texts:
        try:
            network = ipaddress.ip_network(str(text).partition("%")[0], strict=False)
        except ValueError:
            continue
        if not network.is_loopback and not network.is_link_local:
            found[network.version].append(network)
    return tuple(str(network) for family in (4, 6) for network in ipaddress.collapse_addresses(found[family]))

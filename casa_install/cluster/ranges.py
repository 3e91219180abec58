"""The address ranges of a cluster: what a site writes, whether Kubernetes can use it, and what is free."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING, TypeAlias

from casa_install.cluster.versions import found_version, has

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Kubernetes gives each node a /24 or a /64 of the cluster's range, and the range may hold 2^16 of them.
_NODE_PREFIX = {4: 24, 6: 64}
_NODES_BITS = 16
# https://docs.k3s.io/networking/basic-network-options: the largest range for services.
_SERVICE_PREFIX = {4: 12, 6: 112}
_DNS_INDEX = 10
_CANDIDATES = {
    4: ("10.32.0.0/11", "10.64.0.0/10", "10.128.0.0/9", "172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/11"),
    6: ("fd42::/16", "fd43::/16"),
}


@dataclass(frozen=True, slots=True)
class Ranges:
    """What a site sets for its cluster.

    Args:
        cluster: Ranges of the pods, one, or one of each family.
        service: Ranges of the services, likewise.
        dns: Addresses of the cluster's DNS; empty for the tenth of each service range.
    """

    cluster: tuple[Network, ...] = ()
    service: tuple[Network, ...] = ()
    dns: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[tuple[str, Network], ...]:
        """Every range with the variable that it stands in."""
        return tuple(
            chain(
                (("k3s_cluster_cidr", network) for network in self.cluster),
                (("k3s_service_cidr", network) for network in self.service),
            )
        )

    @property
    def dual_stack(self) -> bool:
        """Whether pods have an IPv4 and an IPv6 address."""
        return len(self.cluster) > 1


def split_ranges(text: str | Sequence[str]) -> list[str]:
    """Return ranges that a site gives as a list or in one text with commas, as k3s takes them."""
    parts = text.split(",") if isinstance(text, str) else [str(part) for part in text]
    return [part.strip() for part in parts if part.strip()]


def read_ranges(
    cluster: str | Sequence[str], service: str | Sequence[str], dns: str | Sequence[str] = ""
) -> tuple[Ranges, list[str]]:
    """Read a site's ranges; what is none is left out and said."""
    findings: list[str] = []
    read = {
        name: tuple(_networks(name, split_ranges(text), findings))
        for name, text in (("k3s_cluster_cidr", cluster), ("k3s_service_cidr", service))
    }
    return Ranges(read["k3s_cluster_cidr"], read["k3s_service_cidr"], tuple(split_ranges(dns))), findings


def range_findings(
    ranges: Ranges, version: str = "", nodes: int = 0, taken: Sequence[Network] = ()
) -> list[str]:
    """Say which ranges Kubernetes cannot use.

    Args:
        ranges: As `read_ranges` gives them.
        version: The release of k3s; empty for one that can do everything.
        nodes: How many hosts the cluster has.
        taken: Networks that are in use, for the free range that a finding names.
    """
    if not ranges.cluster or not ranges.service:
        return []
    return [
        *_families(ranges, version),
        *_sizes(ranges, nodes),
        *_overlaps(ranges, [*taken, *(network for _, network in ranges.all)]),
        *_dns(ranges),
    ]


def free_range(like: Network, taken: Iterable[Network]) -> str:
    """Return a private range as large as another that overlaps with nothing that is taken; empty if there is
    none.
    """
    used = {network for network in taken if network.version == like.version}
    step = 1 << (like.max_prefixlen - like.prefixlen)
    for text in _CANDIDATES[like.version]:
        pool = ipaddress.ip_network(text)
        start = int(pool.network_address)
        while start + step - 1 <= int(pool.broadcast_address):
            candidate = ipaddress.ip_network((start, like.prefixlen))
            in_the_way = [int(other.broadcast_address) for other in used if candidate.overlaps(other)]
            if not in_the_way:
                return str(candidate)
            start += -(-(max(in_the_way) + 1 - start) // step) * step
    return ""


def take_instead(name: str, network: Network, taken: Iterable[Network]) -> str:
    """Return the end of a finding that names a free range; empty if there is none."""
    free = free_range(network, taken)
    return f"; free is {name}: {free}" if free else ""


def default_dns(ranges: Ranges) -> list[str]:
    """Return the addresses that k3s gives the cluster's DNS by itself."""
    return [str(network[_DNS_INDEX]) for network in ranges.service]


def _networks(name: str, texts: Sequence[str], findings: list[str]) -> Iterator[Network]:
    if not texts:
        findings.append(f"{name} is empty")
    if len(texts) > 2:
        findings.append(f"{name}: give one range, or one for IPv4 and one for IPv6, and not {len(texts)}")
    for text in texts:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            findings.append(f"{name}: `{text}` is no address range such as `10.42.0.0/16`")
            continue
        if "/" not in text:
            findings.append(f"{name}: `{text}` is one address; a range needs its length, such as `{text}/16`")
        elif str(ipaddress.ip_interface(text).ip) != str(network.network_address):
            findings.append(f"{name}: `{text}` does not begin where its range begins: write `{network}`")
        else:
            yield network


def _families(ranges: Ranges, version: str) -> Iterator[str]:
    cluster, service = ([n.version for n in part] for part in (ranges.cluster, ranges.service))
    for name, families in (("k3s_cluster_cidr", cluster), ("k3s_service_cidr", service)):
        if len(families) == 2 and families[0] == families[1]:
            yield f"{name}: both ranges are IPv{families[0]}; a cluster has at most one of each family"
            return
    if cluster != service:
        names = [" and ".join(f"IPv{family}" for family in families) for families in (cluster, service)]
        yield (
            f"k3s_cluster_cidr is {names[0]} and k3s_service_cidr {names[1]}: both need the same families in "
            "the same order"
        )
    release = found_version(version)
    if release is None:
        return
    if len(cluster) == 2 and not has(release, "dual_stack"):
        yield f"k3s_cluster_cidr: k3s {release} knows IPv4 only; give one range"
    if cluster == [6] and not has(release, "ipv6_only"):
        yield f"k3s_cluster_cidr: k3s {release} needs a range of IPv4"


def _sizes(ranges: Ranges, nodes: int) -> Iterator[str]:
    for network in ranges.cluster:
        node = _NODE_PREFIX[network.version]
        room = 1 << max(0, node - network.prefixlen)
        if network.prefixlen > node:
            yield (
                f"k3s_cluster_cidr: {network} is too small: each node takes a /{node} of it; give a "
                f"/{node - 8}"
            )
        elif node - network.prefixlen > _NODES_BITS:
            yield f"k3s_cluster_cidr: {network} is too large for Kubernetes: give a /{node - 8}"
        elif nodes > room:
            yield (
                f"k3s_cluster_cidr: {network} has room for {room} nodes and the inventory has {nodes}: each "
                "node "
                f"takes a /{node}"
            )
    for network in ranges.service:
        largest = _SERVICE_PREFIX[network.version]
        if network.prefixlen < largest:
            yield (f"k3s_service_cidr: {network} is too large: k3s takes a /{largest} or a smaller range")
        elif network.num_addresses <= _DNS_INDEX + 1:
            yield f"k3s_service_cidr: {network} is too small"


def _overlaps(ranges: Ranges, taken: Sequence[Network]) -> Iterator[str]:
    for (name, network), (other_name, other) in combinations(ranges.all, 2):
        if network.version == other.version and network.overlaps(other):
            if name == other_name:
                continue
            yield (
                f"{name} {network} overlaps with {other_name} {other}: pods and services need ranges of "
                "their own" + take_instead(other_name, other, taken)
            )


def _dns(ranges: Ranges) -> Iterator[str]:
    for text in ranges.dns:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            yield f"k3s_cluster_dns: `{text}` is no address"
            continue
        inside = [n for n in ranges.service if n.version == address.version and address in n]
        if not inside:
            networks = ", ".join(map(str, ranges.service))
            yield (
                f"k3s_cluster_dns: {address} is not in k3s_service_cidr ({networks}); the default is "
                f"{', '.join(default_dns(ranges))}"
            )
        elif address in (inside[0][0], inside[0][1], inside[0][-1]):
            yield (
                f"k3s_cluster_dns: {address} is taken: the first address of k3s_service_cidr is the API's; "
                "the "
                f"default is {inside[0][_DNS_INDEX]}"
            )

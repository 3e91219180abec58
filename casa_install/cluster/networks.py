"""A cluster's address ranges against what the site has already.

Pods and services get addresses that hosts route to the cluster. A range that is in use elsewhere makes its
other users unreachable from every node, without any error message.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from casa_install.cluster.ranges import Network, Ranges, range_findings, take_instead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Interface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface

DOCKER = "172.17.0.0/16"
"""What Docker takes for its bridge unless told otherwise."""
_SHOWN_HOSTS = 3
# Interfaces that a cluster makes itself.
_OWN_INTERFACE = re.compile(r"cni\d+|flannel[.\w-]*|kube-\w+|veth\w+|cali\w+|cilium\w+")
_ADDRESS_LINE = re.compile(r"\d+:\s+([^\s@:]+)\S*\s+inet6?\s+(\S+)")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the site has besides the cluster.

    Args:
        hosts: Host -> its own addresses, each with the length of its network's prefix where that is known.
        allowed: Variable -> networks that it lets in, such as `xcache_allowed_subnets`.
        interfaces: Variable -> pattern by which a service picks its address, such as `10.10.*`.
        nodes: How many hosts the cluster has.
    """

    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    allowed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    interfaces: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 0


def own_addresses(lines: Iterable[str]) -> list[str]:
    """Return a host's addresses with their networks from what `ip -o addr` prints.

    Left out are loopback and link-local ones, and those of interfaces that a cluster makes itself: on a
    second run they are there, and are no conflict.
    """
    found = []
    for line in lines:
        match = _ADDRESS_LINE.match(line)
        if match and not _OWN_INTERFACE.fullmatch(match[1]) and _interface(match[2]) is not None:
            found.append(match[2])
    return found


def network_findings(ranges: Ranges, around: Surroundings, version: str = "") -> list[str]:
    """Say which ranges cannot be used, each with what to take in place of it.

    Args:
        ranges: As `read_ranges` gives them.
        around: What else there is.
        version: The release of k3s; empty for one that can do everything.
    """
    taken = [ipaddress.ip_network(DOCKER), *_host_networks(around)]
    taken += [network for texts in around.allowed.values() for network in _readable(texts)]
    return [
        *range_findings(ranges, version, around.nodes, taken),
        *_hosts(ranges, around, [*taken, *(network for _, network in ranges.all)]),
    ]


def network_warnings(ranges: Ranges, around: Surroundings = Surroundings()) -> list[str]:
    """Say what an admin should know about ranges that can be used."""
    return [*_docker(ranges), *_let_in(ranges, around), *_picked(ranges, around)]


def _hosts(ranges: Ranges, around: Surroundings, taken: Sequence[Network]) -> Iterator[str]:
    users: dict[Network, list[str]] = {}
    for host, texts in around.hosts.items():
        for text in texts:
            if (found := _interface(text)) is not None and host not in users.setdefault(found.network, []):
                users[found.network].append(host)
    for name, network in ranges.all:
        for other, hosts in users.items():
            if network.version == other.version and network.overlaps(other):
                what = f"network {other}" if other.num_addresses > 1 else f"address {other.network_address}"
                more = f" and {len(hosts) - _SHOWN_HOSTS} more" if len(hosts) > _SHOWN_HOSTS else ""
                yield (
                    f"{name} {network} overlaps with the {what} of {', '.join(hosts[:_SHOWN_HOSTS])}{more}: "
                    "nodes could not reach it any more" + take_instead(name, network, taken)
                )


def _docker(ranges: Ranges) -> Iterator[str]:
    docker = ipaddress.ip_network(DOCKER)
    for name, network in ranges.all:
        if network.version == 4 and network.overlaps(docker):
            yield f"{name} {network} holds {DOCKER}, which Docker takes on hosts that have it"


def _let_in(ranges: Ranges, around: Surroundings) -> Iterator[str]:
    for variable, texts in around.allowed.items():
        for network in _readable(texts):
            for pods in ranges.cluster:
                if network.version == pods.version and network.overlaps(pods):
                    yield (
                        f"{variable} lets in {network}, which holds addresses of pods ({pods}): whoever may "
                        "start "
                        "a pod passes it"
                    )


def _picked(ranges: Ranges, around: Surroundings) -> Iterator[str]:
    for variable, pattern in around.interfaces.items():
        beginning = pattern.split("*", 1)[0]
        for pods in ranges.cluster:
            first = str(pods[1])
            if pattern == "*" or ("*" in pattern and first.startswith(beginning)):
                yield (
                    f"{variable} is `{pattern}`, which the node's address on the pods' network ({pods}) "
                    "matches too: "
                    "name the network of the host, or its address"
                )


def _host_networks(around: Surroundings) -> Iterator[Network]:
    for addresses in around.hosts.values():
        for text in addresses:
            if (found := _interface(text)) is not None:
                yield found.network


def _interface(text: str) -> Interface | None:
    """Return an address with its network; none for what matters to no range, such as a loopback address."""
    try:
        found = ipaddress.ip_interface(text.split("%", 1)[0])
    except ValueError:
        return None
    return None if found.is_loopback or found.is_link_local else found


def _readable(texts: Iterable[str]) -> Iterator[Network]:
    for text in texts:
        try:
            yield ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue

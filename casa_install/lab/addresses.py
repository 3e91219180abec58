"""Addresses of a lab's machines: a host keeps its own when it starts again, and so does a machine.

podman would hand out the next free one. Members of an etcd cluster, for example, know each other by address.
"""

from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING

from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from casa_install.lab.podman import Podman


def choose_addresses(
    podman: Podman, network: str, machines: Iterable[str], taken: Iterable[str]
) -> dict[str, str]:
    """An address of a network for each machine.

    Args:
        podman: How to reach podman.
        network: The network's name.
        machines: Names of machines that have none yet.
        taken: Addresses of the others, whether they run or not.

    Raises:
        CasaError: The network has no more.
    """
    (found,) = json.loads(podman.run("network", "inspect", network).stdout)
    subnet = found["subnets"][0]
    free = free_addresses(subnet["subnet"], {subnet["gateway"], *taken})
    chosen = {}
    for machine in machines:
        chosen[machine] = next(free, "")
        if not chosen[machine]:
            raise CasaError(f"the network {network} ({subnet['subnet']}) has no address left for {machine}")
    return chosen


def free_addresses(subnet: str, taken: Iterable[str]) -> Iterator[str]:
    """The addresses of a subnet that nobody has, in order."""
    others = set(taken)
    return (str(address) for address in ipaddress.ip_network(subnet).hosts() if str(address) not in others)

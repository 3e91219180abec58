"""Keeps a lab's network to its computer: it has passwords and keys that were made to be shown.

Podman publishes no port, but a computer that forwards packets would carry those of a neighbour who routes
to the lab's addresses. The rule stands in the table `mangle`, which is asked before podman's own rules.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import TYPE_CHECKING

from casa_install.errors import CasaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casa_install.lab.podman import Podman

CHAIN = ("-t", "mangle")
POD_RANGES = "10.42.0.0/15"
"""Of pods and Services, unless a site says otherwise (k3s_cluster_cidr, k3s_service_cidr)."""


def ensure_fence(podman: Podman, network: str) -> None:
    """Drop what comes to a network from elsewhere, answers to its own questions excepted.

    Args:
        podman: How to reach podman.
        network: The network's name.

    Raises:
        CasaError: The rule cannot be made.
    """
    (found,) = json.loads(podman.run("network", "inspect", network).stdout)
    bridge = found["network_interface"]
    rules = [fence(network, bridge, subnet["subnet"]) for subnet in found["subnets"]]
    for rule in [*rules, inner_fence(network, bridge)]:
        if _iptables([*CHAIN, "-C", *rule], check=False).returncode != 0:
            _iptables([*CHAIN, "-A", *rule])


def fence(network: str, bridge: str, subnet: str) -> list[str]:
    """The rule (iptables-extensions(8)); what this computer itself sends is not forwarded, and gets in."""
    return [
        *("FORWARD", "!", "-i", bridge, "-d", subnet),
        *("-m", "conntrack", "--ctstate", "NEW", "-m", "comment", "--comment", network, "-j", "DROP"),
    ]


def inner_fence(network: str, bridge: str) -> list[str]:
    """The rule that keeps what is for pods and Services of a lab's cluster from leaving this computer.

    Before kube-proxy has its rules, and for a Service without a pod, such packets follow the default route.
    Where somebody answers there, an API server can hold such a connection for a pod's.
    """
    comment = ["-m", "comment", "--comment", network]
    return ["FORWARD", "-i", bridge, "!", "-o", bridge, "-d", POD_RANGES, *comment, "-j", "DROP"]


def remove_fence(network: str) -> None:
    """Take the rules of a network away again.

    Raises:
        CasaError: A rule cannot be removed.
    """
    for line in _iptables([*CHAIN, "-S", "FORWARD"]).stdout.splitlines():
        rule = shlex.split(line)
        if rule[0] == "-A" and "--comment" in rule and rule[rule.index("--comment") + 1] == network:
            _iptables([*CHAIN, "-D", *rule[1:]])


def _iptables(arguments: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    argv = ["iptables", "-w", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise CasaError(
            f"the lab's network cannot be closed to other computers: {done.stderr.strip()}",
            hint="iptables must work here: run the lab as root, with CAP_NET_ADMIN",
        )
    return done

"""What a cluster needs of a host's firewall, in the words of firewalld and of ufw.

Both get files of their own, or a block of lines between two markers, so that what is there can be compared
and taken away again. firewalld has policies from 0.9 on; one is for packets of every zone, and changes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casa_install.cluster.ports import of_family, pod_interfaces
from casa_install.cluster.ranges import split_ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casa_install.cluster.ports import Opening

_EVERYBODY = {4: "0.0.0.0/0", 6: "::/0"}
_SET_FAMILY = {4: "inet", 6: "inet6"}


def firewalld_parts(found: Iterable[Opening]) -> dict[str, list[dict[str, Any]]]:
    """Return the sets of addresses and the rules of a firewalld policy.

    Args:
        found: As `openings` gives them.

    Returns:
        `ipsets`, each with `name`, `family` (`inet` or `inet6`) and `entries`; `rules`, each with `family`
        (`ipv4` or `ipv6`), `ipset` (empty for everybody, which no set can hold), `port` and `protocol`.
    """
    ipsets: dict[str, dict[str, Any]] = {}
    rules = []
    for opening in found:
        for family in (4, 6):
            entries = of_family(opening.sources, family)
            if not entries:
                continue
            name = (
                "" if _EVERYBODY[family] in entries else f"casa-k3s-{opening.who}{'' if family == 4 else '6'}"
            )
            if name:
                ipsets[name] = {"name": name, "family": _SET_FAMILY[family], "entries": entries}
            rules.append(
                {"family": f"ipv{family}", "ipset": name, "port": opening.port, "protocol": opening.protocol}
            )
    return {"ipsets": list(ipsets.values()), "rules": rules}


def ufw_rules(found: Iterable[Opening], options: Mapping[str, Any], family: int) -> str:
    """Return the rules that ufw loads with its own, for `before.rules` (4) or `before6.rules` (6).

    They stand behind the rules that `ufw allow` and `ufw deny` make, so what an administrator refuses stays
    refused. What a Service of the cluster publishes has been translated to a pod's address when it comes
    here; it is let through as a whole, because by then its port is the pod's.

    Args:
        found: As `openings` gives them.
        options: `flannel_backend` and `cluster_cidr`.
        family: 4 or 6.
    """
    chain = "ufw" if family == 4 else "ufw6"
    pods = of_family(split_ranges(options["cluster_cidr"]), family)
    lines = ["*filter"]
    for opening in found:
        ports = opening.port.replace("-", ":")
        lines += [
            f"-A {chain}-before-input -p {opening.protocol} -s {source} --dport {ports} -j ACCEPT"
            for source in of_family(opening.sources, family)
        ]
    for pod in pods:
        ways = [f"-i {name} -s {pod}" for name in pod_interfaces(str(options["flannel_backend"]))] or [
            f"-s {pod}"
        ]
        lines += [
            f"-A {chain}-before-{hook} {way} -j ACCEPT" for hook in ("input", "forward") for way in ways
        ]
        lines.append(f"-A {chain}-before-forward -d {pod} -m conntrack --ctstate DNAT -j ACCEPT")
    return "\n".join([*lines, "COMMIT"]) if len(lines) > 1 else ""

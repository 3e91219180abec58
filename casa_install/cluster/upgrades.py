"""Which release may follow which, for servers and agents of one cluster.

Sources: Kubernetes' version skew policy (https://kubernetes.io/releases/version-skew-policy/), k3s' upgrade
guide (https://docs.k3s.io/upgrades) and etcd's note on the step from 3.5 to 3.6
(https://etcd.io/blog/2025/zombie_members_upgrade/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from casa_install.cluster.versions import (
    Version,
    found_version,
    parse_version,
    table,
    version_finding,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LAST_2_BEHIND = 24


def upgrade_findings(
    servers: Mapping[str, str], agents: Mapping[str, str], target: str, etcd: bool = True
) -> list[str]:
    """Say why a cluster cannot be brought to a release in one step.

    Args:
        servers: Server -> what it runs now, as `k3s --version` or its Node says; empty for none yet.
        agents: The same for agents.
        target: The release that all shall have.
        etcd: Whether the servers keep the cluster's data in embedded etcd.

    Returns:
        One sentence for each finding, with what to do first; empty where the step may be taken.
    """
    if fault := version_finding(target):
        return [fault]
    wanted = parse_version(target)
    running = _running(servers)
    clients = _running(agents)
    return [
        *_unreadable({**servers, **agents}),
        *_downgrades({**running, **clients}, wanted),
        *_mixed(running),
        *_jump(running, wanted),
        *(_etcd_step(running, wanted) if etcd else ()),
        *_left_behind(clients, running, wanted),
    ]


def path(current: Version, target: Version) -> list[str]:
    """Return the minor releases that lie between two, in the order in which they must be taken."""
    return [f"v1.{minor}" for minor in range(current.minor + 1, target.minor)]


def _running(hosts: Mapping[str, str]) -> dict[str, Version]:
    found = {host: found_version(text) for host, text in hosts.items() if text}
    return {host: version for host, version in found.items() if version is not None}


def _unreadable(hosts: Mapping[str, str]) -> Iterator[str]:
    for host, text in hosts.items():
        if text and found_version(text) is None:
            yield f"{host}: `{text}` says no version of k3s, so whether it may be upgraded is not known"


def _downgrades(hosts: Mapping[str, Version], wanted: Version) -> Iterator[str]:
    for host, version in hosts.items():
        if version > wanted:
            yield (
                f"{host} runs {version}, which is newer than k3s_version ({wanted}): Kubernetes cannot go "
                "back; "
                f"set k3s_version: {version} or newer, or restore a snapshot of the older release"
            )


def _mixed(servers: Mapping[str, Version]) -> Iterator[str]:
    if not servers:
        return
    old, new = min(servers, key=lambda h: servers[h]), max(servers, key=lambda h: servers[h])
    if servers[new].minor - servers[old].minor > table()["skew"]["servers"]:
        yield (
            f"{old} runs {servers[old]} and {new} {servers[new]}: API servers of one cluster must be within "
            "one "
            f"minor release; bring {old} to {path(servers[old], servers[new])[0]} first, by itself"
        )


def _jump(servers: Mapping[str, Version], wanted: Version) -> Iterator[str]:
    if not servers:
        return
    oldest = min(servers.values())
    if steps := path(oldest, wanted):
        others = "".join(f", then {step}" for step in steps[1:])
        yield (
            f"{oldest.series} -> {wanted.series} must pass {', '.join(steps)}, because no minor release may "
            "be "
            f"left out: set k3s_version to a release of {steps[0]} first{others}, then {wanted}"
        )


def _etcd_step(servers: Mapping[str, Version], wanted: Version) -> Iterator[str]:
    rule = table()["etcd"]
    if not within(wanted, rule["v36"]):
        return
    spans = rule["safe"], rule["v36"]
    unsafe = {host: v for host, v in servers.items() if not any(within(v, span) for span in spans)}
    if unsafe:
        host = min(unsafe, key=lambda h: unsafe[h])
        yield (
            f"{host} runs {unsafe[host]}, whose etcd is older than {rule['version']}, and {wanted} has etcd "
            "3.6, "
            f"which could then bring back members that were removed: set k3s_version: {rule['through']} first"
        )


def _left_behind(
    agents: Mapping[str, Version], servers: Mapping[str, Version], wanted: Version
) -> Iterator[str]:
    newest = max([wanted, *servers.values()])
    skew = table()["skew"]
    for host, version in agents.items():
        allowed = skew["kubelet_before_1_25"] if version.minor <= _LAST_2_BEHIND else skew["kubelet"]
        behind = newest.minor - version.minor
        if behind > allowed:
            yield (
                f"{host} runs {version}, {behind} minor releases behind the servers' {newest.series}; a "
                "kubelet "
                f"of {version.series} may be {allowed} behind: upgrade it before the servers"
            )

"""Checks of a k3s cluster as an inventory describes it: its servers, its tokens, its address ranges.

What can work is said by `casa_install.cluster`; here it gets its places. A value that only the run knows,
because it is a template or encrypted without a password, is judged by the role's own gate.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from casa_install.cluster.config import DEFAULTS
from casa_install.cluster.networks import Surroundings, network_findings
from casa_install.cluster.ranges import read_ranges
from casa_install.cluster.settings import group_findings, server_findings, setting_findings
from casa_install.cluster.tokens import token_findings
from casa_install.cluster.versions import version_finding
from casa_install.site.findings import Finding, printable
from casa_install.site.group_checks import reach_of_unread
from casa_install.site.values import DictValue, ListValue, ScalarValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casa_install.site.definitions import Definition
    from casa_install.site.findings import Place
    from casa_install.site.group_checks import Members
    from casa_install.site.values import Value

SERVERS, AGENTS = "k3s_server", "k3s_agent"
# Variables that are judged one by one, and what each must be.
_ALONE: dict[str, type] = {
    "version": str,
    "api_address": str,
    "tls_sans": list,
    "cluster_domain": str,
    "flannel_backend": str,
    "disable": list,
    "node_labels": dict,
    "node_taints": list,
    "kubelet_args": list,
    "config": dict,
    "http_proxy": str,
    "https_proxy": str,
}
_RANGES = ("cluster_cidr", "service_cidr", "cluster_dns")
# Of a cluster that works, so that only what is judged can be wrong.
_IN_ORDER = {
    "token": "0123456789abcdef-server",
    "agent_token": "0123456789abcdef-agent",
    "server_hosts": ["one"],
}
_VARIABLE = re.compile(r"(?<![`\w])k3s_[a-z_]+\b(?!`)")
_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class _Cluster:
    """The inventory as seen by the cluster."""

    members: Members
    extra_names: frozenset[str]

    @property
    def servers(self) -> list[str]:
        return sorted(self.members.hosts.get(SERVERS, ()))

    @property
    def agents(self) -> list[str]:
        return sorted(self.members.hosts.get(AGENTS, ()))

    def definitions(self, name: str) -> list[Definition]:
        """Return where a variable is set for a node of the cluster; what wins over others comes last."""
        nodes = {*self.servers, *self.agents}
        found = [d for d in self.members.inventory.definitions if d.name == f"k3s_{name}"]
        return sorted((d for d in found if self.members.of(d.scope) & nodes), key=_rank)

    def value(self, name: str, default: object) -> Any:
        """Return what a variable is for the whole cluster; `_UNKNOWN` where only the run knows it."""
        if f"k3s_{name}" in self.extra_names:
            return _UNKNOWN
        found = self.definitions(name)
        return plain(found[-1].value) if found else default

    def place(self, name: str) -> Place:
        """Return where a variable is set, or else where the cluster's first group stands."""
        found = self.definitions(name)
        if found:
            return found[-1].value.place
        groups = [
            self.members.inventory.groups[g] for g in (SERVERS, AGENTS) if g in self.members.inventory.groups
        ]
        return min(place for group in groups for place in group.places)


def check_cluster(members: Members, extra_names: frozenset[str]) -> Iterator[tuple[Finding, bool]]:
    """Yield what cannot work in a site's cluster, and whether it is certain.

    Args:
        members: Hosts by group.
        extra_names: Variables that `-e` sets, whose values are not known.

    Returns with each finding whether it is certain: it is not if a file that was not read may say otherwise.
    """
    cluster = _Cluster(members, extra_names)
    if not cluster.servers and not cluster.agents:
        return
    for finding in {*_alone(cluster), *_ranges(cluster)}:
        yield finding, True
    yield from _servers(cluster)
    yield from _tokens(cluster)


def plain(value: Value) -> Any:
    """Return a value as Python data, or `_UNKNOWN` where a part of it is a template or encrypted."""
    if isinstance(value, ScalarValue):
        return _UNKNOWN if value.is_template else value.data
    if isinstance(value, ListValue):
        items = [plain(item) for item in value.items]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else items
    if isinstance(value, DictValue) and not value.is_template:
        entries = {key: plain(entry.value) for key, entry in value.entries.items()}
        return _UNKNOWN if any(entry is _UNKNOWN for entry in entries.values()) else entries
    return _UNKNOWN


def _at(place: Place, text: str) -> Finding:
    """Return a sentence of the cluster's rules as a finding: names quoted as in all findings of a site."""
    quoted = _VARIABLE.sub(r"`\g<0>`", printable(text))
    return Finding.at(place, quoted)


def _rank(definition: Definition) -> int:
    if definition.scope.kind == "host":
        return 2
    return 0 if "all" in definition.scope.names else 1


def _alone(cluster: _Cluster) -> Iterator[Finding]:
    """Yield what is wrong with single variables, wherever they are set."""
    version = cluster.value("version", "")
    known = version if isinstance(version, str) and not version_finding(version) else _newest()
    for name, wanted in _ALONE.items():
        for definition in cluster.definitions(name):
            value = plain(definition.value)
            if wanted is list and isinstance(value, str):
                value = value.split(",")
            if not isinstance(value, wanted) or (wanted is str and not value):
                continue
            options = {**_IN_ORDER, "version": known, "api" if name == "api_address" else name: value}
            for text in setting_findings(options):
                if text.startswith(f"k3s_{name}"):
                    yield _at(definition.value.place, text)


def _newest() -> str:
    return "v1.999.0+k3s1"


def _ranges(cluster: _Cluster) -> Iterator[Finding]:
    """Yield ranges that are none, that overlap, or that hold an address of a host."""
    texts = {name: cluster.value(name, DEFAULTS[name]) for name in _RANGES}
    if any(not isinstance(text, str | list) for text in texts.values()):
        return
    ranges, faults = read_ranges(*texts.values())
    hosts = dict(_addresses(cluster))
    around = Surroundings(hosts=hosts, nodes=len(cluster.servers) + len(cluster.agents))
    version = cluster.value("version", "")
    found = network_findings(ranges, around, version if isinstance(version, str) else "")
    for text in [*faults, *found]:
        name = next((name for name in _RANGES if text.startswith(f"k3s_{name}")), _RANGES[0])
        other = next((n for n in _RANGES if f"k3s_{n}" in text and cluster.definitions(n)), name)
        yield _at(cluster.place(name if cluster.definitions(name) else other), text)


def _addresses(cluster: _Cluster) -> Iterator[tuple[str, list[str]]]:
    """Yield the addresses that an inventory has of its hosts, all of them: a node must reach each."""
    given = {
        host: plain(definition.value)
        for definition in cluster.members.inventory.definitions
        if definition.name == "ansible_host" and definition.scope.kind == "host"
        for host in definition.scope.names
    }
    for host in cluster.members.inventory.hosts:
        text = str(given.get(host, host))
        try:
            ipaddress.ip_address(text)
        except ValueError:
            continue
        yield host, [text]


def _servers(cluster: _Cluster) -> Iterator[tuple[Finding, bool]]:
    members = cluster.members
    readable = not members.inventory.may_have_more_hosts
    for text in group_findings(cluster.servers, cluster.agents):
        host = text.partition(" ")[0]
        yield _at(max(members.inventory.hosts[host]), text), True
    datastore, endpoint = cluster.value("datastore", "etcd"), cluster.value("datastore_endpoint", "")
    if _UNKNOWN in (datastore, endpoint):
        return
    unread = reach_of_unread(members) & set(cluster.servers)
    for text in server_findings(cluster.servers, str(datastore), str(endpoint or "")):
        groups = members.inventory.groups
        place = cluster.place("datastore") if "k3s_datastore" in text else min(groups[SERVERS].places)
        yield _at(place, text), readable and not unread


def _tokens(cluster: _Cluster) -> Iterator[tuple[Finding, bool]]:
    values = {name: cluster.value(name, "") for name in ("token", "agent_token")}
    texts = {
        name: str(_IN_ORDER[name] if value is _UNKNOWN else "" if value is None else value)
        for name, value in values.items()
    }
    unread = reach_of_unread(cluster.members) & {*cluster.servers, *cluster.agents}
    for text in token_findings(
        str(texts["token"]), str(texts["agent_token"]), cluster.servers, cluster.agents
    ):
        name = "agent_token" if text.startswith("k3s_agent_token") else "token"
        yield _at(cluster.place(name), text), bool(cluster.definitions(name)) or not unread

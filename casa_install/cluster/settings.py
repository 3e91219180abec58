"""What a site sets for its cluster, checked before anything is changed."""

from __future__ import annotations

import difflib
import ipaddress
import re
from typing import TYPE_CHECKING, Any

from casa_install.cluster.arguments import argument_name
from casa_install.cluster.config import DEFAULTS, api_host
from casa_install.cluster.keys import keys, owner
from casa_install.cluster.tokens import token_findings
from casa_install.cluster.versions import (
    features,
    flannel_backend_finding,
    found_version,
    packaged_components,
    version_finding,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_TAINT = re.compile(r"([^=:]+)(?:=([^=:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_ARGUMENT = re.compile(r"(--)?[a-z][a-z0-9-]*[+-]?(=.*)?", re.DOTALL)
_PROXY = re.compile(r"(https?|socks5)://[^\s/]+/?")
# The NodeRestriction plugin lets a node set no other label of Kubernetes' own on itself:
# https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
_NODE_PREFIXES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_NODE_LABELS = {
    "kubernetes.io/arch", "kubernetes.io/hostname", "kubernetes.io/os", "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone", "node.kubernetes.io/instance-type",
}  # fmt: skip
_RESERVED_BY_SPLIT = {"system-reserved", "kube-reserved"}


def setting_findings(given: Mapping[str, Any]) -> list[str]:
    """Say what cannot work in a cluster's settings.

    Args:
        given: The role's public variables without `k3s_`, and `kind`, `server_hosts` and `agent_hosts`
            (inventory names), `shared` (whether the host also runs jobs of HTCondor) and `cgroup` (type of
            the file system /sys/fs/cgroup, empty where it is not known).

    Returns:
        One sentence for each finding, which names the variable. No secret is in it.
    """
    options = {
        "datastore": "etcd", "token": "", "agent_token": "", "server_hosts": [], "agent_hosts": [],
        "shared": False, "cgroup": "", "http_proxy": "", "https_proxy": "", **DEFAULTS, **given,
    }  # fmt: skip
    version = version_finding(options["version"])
    return [
        *([version] if version else []),
        *group_findings(options["server_hosts"], options["agent_hosts"]),
        *server_findings(options["server_hosts"], options["datastore"], options["datastore_endpoint"]),
        *token_findings(
            options["token"], options["agent_token"], options["server_hosts"], options["agent_hosts"]
        ),
        *_names(options),
        *_labels(options),
        *_components(options),
        *_free_keys(options),
        *_kubelet(options),
        *_proxies(options),
    ]


def setting_warnings(given: Mapping[str, Any]) -> list[str]:
    """Say what an admin should know about settings that work."""
    options = {**DEFAULTS, **given}
    can = features(options["version"])
    found = []
    if options["hardening"] and not can["pod_security_admission"]:
        found.append(
            f"k3s_hardening: k3s {options['version']} has no Pod Security Admission, so pods are not held "
            "to a "
            "standard; 1.25 and newer are"
        )
    if options["flannel_backend"] == "none":
        found.append("k3s_flannel_backend is `none`: no node is Ready until you install a network plugin")
    return found


def group_findings(servers: Sequence[str], agents: Sequence[str]) -> list[str]:
    """Say which hosts are in two groups that exclude each other."""
    return [
        f"{host} is in k3s_server and in k3s_agent: a server runs pods too, so take it out of k3s_agent"
        for host in servers
        if host in agents
    ]


def server_findings(servers: Sequence[str], datastore: str, endpoint: str) -> list[str]:
    """Say why a number of servers cannot keep the cluster's data."""
    count = len(servers)
    if endpoint or count < 2:
        return []
    if datastore == "sqlite":
        return [
            f"k3s_datastore is `sqlite` and {count} hosts are in k3s_server: they would be {count} "
            "clusters; use "
            "`etcd`"
        ]
    if count % 2:
        return []
    lost = count // 2
    return [
        f"{count} servers lose etcd's quorum with {'one' if lost == 1 else lost} of them, and {count - 1} "
        "would do as "
        f"well: put {'1, 3 or 5' if count < 6 else f'{count - 1}'} hosts into k3s_server"
    ]


def _names(options: Mapping[str, Any]) -> Iterator[str]:
    api = str(options["api"])
    host = api_host(api)
    if "://" in api or "/" in api:
        yield f"k3s_api_address: `{api}` must be a name or an address, with or without a port, and no URL"
    elif api and not _is_host(host):
        yield f"k3s_api_address: `{api}` is neither a name nor an address"
    for name in options["tls_sans"]:
        if not _is_host(str(name).removeprefix("*.")):
            yield f"k3s_tls_sans: `{name}` is neither a name nor an address"
    if not _DOMAIN.fullmatch(str(options["cluster_domain"])):
        yield f"k3s_cluster_domain: `{options['cluster_domain']}` is no DNS domain"


def _labels(options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options["node_labels"].items():
        yield from _label_name("k3s_node_labels", str(name))
        if str(value) and not _NAME.fullmatch(str(value)):
            yield f"k3s_node_labels: `{name}` has the value `{value}`: at most 63 letters, digits, `.-_`"
        prefix = str(name).rpartition("/")[0]
        own = prefix.endswith(("kubernetes.io", "k8s.io"))
        if own and name not in _NODE_LABELS and not prefix.endswith(_NODE_PREFIXES):
            yield (
                f"k3s_node_labels: a node may not give itself `{name}`, and does not start with it; use a "
                "prefix of "
                "your own, such as your domain"
            )
    for taint in options["node_taints"]:
        match = _TAINT.fullmatch(str(taint))
        if not match:
            yield (
                f"k3s_node_taints: `{taint}` must be `name=value:effect` with the effect NoSchedule, "
                "PreferNoSchedule or NoExecute"
            )
        else:
            yield from _label_name("k3s_node_taints", match[1])


def _label_name(variable: str, name: str) -> Iterator[str]:
    prefix, slash, short = name.rpartition("/")
    if not _NAME.fullmatch(short) or (slash and not _PREFIX.fullmatch(prefix)):
        yield f"{variable}: `{name}` is no name such as `example.edu/disk`"


def _components(options: Mapping[str, Any]) -> Iterator[str]:
    version = found_version(options["version"])
    if version is not None and (fault := flannel_backend_finding(options["flannel_backend"], version)):
        yield fault
    known = packaged_components()
    for name in options["disable"]:
        close = [] if name in known else difflib.get_close_matches(str(name), known, 1, 0.8)
        if close:
            yield f"k3s_disable: k3s has no `{name}`, did you mean `{close[0]}`?"
    if (
        options["cgroup"] not in ("", "cgroup2fs")
        and features(options["version"])["cgroup_v2_required"]
        and not any(argument_name(text) == "fail-cgroupv1" for text in options["kubelet_args"])
    ):
        yield (
            f"this host has cgroup v1, under which the kubelet of k3s {options['version']} does not start: "
            "boot it "
            "with systemd.unified_cgroup_hierarchy=1"
        )


def _free_keys(options: Mapping[str, Any]) -> Iterator[str]:
    for key, value in options["config"].items():
        bare = str(key).rstrip("+")
        if place := owner(bare):
            where = f"set {place}" if place.startswith("k3s_") else f"it belongs to {place}"
            yield f"k3s_config: `{key}` is written by the role: {where}"
        elif bare != key:
            yield f"k3s_config: write `{bare}` for `{key}`: there is one file, so there is nothing to add to"
        elif close := difflib.get_close_matches(bare, [k for k in keys() if owner(k)], 1, 0.9):
            yield f"k3s_config: k3s has no `{key}`, did you mean `{close[0]}`? The role writes that one"
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dict | list) for item in items):
            yield f"k3s_config: `{key}` must be a text, a number, true or false, or a list of them"
    if options["config"].get("embedded-registry") and not features(options["version"])["embedded_registry"]:
        yield f"k3s_config: k3s {options['version']} has no `embedded-registry`"


def _kubelet(options: Mapping[str, Any]) -> Iterator[str]:
    for argument in options["kubelet_args"]:
        name = argument_name(str(argument))
        if not _ARGUMENT.fullmatch(str(argument)):
            yield f"k3s_kubelet_args: `{argument}` is not `name=value`"
        elif name in _RESERVED_BY_SPLIT and options["shared"]:
            yield (
                f"k3s_kubelet_args: `{name}` is worked out on a host that jobs use too; set site_pods_share "
                "and "
                "site_system_reserved"
            )
        elif name in ("node-labels", "register-with-taints"):
            variable = "k3s_node_labels" if name == "node-labels" else "k3s_node_taints"
            yield f"k3s_kubelet_args: set {variable} in place of `{name}`"


def _proxies(options: Mapping[str, Any]) -> Iterator[str]:
    # The value may hold a password.
    for name in ("http_proxy", "https_proxy"):
        if options[name] and not _PROXY.fullmatch(str(options[name])):
            yield f"k3s_{name} is no address of a proxy such as `http://proxy.example.edu:3128`"


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return bool(_HOST.fullmatch(text))
    return True

"""A node's config.yaml from what a site sets.

Secrets are in files of their own (`token-file`), so that the configuration can be shown. How a server gets
to its cluster is not here: `roles/k3s/files/join.py` settles it once, at the first start, from what other
servers say, and it must not change with the inventory.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from casa_install.cluster.arguments import merged
from casa_install.cluster.ranges import split_ranges
from casa_install.cluster.versions import Version, found_version, is_for_servers, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TOKEN_FILE = "/etc/rancher/k3s/token"  # noqa: S105 - a path
AGENT_TOKEN_FILE = "/etc/rancher/k3s/agent-token"  # noqa: S105 - a path
_PORT = 6443
# Where a caller names no release.
_NEWEST = Version(minor=1 << 20, patch=0)
_ARGUMENTS = ("kube-apiserver-arg", "kube-controller-manager-arg", "kubelet-arg")
_ORDER = (
    "server", "cluster-init", "datastore-endpoint", "token-file", "agent-token-file",
    "node-name", "node-ip", "tls-san", "write-kubeconfig-mode",
    "cluster-cidr", "service-cidr", "cluster-dns", "cluster-domain", "flannel-backend",
    "disable", "secrets-encryption", "selinux", "protect-kernel-defaults",
    *_ARGUMENTS, "node-label", "node-taint",
)  # fmt: skip
DEFAULTS: Mapping[str, Any] = {
    "kind": "server",
    "version": "",
    "node_name": "",
    "node_ip": "",
    "api": "",
    "servers": [],
    "tls_sans": [],
    "datastore_endpoint": "",
    "cluster_cidr": "10.42.0.0/16",
    "service_cidr": "10.43.0.0/16",
    "cluster_dns": "",
    "cluster_domain": "cluster.local",
    "flannel_backend": "vxlan",
    "disable": [],
    "secrets_encryption": True,
    "selinux": False,
    "hardening": False,
    "node_labels": {},
    "node_taints": [],
    "kubelet_args": [],
    "reservations": [],
    "config": {},
}
"""What `node_config` takes where a caller leaves it out: the role's variables without `k3s_`, and `kind`
(`server` or `agent`), `node_name`, `node_ip`, `api` (host and port of the API), `servers` (names of all
servers, for the certificate) and `reservations` (arguments of the kubelet that `split` works out)."""


def node_config(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to stand in a node's config.yaml, in a fixed order.

    Args:
        given: As `DEFAULTS`.
    """
    options = {**DEFAULTS, **given}
    server = options["kind"] == "server"
    result: dict[str, Any] = _server_keys(options) if server else _agent_keys(options)
    result |= {"node-name": options["node_name"], "node-ip": ",".join(split_ranges(options["node_ip"]))}
    hardening = _hardening(options, server)
    result |= {key: value for key, value in hardening.items() if key not in _ARGUMENTS}
    if options["selinux"]:
        result["selinux"] = True
    extra = {key: value for key, value in options["config"].items() if server or not is_for_servers(key)}
    parts = {
        "kubelet-arg": [hardening.get("kubelet-arg", []), options["kubelet_args"], options["reservations"]],
        "kube-apiserver-arg": [hardening.get("kube-apiserver-arg", [])],
        "kube-controller-manager-arg": [hardening.get("kube-controller-manager-arg", [])],
    }
    for key, lists in parts.items():
        result[key] = merged(*lists, _texts(extra.pop(key, [])))
    result["node-label"] = [f"{name}={value}" for name, value in sorted(options["node_labels"].items())]
    result["node-taint"] = list(options["node_taints"])
    return _in_order({**result, **extra})


def environment(given: Mapping[str, Any], reached: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables of k3s' unit; none without a proxy.

    Args:
        given: `http_proxy`, `https_proxy`, `no_proxy` (list), and the cluster's ranges and domain.
        reached: Names and networks of the site that need no proxy: nodes, and the API's address.
    """
    options = {**DEFAULTS, "http_proxy": "", "https_proxy": "", "no_proxy": [], **given}
    names = {"HTTP_PROXY": options["http_proxy"], "HTTPS_PROXY": options["https_proxy"]}
    result = {name: str(value) for name, value in names.items() if value}
    if result:
        near = [
            "127.0.0.0/8", "::1", "localhost", ".svc", f".{options['cluster_domain']}",
            *split_ranges(options["cluster_cidr"]), *split_ranges(options["service_cidr"]),
        ]  # fmt: skip
        result["NO_PROXY"] = ",".join(dict.fromkeys([*near, *reached, *options["no_proxy"]]))
    return result


def api_host(api: str) -> str:
    """Return the host of `host:port`, `[address]:port` or either alone."""
    if api.startswith("["):
        return api[1:].partition("]")[0]
    return api.rpartition(":")[0] if api.count(":") == 1 else api


def api_url(api: str) -> str:
    """Return the API's address with its port."""
    host, bare = api_host(api), api.strip("[]")
    shown = f"[{host}]" if ":" in host else host
    return f"https://{shown}:{_PORT}" if bare == host else f"https://{api}"


def _server_keys(options: Mapping[str, Any]) -> dict[str, Any]:
    names = [api_host(options["api"]), *options["servers"], *options["tls_sans"]]
    result: dict[str, Any] = {
        "datastore-endpoint": options["datastore_endpoint"],
        "token-file": TOKEN_FILE,
        "agent-token-file": AGENT_TOKEN_FILE,
        "tls-san": list(dict.fromkeys(name for name in names if name)),
        "write-kubeconfig-mode": "0600",
        "cluster-cidr": ",".join(split_ranges(options["cluster_cidr"])),
        "service-cidr": ",".join(split_ranges(options["service_cidr"])),
        "cluster-dns": ",".join(split_ranges(options["cluster_dns"])),
        "cluster-domain": options["cluster_domain"],
        "flannel-backend": options["flannel_backend"],
        "disable": list(options["disable"]),
    }
    if options["secrets_encryption"]:
        result["secrets-encryption"] = True
    return result


def _agent_keys(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"server": api_url(options["api"]), "token-file": AGENT_TOKEN_FILE}


def _hardening(options: Mapping[str, Any], server: bool) -> dict[str, Any]:
    if not options["hardening"]:
        return {}
    version = found_version(options["version"]) or _NEWEST
    result: dict[str, Any] = {}
    table = hardening_table()
    for part in [*table["agent"], *(table["server"] if server else ())]:
        if not within(version, part):
            continue
        for key, value in part.items():
            if key not in ("from", "until"):
                result[key] = merged(result.get(key, []), value) if key in _ARGUMENTS else value
    return result


@cache
def hardening_table() -> dict[str, Any]:
    """Return `hardening.yml`."""
    return dict(yaml.safe_load(Path(__file__).with_name("hardening.yml").read_text(encoding="utf-8")))


def _texts(value: Any) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _in_order(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if value not in ("", [], None)}
    known = [key for key in _ORDER if key in kept]
    return {key: kept[key] for key in [*known, *sorted(kept.keys() - set(known))]}

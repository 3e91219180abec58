"""Filters on a cluster of k3s nodes. Thin; the work is in `casa_install.cluster`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from casa_install.cluster.access import words_around
from casa_install.cluster.changes import compare_configs
from casa_install.cluster.config import environment, node_config
from casa_install.cluster.networks import (
    Surroundings,
    network_findings,
    network_warnings,
    own_addresses,
)
from casa_install.cluster.ranges import Ranges, read_ranges
from casa_install.cluster.settings import setting_findings, setting_warnings
from casa_install.cluster.split import COLUMNS, read_size, read_wanted, split_host
from casa_install.cluster.upgrades import upgrade_findings
from casa_install.cluster.versions import features


def _ranges(options: dict[str, Any]) -> tuple[Ranges, list[str]]:
    return read_ranges(options["cluster_cidr"], options["service_cidr"], options.get("cluster_dns", ""))


def _around(options: dict[str, Any], around: dict[str, Any]) -> Surroundings:
    nodes = len(options.get("server_hosts", [])) + len(options.get("agent_hosts", []))
    return Surroundings(**{"nodes": nodes, **around})


def _findings(options: dict[str, Any], around: dict[str, Any] | None = None) -> list[str]:
    ranges, faults = _ranges(options)
    return [
        *setting_findings(options),
        *faults,
        *network_findings(ranges, _around(options, around or {}), options["version"]),
    ]


def _warnings(options: dict[str, Any], around: dict[str, Any] | None = None) -> list[str]:
    return [
        *setting_warnings(options),
        *network_warnings(_ranges(options)[0], _around(options, around or {})),
    ]


def _split(lines: list[str], options: dict[str, Any], host: str) -> dict[str, Any]:
    size = read_size(lines)
    count_cores = options.get("physical_cores", False)
    wanted, faults = read_wanted({**options, "cores": size["cores"] if count_cores else 0})
    split = split_host(size["cpus"], size["memory"], wanted)
    return {
        "kubelet": list(split.kubelet),
        "startd": dict(split.startd),
        "findings": [*faults, *split.findings],
        "table": {
            "title": "Who gets what of a node",
            "columns": list(COLUMNS),
            "rows": [split.row(host)] if split.total.cpu else [],
        },
    }


def _change(new: dict[str, Any], old: dict[str, Any], kind: str = "server") -> dict[str, Any]:
    verdict = compare_configs(old, new, kind)
    return {**asdict(verdict), "refusals": verdict.refusals}


def _upgrade(target: str, servers: dict[str, str], agents: dict[str, str], etcd: bool = True) -> list[str]:
    return upgrade_findings(servers, agents, target, etcd)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {
            "k3s_servers_around": words_around,
            "k3s_addresses": own_addresses,
            "k3s_change_class": _change,
            "k3s_config": node_config,
            "k3s_environment": environment,
            "k3s_features": features,
            "k3s_findings": _findings,
            "k3s_split": _split,
            "k3s_upgrade_findings": _upgrade,
            "k3s_warnings": _warnings,
        }
